-- Daily flow
-- How many problems came, went and stayed, day by day?
-- parameter: days = 14: how far to look back
select
    f.day,
    sum(f.created)::bigint as created,
    sum(f.resolved)::bigint as resolved,
    sum(f.closed)::bigint as closed,
    sum(f.reopened)::bigint as reopened,
    sum(f.cancelled)::bigint as cancelled,
    sum(f.deleted)::bigint as deleted,
    sum(f.open)::bigint as open
from report.daily_flow as f
where f.day > (now() at time zone (select report.time_zone()))::date - report.parameter('days', '14')::integer
group by f.day
order by f.day desc;
