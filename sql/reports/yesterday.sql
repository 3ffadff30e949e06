-- Yesterday beside the same day of last week
-- How did yesterday go, compared with the same day of the week before?
-- parameter: day =: the day, 2026-06-30 for example; without it yesterday
select
    f.source,
    f.day,
    f.created,
    f.resolved,
    f.closed,
    f.reopened,
    f.cancelled,
    f.deleted,
    f.open,
    w.day as week_before,
    f.created - w.created as created_more,
    f.resolved - w.resolved as resolved_more,
    f.open - w.open as open_more
from (
    select coalesce(nullif(report.parameter('day', ''), '')::date, (now() at time zone (select report.time_zone()))::date - 1) as day
) as d
inner join report.daily_flow as f on d.day = f.day
left join report.daily_flow as w on f.source = w.source and f.day - 7 = w.day
order by f.source;
