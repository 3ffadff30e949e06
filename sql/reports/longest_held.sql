-- Longest held
-- Which open problems have been held or pending longest, all pauses together?
-- parameter: rows = 20: how many to show
select
    r.source,
    r.id,
    r.status,
    r.priority,
    floor(r.seconds_held / 86400)::integer as days_held,
    floor(r.seconds_pending / 86400)::integer as days_pending
from report.resolution as r
where
    r.deleted_at is null
    and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
    and r.seconds_held + r.seconds_pending > 0
order by r.seconds_held + r.seconds_pending desc, r.source asc, r.id asc
limit report.parameter('rows', '20')::integer;
