-- Backlog at a past date
-- How many problems were open at the end of a day, of which priority and in which status?
-- parameter: day =: the day, 2026-06-30 for example; without it yesterday
select
    p.priority,
    p.status,
    count(*) as open,
    count(*) filter (where p.known_since > m.at) as known_by_date_only,
    floor(max(extract(epoch from m.at - p.created_at)) / 86400)::integer as oldest_days
from (
    select
        (
            coalesce(nullif(report.parameter('day', ''), '')::date, (now() at time zone (select report.time_zone()))::date - 1) + 1
        )::timestamp at time zone (select report.time_zone()) - interval '1 microsecond' as at
) as m
cross join lateral report.service_problem_at(m.at) as p
where p.status not in ('resolved', 'closed', 'cancelled', 'rejected')
group by p.priority, p.status
order by p.priority asc, p.status asc;
