-- Services that flap
-- Which services are hit again and again: problems raised and reopened lately?
-- parameter: days = 30: how far to look back
-- parameter: times = 2: how many problems or reopenings make a service flap
-- parameter: rows = 20: how many to show
select
    coalesce(a.name, a.service_id) as service,
    count(distinct row(r.source, r.id)) as problems,
    sum(r.times_reopened)::bigint as reopened,
    max(r.created_at) as last_raised_at
from report.resolution as r
inner join report.affected_service as a on r.source = a.source and r.id = a.id
where r.created_at > now() - make_interval(days => report.parameter('days', '30')::integer)
group by coalesce(a.name, a.service_id)
having count(distinct row(r.source, r.id)) + coalesce(sum(r.times_reopened), 0) >= report.parameter('times', '2')::integer
order by problems desc, reopened desc nulls last, service asc
limit report.parameter('rows', '20')::integer;
