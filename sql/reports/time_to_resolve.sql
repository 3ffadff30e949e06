-- Time to resolve by category and priority
-- How long did it take to resolve the problems that were resolved lately: on average, and nine out of ten?
-- parameter: days = 30: how far to look back
select
    r.category,
    r.priority,
    count(*) as resolved,
    round((avg(r.seconds_to_resolve) / 3600)::numeric, 1) as mean_hours,
    round((percentile_cont(0.9) within group (order by r.seconds_to_resolve) / 3600)::numeric, 1) as p90_hours
from report.resolution as r
where r.resolved_at > now() - make_interval(days => report.parameter('days', '30')::integer)
group by r.category, r.priority
order by r.category, r.priority;
