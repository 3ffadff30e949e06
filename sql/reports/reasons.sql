-- Reasons
-- What were the problems about that were resolved lately, and how long did they take?
-- parameter: days = 30: how far to look back
-- parameter: rows = 20: how many to show
select
    coalesce(p.reason, p.body ->> 'statusChangeReason', 'none given') as reason,
    count(*) as resolved,
    count(distinct p.category) as categories,
    round((avg(r.seconds_to_resolve) / 3600)::numeric, 1) as mean_hours
from report.resolution as r
inner join report.service_problem as p on r.source = p.source and r.id = p.id
where r.resolved_at > now() - make_interval(days => report.parameter('days', '30')::integer)
group by coalesce(p.reason, p.body ->> 'statusChangeReason', 'none given')
order by resolved desc, reason asc
limit report.parameter('rows', '20')::integer;
