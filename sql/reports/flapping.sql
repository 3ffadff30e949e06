-- Flapping
-- Which problems changed their status most often lately?
-- parameter: days = 7: how far to look back
-- parameter: changes = 4: how many changes make it flap
-- parameter: rows = 20: how many to show
select
    p.source,
    p.id,
    p.status,
    i.changes
from report.changed_since(now() - make_interval(days => report.parameter('days', '7')::integer)) as r
inner join report.service_problem as p on r.source = p.source and r.id = p.id
cross join lateral (
    select count(*) as changes
    from report.status_interval as s
    where
        s.source = p.source
        and s.id = p.id
        and s.entered_at > now() - make_interval(days => report.parameter('days', '7')::integer)
) as i
where i.changes >= report.parameter('changes', '4')::integer
order by i.changes desc, p.source asc, p.id asc
limit report.parameter('rows', '20')::integer;
