-- Reopened
-- Which problems raised lately came back after they had been resolved or closed?
-- parameter: days = 90: how far to look back
-- parameter: rows = 20: how many to show
select
    r.source,
    r.id,
    r.times_reopened,
    r.status,
    r.category,
    r.priority
from report.resolution as r
where
    r.times_reopened > 0
    and r.created_at > now() - make_interval(days => report.parameter('days', '90')::integer)
order by r.times_reopened desc, r.created_at desc, r.source asc, r.id asc
limit report.parameter('rows', '20')::integer;
