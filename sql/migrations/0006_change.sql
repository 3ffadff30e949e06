-- Which problems each transaction changed: for reports that follow along, for streams, and for LISTEN service_problem_changed.
--
-- Numbers are drawn before transactions commit and commits overtake each other, so neither id nor changed_at is an order in which to read.
-- (committed, id) is, as long as only rows are taken whose transaction is older than every one still under way:
--     where (committed, id) > (last seen) and committed < pg_snapshot_xmin(pg_current_snapshot()) order by committed, id

create table bridge.change (
    committed xid8 not null default pg_current_xact_id(),
    id bigint generated always as identity,
    changed_at timestamptz not null default now(),
    source_id smallint not null,
    problem_ids text[] not null,
    primary key (committed, id)
);
comment on table bridge.change is 'One row a transaction and source: the problems whose present or history it changed; kept for a day';
comment on column bridge.change.committed is 'The transaction; read only those below pg_snapshot_xmin(pg_current_snapshot()), and none is missed';
comment on column bridge.change.id is 'Tells rows of one transaction apart';
comment on column bridge.change.changed_at is 'When the transaction began';
comment on column bridge.change.source_id is 'Source';
comment on column bridge.change.problem_ids is 'Problems whose current row, versions or statuses are others now, or that were pruned';
