-- Who does what only one process may do: two bridges on one database both listen, one of them polls and registers.

create table bridge.lease (
    name text primary key,
    holder text not null,
    token bigint not null,
    taken_at timestamptz not null,
    expires_at timestamptz not null
);
comment on table bridge.lease is 'Work that only one process does at a time';
comment on column bridge.lease.name is 'The work';
comment on column bridge.lease.holder is 'Process that holds it: host, process id and a random part';
comment on column bridge.lease.token is 'Grows with every change of holder; what is written under an older one is refused';
comment on column bridge.lease.taken_at is 'Since when this holder has it';
comment on column bridge.lease.expires_at is 'Postgres'' clock: when anybody may take it';
