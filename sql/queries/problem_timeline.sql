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
-- The links of a problem, as seen from it. Links that a person separated have an index of their own.
with own as (
    select
        l.id,
        r.state as rule_state,
        true as is_left
    from bridge.console_rule as r
    inner join bridge.console_link as l on r.id = l.rule_id
    where r.left_source = $1 and l.left_id = $2 and l.state <> 'unlinked'
    union all
    select
        l.id,
        r.state as rule_state,
        true as is_left
    from bridge.console_rule as r
    inner join bridge.console_link as l on r.id = l.rule_id
    where r.left_source = $1 and l.left_id = $2 and l.state = 'unlinked'
    union all
    select
        l.id,
        r.state as rule_state,
        false as is_left
    from bridge.console_rule as r
    inner join bridge.console_link as l on r.id = l.rule_id
    where r.right_source = $1 and l.right_id = $2 and l.state <> 'unlinked'
    union all
    select
        l.id,
        r.state as rule_state,
        false as is_left
    from bridge.console_rule as r
    inner join bridge.console_link as l on r.id = l.rule_id
    where r.right_source = $1 and l.right_id = $2 and l.state = 'unlinked'
)

select
    k.link_id,
    k.rule,
    o.rule_state,
    k.state,
    case when o.is_left then k.right_source else k.left_source end as other_source,
    case when o.is_left then k.right_id else k.left_id end as other_id,
    case when o.is_left then k.right_status else k.left_status end as other_status,
    case when o.is_left then p.right_number else p.left_number end as other_number,
    case when o.is_left then p.right_name else p.left_name end as other_name,
    case when o.is_left then p.right_href else p.left_href end as other_href,
    k.seconds_behind,
    k.open_writes,
    k.waiting_conflicts,
    k.last_write_at,
    k.last_error
from own as o
inner join report.link as k on o.id = k.link_id
left join report.linked_problem as p on o.id = p.link_id
order by k.rule asc, k.link_id asc
limit $3;
