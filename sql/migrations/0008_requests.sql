-- What operators ask of the bridge: a row is written by the console, and the process that leads takes it.

create table bridge.request (
    id bigint generated always as identity primary key,
    asked_at timestamptz not null default now(),
    taken_at timestamptz,
    ended_at timestamptz,
    progress_done bigint,
    progress_total bigint,
    source_id smallint constraint request_source_id_fkey references bridge.source (id),
    attempts smallint not null default 0,
    kind text not null constraint request_kind_check
    check (kind in ('poll', 'reconcile', 'register', 'rotate_secret', 'replay', 'discard')),
    asked_by text not null,
    arguments jsonb not null default '{}',
    outcome text constraint request_outcome_check check (outcome in ('done', 'incomplete', 'failed')),
    detail text,
    constraint request_ended_check check ((ended_at is null) = (outcome is null))
);
comment on table bridge.request is
'What an operator asked of the bridge. The process that leads takes it; when that process ends, the next one takes it again';
comment on column bridge.request.id is 'Key';
comment on column bridge.request.asked_at is 'When it was asked';
comment on column bridge.request.taken_at is 'When a process last began with it; null: none has yet';
comment on column bridge.request.ended_at is 'When it ended, whatever came of it; null while it is open';
comment on column bridge.request.progress_done is 'How many problems or dead letters were dealt with so far';
comment on column bridge.request.progress_total is 'Of how many; null where that is not known';
comment on column bridge.request.source_id is 'Source; null: dead letters of every source';
comment on column bridge.request.attempts is 'How often a process began with it';
comment on column bridge.request.kind is 'poll, reconcile, register, rotate_secret (of the callback), replay or discard (dead letters)';
comment on column bridge.request.asked_by is 'Who asked';
comment on column bridge.request.arguments is
'Which dead letters: numbers, or reason (null: any) and up_to (the newest number when it was asked)';
comment on column bridge.request.outcome is 'done; incomplete (a pass may have missed problems, some letters are still not understood); failed';
comment on column bridge.request.detail is 'What came of it, in words';
create unique index request_open_key on bridge.request (source_id, kind) nulls not distinct where ended_at is null;
create index request_source_id_idx on bridge.request (source_id, id);
