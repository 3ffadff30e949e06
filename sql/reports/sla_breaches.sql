-- Breaches of a time to resolve
-- Which problems raised lately took longer to resolve than they may, or are open for longer?
-- parameter: hours = 24: the longest they may take
-- parameter: priority = 2: only those as urgent
-- parameter: days = 30: how far to look back
-- parameter: rows = 50: how many to show
select
    r.source,
    r.id,
    r.priority,
    r.status,
    floor(
        extract(epoch from coalesce(r.resolved_at, now()) - r.created_at) / 86400 - report.parameter('hours', '24')::numeric / 24
    )::integer as days_over,
    r.resolved_at is null as still_open
from report.resolution as r
where
    r.created_at > now() - make_interval(days => report.parameter('days', '30')::integer)
    and r.priority <= report.parameter('priority', '2')::integer
    and (r.resolved_at is not null or (r.deleted_at is null and r.status not in ('cancelled', 'rejected')))
    and coalesce(r.resolved_at, now()) - r.created_at > make_interval(hours => report.parameter('hours', '24')::integer)
order by days_over desc, r.source asc, r.id asc
limit report.parameter('rows', '50')::integer;
