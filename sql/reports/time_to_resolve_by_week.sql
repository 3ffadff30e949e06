-- Mean time to resolve by priority and week
-- How long did it take, week by week, to resolve the problems of each priority?
-- parameter: weeks = 8: how many weeks to look back
-- parameter: first_day = 1: day on which weeks begin, 1 for Monday to 7 for Sunday
-- parameter: category =: only problems of this category
select
    w.week,
    w.priority,
    count(*) as resolved,
    round((avg(w.seconds_to_resolve) / 3600)::numeric, 1) as mean_hours,
    round((percentile_cont(0.5) within group (order by w.seconds_to_resolve) / 3600)::numeric, 1) as median_hours
from (
    select
        d.day - (extract(isodow from d.day)::integer - report.parameter('first_day', '1')::integer + 7) % 7 as week,
        r.priority,
        r.seconds_to_resolve
    from report.resolution as r
    cross join lateral (select (r.resolved_at at time zone (select report.time_zone()))::date as day) as d
    where
        r.resolved_at > now() - make_interval(weeks => report.parameter('weeks', '8')::integer)
        and report.parameter('category', '') in ('', r.category)
) as w
group by w.week, w.priority
order by w.week desc, w.priority asc;
