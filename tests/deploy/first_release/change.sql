-- name: horizon
-- All changes with a lower number are in the table, and none will be added. Open and future transactions have this number or a higher one.
select pg_snapshot_xmin(pg_current_snapshot())::text as horizon;

-- name: after
-- At most $3 changes after (committed $1, id $2), in an order into which no later commit inserts.
select c.committed::text as committed, c.id, c.changed_at, c.source_id, c.problem_ids
from bridge.change as c
where
    (c.committed, c.id) > ($1::text::xid8, $2::bigint)
    and c.committed < pg_snapshot_xmin(pg_current_snapshot())
order by c.committed, c.id
limit $3;

-- name: held_back
-- How long an open transaction has kept the oldest unread change from being readable; 0: none does.
select coalesce(
    (
        select extract(epoch from clock_timestamp() - c.changed_at) from bridge.change as c
        where c.committed >= pg_snapshot_xmin(pg_current_snapshot())
        order by c.committed, c.id
        limit 1
    ), 0
)::double precision as seconds;

-- name: oldest_transaction
-- The oldest writing transaction on this server, in any database: it delays the readers of changes.
select t.holder from (
    select
        age(a.backend_xid) as age,
        format('pid %s (%s, database %s, %s, %s)', a.pid, a.usename, a.datname, a.application_name, a.state) as holder
    from pg_stat_activity as a
    where a.backend_xid is not null
    union all
    select
        age(p.transaction) as age,
        format('prepared transaction %s (%s, database %s)', p.gid, p.owner, p.database) as holder
    from pg_prepared_xacts as p
) as t
order by t.age desc
limit 1;

-- name: complete
-- Is every change after (committed $1, id $2) still in the table? Pruning removes the oldest changes and always keeps the last one that it could
-- remove; the first change has id 1.
select
    $1::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot())
    and coalesce(
        (
            select c.id = 1 or ($1::text::xid8, $2::bigint) >= (c.committed, c.id) from bridge.change as c
            order by c.committed, c.id
            limit 1
        ), true
    ) as complete;

-- name: current
-- The current state of problems.
select
    p.source_id, s.name as source, p.id, p.status, p.status_raw, p.priority, p.category, p.updated_at, p.status_changed_at,
    p.deleted_at, p.via, p.body
from unnest($1::smallint[], $2::text[]) as k (source_id, id)
inner join bridge.service_problem_with_body as p on k.source_id = p.source_id and k.id = p.id
inner join bridge.source as s on p.source_id = s.id;
