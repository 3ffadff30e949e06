-- What the dashboard *Service problems* asks, one statement a panel. Grafana replaces $__timeFilter(column) by the chosen time,
-- and ${source:sqlstring} by the chosen sources. Only schema report, as bridge_reader.

-- name: open_now
select count(*) as open
from report.resolution as r
where r.status not in ('resolved', 'closed', 'cancelled', 'rejected') and r.deleted_at is null and r.source in (${source:sqlstring});

-- name: urgent_now
select count(*) as urgent
from report.resolution as r
where r.status not in ('resolved', 'closed', 'cancelled', 'rejected') and r.deleted_at is null and r.priority <= 2 and r.source in (${source:sqlstring});

-- name: waiting_now
select count(*) as waiting from report.resolution as r
where r.status in ('held', 'pending') and r.deleted_at is null and r.source in (${source:sqlstring});

-- name: resolved
select count(*) as resolved
from report.resolution as r
where $__timeFilter(r.resolved_at) and r.source in (${source:sqlstring});

-- name: median_time_to_resolve
select percentile_cont(0.5) within group (order by r.seconds_to_resolve) as median
from report.resolution as r
where $__timeFilter(r.resolved_at) and r.source in (${source:sqlstring});

-- name: reopened
select avg((r.times_reopened > 0)::integer)::double precision as reopened
from report.resolution as r
where $__timeFilter(r.resolved_at) and r.source in (${source:sqlstring});

-- name: open_by_age
with open as (
    select r.priority, width_bucket(extract(epoch from now() - r.created_at), array[3600, 14400, 86400, 604800, 2592000]) as age
    from report.resolution as r
    where r.status not in ('resolved', 'closed', 'cancelled', 'rejected') and r.deleted_at is null
        and r.created_at is not null and r.source in (${source:sqlstring})
)

select
    a.label as age,
    count(o.age) filter (where o.priority <= 2) as "priority 1, 2",
    count(o.age) filter (where o.priority between 3 and 5) as "3 to 5",
    count(o.age) filter (where o.priority > 5 or o.priority is null) as "lower"
from (values (0, 'under 1 h'), (1, '1 to 4 h'), (2, '4 to 24 h'), (3, '1 to 7 d'), (4, '7 to 30 d'), (5, 'over 30 d')) as a (number, label)
left join open as o on a.number = o.age
group by a.number, a.label
order by a.number;

-- name: open_by_status
select r.status, count(*) as problems
from report.resolution as r
where r.status not in ('resolved', 'closed', 'cancelled', 'rejected') and r.deleted_at is null and r.source in (${source:sqlstring})
group by r.status
order by problems desc;

-- name: time_to_resolve_by_category
select
    coalesce(r.category, '(none)') as category,
    r.priority,
    count(*) as problems,
    percentile_cont(0.5) within group (order by r.seconds_to_resolve) as median,
    percentile_cont(0.9) within group (order by r.seconds_to_resolve) as p90
from report.resolution as r
where $__timeFilter(r.resolved_at) and r.source in (${source:sqlstring})
group by r.category, r.priority
order by problems desc
limit 50;

-- name: flow
select
    (f.day::timestamp at time zone 'UTC') as time,
    sum(f.created)::bigint as created,
    sum(f.resolved)::bigint as resolved,
    sum(f.reopened)::bigint as reopened
from report.daily_flow as f
where $__timeFilter(f.day) and f.source in (${source:sqlstring})
group by f.day
order by f.day;

-- name: backlog
select (f.day::timestamp at time zone 'UTC') as time, f.source as metric, f.open as open
from report.daily_flow as f
where $__timeFilter(f.day) and f.source in (${source:sqlstring})
order by f.day, f.source;

-- name: time_to_resolve
select
    date_trunc('day', r.resolved_at) as time,
    percentile_cont(0.5) within group (order by r.seconds_to_resolve) as median,
    percentile_cont(0.9) within group (order by r.seconds_to_resolve) as p90
from report.resolution as r
where $__timeFilter(r.resolved_at) and r.source in (${source:sqlstring})
group by 1
order by 1;

-- name: affected_services
select s.name, count(*) as problems
from report.open_problem as o
cross join lateral unnest(o.services) as s (name)
where o.source in (${source:sqlstring})
group by 1
order by 2 desc, 1
limit 10;

-- name: affected_places
select p.name, count(*) as problems
from report.open_problem as o
cross join lateral unnest(o.places) as p (name)
where o.source in (${source:sqlstring})
group by 1
order by 2 desc, 1
limit 10;

-- name: found_by
select
    q.hour as time,
    sum(q.by_push)::bigint as push,
    sum(q.by_poll)::bigint as poll,
    sum(q.by_reconcile)::bigint as reconcile
from report.hourly_change as q
where $__timeFilter(q.hour) and q.hour >= now() - interval '7 days' and q.source in (${source:sqlstring})
group by q.hour
order by q.hour;

-- name: oldest
with oldest as (
    select r.source, r.id, r.created_at, r.seconds_held + r.seconds_pending as waited
    from report.resolution as r
    where r.status not in ('resolved', 'closed', 'cancelled', 'rejected') and r.deleted_at is null
        and r.created_at is not null and r.source in (${source:sqlstring})
    order by r.created_at
    limit 20
)

select
    o.source,
    o.id,
    p.status,
    p.priority,
    extract(epoch from now() - o.created_at)::double precision as age,
    o.waited,
    p.responsible,
    p.description
from oldest as o
inner join report.service_problem as p on o.source = p.source and o.id = p.id
order by o.created_at;

-- name: reopened_most
with back as (
    select r.source, r.id, r.times_reopened, r.created_at
    from report.resolution as r
    where r.times_reopened > 0 and $__timeFilter(r.created_at) and r.source in (${source:sqlstring})
    order by r.times_reopened desc, r.created_at desc
    limit 20
)

select b.source, b.id, p.status, p.priority, b.times_reopened as reopened, p.category, p.description
from back as b
inner join report.service_problem as p on b.source = p.source and b.id = p.id
order by b.times_reopened desc, b.created_at desc;

-- name: sources
select distinct source from report.daily_flow order by source;
