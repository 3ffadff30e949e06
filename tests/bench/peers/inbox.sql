-- What Fastify and Node-RED write to: one inbox row and one upsert a notification.
create table inbox (
    id bigint generated always as identity primary key,
    received_at timestamptz not null default now(),
    event_id text not null,
    body jsonb not null
);
create table problem (
    id text primary key,
    status text not null,
    updated_at timestamptz not null,
    body jsonb not null
);
