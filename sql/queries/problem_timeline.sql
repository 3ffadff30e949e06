-- name: problem
select
    p.source,
    p.id,
    p.href,
    p.name,
    p.status,
    p.status_raw,
    p.category,
    p.priority,
    p.created_at,
    p.updated_at,
    p.status_changed_at,
    p.resolved_at,
    p.first_seen_at,
    p.last_seen_at,
    p.last_changed_via,
    p.deleted_at,
    p.known_since,
    p.body
from report.service_problem as p
where p.source = $1 and p.id = $2;

-- name: versions
-- A page of versions older than $3 (null: the newest), newest first.
select
    t.valid_from,
    t.via,
    t.event_type,
    t.status,
    t.body_before,
    t.body,
    t.observed_at
from bridge.problem_timeline as t
where t.source = $1 and t.id = $2 and ($3::timestamptz is null or t.valid_from < $3)
order by t.valid_from desc
limit $4;

-- name: intervals
select
    i.status,
    i.entered_at,
    i.left_at,
    i.seconds
from report.status_interval as i
where i.source = $1 and i.id = $2
order by i.entered_at asc, i.status asc
limit $3;

-- name: notifications
-- The newest notifications about a problem. The log has no index by problem: this reads the days since $3.
select
    n.received_at,
    n.event_time,
    n.event_type,
    n.event_id,
    n.outcome
from report.notification as n
where n.source = $1 and n.problem_id = $2 and n.received_at >= $3
order by n.received_at desc
limit $4;

-- name: limit_time
select set_config('statement_timeout', $1, true);

-- name: known
select p.id from report.service_problem as p
where p.source = $1 and p.id = any($2::text[]);

-- name: links
-- The links of a problem, as seen from it.
select
    k.rule,
    k.state,
    k.right_source as other_source,
    k.right_id as other_id,
    k.right_status as other_status,
    k.seconds_behind,
    k.open_writes,
    k.waiting_conflicts,
    k.last_error
from report.link as k
where k.left_source = $1 and k.left_id = $2
union all
select
    k.rule,
    k.state,
    k.left_source as other_source,
    k.left_id as other_id,
    k.left_status as other_status,
    k.seconds_behind,
    k.open_writes,
    k.waiting_conflicts,
    k.last_error
from report.link as k
where k.right_source = $1 and k.right_id = $2
order by rule asc, other_source asc, other_id asc;
