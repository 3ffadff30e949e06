-- Time in each status
-- Where did the time go, of the problems that were resolved lately?
-- parameter: days = 7: how far to look back
select
    s.status,
    count(*) as stays,
    round((sum(s.seconds) / 3600)::numeric, 1) as hours,
    round((avg(s.seconds) / 3600)::numeric, 1) as mean_hours
from report.resolution as r
cross join lateral (
    select
        i.status,
        i.seconds
    from report.status_interval as i
    where i.source = r.source and i.id = r.id and i.status not in ('resolved', 'closed')
    offset 0 -- keeps this a question about one problem, answered by its key
) as s
where r.resolved_at > now() - make_interval(days => report.parameter('days', '7')::integer)
group by s.status
order by hours desc;
