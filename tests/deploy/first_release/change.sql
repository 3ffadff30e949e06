-- name: horizon
-- Everything below is in the table; nothing will be added there any more. Above are transactions under way, and those to come.
select pg_snapshot_xmin(pg_current_snapshot())::text as horizon;

-- name: after
-- Changes after (committed $1, id $2), at most $3, in an order that no later commit gets in between.
select c.committed::text as committed, c.id, c.changed_at, c.source_id, c.problem_ids
from bridge.change as c
where
    (c.committed, c.id) > ($1::text::xid8, $2::bigint)
    and c.committed < pg_snapshot_xmin(pg_current_snapshot())
order by c.committed, c.id
limit $3;

-- name: held_back
-- For how long the oldest change has not been readable that a transaction under way holds back; 0: none is.
select coalesce(
    (
        select extract(epoch from clock_timestamp() - c.changed_at) from bridge.change as c
        where c.committed >= pg_snapshot_xmin(pg_current_snapshot())
        order by c.committed, c.id
        limit 1
    ), 0
)::double precision as seconds;

-- name: oldest_transaction
-- The oldest transaction on this server that may write, in whatever database: who holds readers of changes back.
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
-- Is everything after (committed $1, id $2) still there? The pruner removes the oldest and always leaves the last of what it might remove;
-- the very first has id 1.
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
-- Problems as they are now.
select
    p.source_id, s.name as source, p.id, p.status, p.status_raw, p.priority, p.category, p.updated_at, p.status_changed_at,
    p.deleted_at, p.via, p.body
from unnest($1::smallint[], $2::text[]) as k (source_id, id)
inner join bridge.service_problem_with_body as p on k.source_id = p.source_id and k.id = p.id
inner join bridge.source as s on p.source_id = s.id;
