-- name: add
-- Changes found by polling whose notification has not arrived; a change found twice is awaited once. Left out are changes of which a notification
-- arrived before: one about the same change, or a partial one (which states no time of the change) about the same problem since.
insert into bridge.awaited_notification (
    source_id, problem_id, effective_at, content_hash, stamped, changed_at, found_at, due_at
)
select n.source_id, n.problem_id, n.effective_at, n.content_hash, n.stamped, n.changed_at, n.found_at, n.due_at
from unnest(
    $1::smallint[], $2::text[], $3::timestamptz[], $4::bytea[], $5::boolean[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[]
) as n (source_id, problem_id, effective_at, content_hash, stamped, changed_at, found_at, due_at)
where
    not exists (
        select from bridge.service_problem_version as v
        where
            v.source_id = n.source_id and v.problem_id = n.problem_id and v.via = 'push'
            and (
                v.effective_at = n.effective_at
                or (v.kind = 'partial' and v.observed_at >= n.changed_at - interval '2 seconds')
            )
    )
on conflict do nothing;

-- name: mark_arrived
-- Notifications arrived that changed nothing, or were partial: each may be an awaited one.
update bridge.awaited_notification as a set arrived_at = n.arrived_at
from unnest($1::smallint[], $2::text[], $3::timestamptz[], $4::bytea[], $5::boolean[], $6::timestamptz[]) as n (
    source_id, problem_id, effective_at, content_hash, partial, arrived_at
)
where
    a.source_id = n.source_id and a.problem_id = n.problem_id and a.arrived_at is null
    and (a.effective_at = n.effective_at or a.content_hash = n.content_hash or not a.stamped or n.partial);

-- name: count_overdue
-- Delete what has arrived or is overdue at $2, at most $3 rows, and count it by hour.
with decided as (
    delete from bridge.awaited_notification as a
    where
        a.ctid = any(
            array(
                select w.ctid from bridge.awaited_notification as w
                where w.source_id = $1 and (w.due_at <= $2 or w.arrived_at is not null)
                limit $3
                for update skip locked
            )
        )
    returning a.found_at, a.changed_at, a.arrived_at
),

kept as (
    insert into bridge.push_outcome as v (source_id, hour, missed, late)
    select $1, bridge.hour_of(j.found_at), count(*) filter (where j.arrived_at is null), count(j.arrived_at)
    from decided as j
    group by bridge.hour_of(j.found_at)
    on conflict (source_id, hour) do update set missed = v.missed + excluded.missed, late = v.late + excluded.late
)

select
    count(*) filter (where j.arrived_at is null) as missed,
    count(j.arrived_at) as late,
    max(j.changed_at) filter (where j.arrived_at is null) as changed_at
from decided as j;
