-- name: latest
-- The latest time of our clock that was stored, by a notification or a pass.
select greatest(
    (
        select max(l.received_at)
        from bridge.source as s
        cross join lateral (
            select n.received_at from bridge.notification as n
            where n.source_id = s.id
            order by n.received_at desc
            limit 1
        ) as l
    ),
    (select max(w.finished_at) from bridge.watermark as w)
) as latest;

-- name: correct_problems
-- Set times after $1 to $1; a concurrent writer starts over.
with corrected as (
    update bridge.service_problem as p set
        revision = p.revision + 1,
        observed_at = least(p.observed_at, $1),
        content_observed_at = least(p.content_observed_at, $1),
        confirmed_at = least(p.confirmed_at, $1),
        doubt_at = least(p.doubt_at, $1),
        missed_at = least(p.missed_at, $1),
        first_seen_at = least(p.first_seen_at, $1),
        last_seen_at = least(p.last_seen_at, $1)
    where greatest(p.observed_at, p.confirmed_at, p.doubt_at, p.missed_at, p.last_seen_at) > $1
    returning p.source_id, p.id
),

versions as (
    update bridge.service_problem_version as v set
        observed_at = least(v.observed_at, $1),
        confirmed_at = least(v.confirmed_at, $1)
    from corrected as m
    where v.source_id = m.source_id and v.problem_id = m.id and greatest(v.observed_at, v.confirmed_at) > $1
),

statuses as (
    update bridge.status_change as c set
        observed_at = least(c.observed_at, $1),
        confirmed_at = least(c.confirmed_at, $1)
    from corrected as m
    where c.source_id = m.source_id and c.problem_id = m.id and greatest(c.observed_at, c.confirmed_at) > $1
)

select count(*) from corrected;

-- name: correct_requests
update bridge.refetch as r set requested_at = $1, due_at = least(r.due_at, $1)
where r.requested_at > $1;

-- name: correct_awaited
update bridge.awaited_notification as a set found_at = $1, due_at = a.due_at - (a.found_at - $1)
where a.found_at > $1;

-- name: correct_watermarks
update bridge.watermark as w set started_at = least(w.started_at, $1), finished_at = least(w.finished_at, $1)
where w.finished_at > $1;

-- name: correct_sources
update bridge.source as s set last_push_at = $1
where s.last_push_at > $1;
