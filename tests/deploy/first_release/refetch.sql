-- name: request
-- Request that problems be fetched; a request that waits starts again with its first attempt. The reason that a notification deleted the problem is kept.
insert into bridge.refetch as r (source_id, problem_id, reason, requested_at, due_at)
select n.source_id, n.problem_id, n.reason, n.requested_at, n.requested_at + make_interval(secs => n.delay_seconds)
from unnest($1::smallint[], $2::text[], $3::text[], $4::timestamptz[], $5::double precision[]) as n (
    source_id, problem_id, reason, requested_at, delay_seconds
)
order by n.source_id, n.problem_id
on conflict (source_id, problem_id) do update set
reason = case when r.reason in ('deleted', 'after_delete') then r.reason else excluded.reason end,
requested_at = greatest(r.requested_at, excluded.requested_at),
due_at = least(r.due_at, excluded.due_at),
attempts = 0;

-- name: settle
-- An answer settles the requests made before it was asked for. Rows are locked in the order in which `request` writes them.
delete from bridge.refetch as r
using (
    select
        k.source_id,
        k.problem_id
    from unnest($1::smallint[], $2::text[], $3::timestamptz[]) as n (source_id, problem_id, asked_at)
    inner join bridge.refetch as k
        on n.source_id = k.source_id and n.problem_id = k.problem_id and n.asked_at >= k.requested_at
    order by k.source_id, k.problem_id
    for update of k
) as settled
where r.source_id = settled.source_id and r.problem_id = settled.problem_id;

-- name: due
select r.problem_id, r.reason, r.requested_at, r.attempts
from bridge.refetch as r
where r.source_id = $1 and r.due_at <= $2
order by r.due_at
limit $3;

-- name: next_due
select min(r.due_at) as due_at, count(*) as waiting from bridge.refetch as r
where r.source_id = $1;

-- name: postpone
-- Unless it was requested again meanwhile.
update bridge.refetch as r set attempts = r.attempts + $4::integer, due_at = $3
where r.source_id = $1 and r.problem_id = $2 and r.requested_at <= $5;

-- name: drop
-- Unless it was requested again meanwhile.
delete from bridge.refetch as r
where r.source_id = $1 and r.problem_id = $2 and r.requested_at <= $3;
