-- Longest held
-- Which open problems have been held or pending longest, all pauses together?
-- parameter: rows = 20: how many to show
select
    r.source,
    r.id,
    r.status,
    r.priority,
    floor(coalesce(r.seconds_held, 0) / 86400)::integer as days_held,
    floor(coalesce(r.seconds_pending, 0) / 86400)::integer as days_pending
from report.resolution as r
where
    r.deleted_at is null
    and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
    and coalesce(r.seconds_held, 0) + coalesce(r.seconds_pending, 0) > 0
order by coalesce(r.seconds_held, 0) + coalesce(r.seconds_pending, 0) desc, r.source asc, r.id asc
limit report.parameter('rows', '20')::integer;
