-- What was stored with other words for statuses and priorities (status_map, priority_map) is read again, a few problems at a time.

create table bridge.vocabulary_walk (
    source_id smallint primary key constraint vocabulary_walk_source_id_fkey references bridge.source (id) on delete cascade,
    digest bytea not null,
    walked_id text not null default '',
    changed bigint not null default 0,
    started_at timestamptz not null default now(),
    finished_at timestamptz
);
comment on table bridge.vocabulary_walk is 'With which words of its own what is stored of a source was read; a source without a row never had any';
comment on column bridge.vocabulary_walk.source_id is 'Source';
comment on column bridge.vocabulary_walk.digest is 'Of status_map and priority_map';
comment on column bridge.vocabulary_walk.walked_id is 'Problems up to this one were read again: a walk that was interrupted goes on after it';
comment on column bridge.vocabulary_walk.changed is 'Problems of which something changed so far';
comment on column bridge.vocabulary_walk.started_at is 'When the walk over the problems began';
comment on column bridge.vocabulary_walk.finished_at is 'When all were read again; null: it is under way';
