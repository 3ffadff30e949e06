-- name: add
-- Note which problems this transaction changes, and tell whoever listens, once a source. Payload: {"source", "ids"}, or, where that would not
-- go into a notification (8,000 bytes), {"source", "more": true}. A listener who does not fetch for long fills the queue, and a full one
-- would fail every commit: half full, nothing is put into it any more; the table has it all the same.
with changed as (
    insert into bridge.change (source_id, problem_ids)
    select n.source_id, array_agg(n.id order by n.id)
    from unnest($1::smallint[], $2::text[]) as n (source_id, id)
    group by n.source_id
    returning source_id, problem_ids
),

told as (
    select s.name, json_build_object('source', s.name, 'ids', c.problem_ids)::text as payload
    from changed as c
    inner join bridge.source as s on c.source_id = s.id
    where pg_notification_queue_usage() < 0.5
)

select
    pg_notify(
        'service_problem_changed',
        case when octet_length(t.payload) < 8000 then t.payload else json_build_object('source', t.name, 'more', true)::text end
    ) as sent
from told as t;

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
inner join bridge.service_problem as p on k.source_id = p.source_id and k.id = p.id
inner join bridge.source as s on p.source_id = s.id;
