-- name: all
select
    s.id,
    s.name,
    s.url,
    s.version,
    s.mode,
    s.mode_since,
    s.last_push_at,
    s.last_error,
    s.last_error_at,
    s.fallback_reason,
    s.failing_jobs,
    s.last_poll_at,
    s.last_reconcile_at,
    s.last_poll_pass_at,
    s.last_poll_started_at,
    s.poll_gap,
    s.last_reconcile_pass_at,
    s.last_reconcile_started_at,
    s.reconcile_gap,
    s.reconcile_complete_at,
    s.held_back,
    s.held_back_reason,
    s.hub_id,
    s.registered_at,
    s.callback,
    s.missed_24h,
    s.late_24h,
    s.dead_letters,
    s.refetch_waiting,
    (
        select count(*) from bridge.console_problem as p
        where p.source_id = s.id and p.open
    ) as open_problems
from bridge.console_source as s
order by s.name;

-- name: glance
select
    s.name,
    s.mode,
    s.failing_jobs,
    s.poll_gap is not null or s.reconcile_gap is not null as incomplete,
    s.held_back
from bridge.console_source as s
order by s.name;

-- name: waiting
-- What waits for a person.
select
    (
        select count(*) from bridge.dead_letter as d
        where d.state = 'waiting'
    ) as dead_letters,
    (
        select count(*) from bridge.console_conflict as c
        where c.settled_at is null and c.outcome = 'waiting'
    ) as conflicts,
    (
        select count(*) from bridge.console_write as w
        where w.state = 'blocked'
    ) as blocked;

-- name: hours
-- Changes by the way they were found, an hour a row, of the last 24 hours.
select
    c.source,
    c.hour,
    c.by_push,
    c.by_poll,
    c.by_reconcile
from report.hourly_change as c
where c.hour > now() - interval '24 hours'
order by c.source asc, c.hour asc;
