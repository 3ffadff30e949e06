-- What changed, with old and new value
-- Which attributes changed since the beginning of yesterday, from what to what?
-- parameter: days = 1: how many days before today
-- parameter: attribute =: only this attribute, priority for example
-- parameter: rows = 100: how many to show
select
    c.changed_at,
    p.source,
    p.id,
    c.attribute,
    left(c.old #>> '{}', 60) as old,
    left(c.new #>> '{}', 60) as new,
    c.via
from report.service_problem as p
cross join lateral (
    select
        h.changed_at,
        h.attribute,
        h.old,
        h.new,
        h.via
    from report.change as h
    where
        h.source = p.source
        and h.id = p.id
        and h.attribute not in ('lastUpdate', 'statusChangeDate')
        and report.parameter('attribute', '') in ('', h.attribute)
        and h.changed_at >= (
            (now() at time zone (select report.time_zone()))::date - report.parameter('days', '1')::integer
        )::timestamp at time zone (select report.time_zone())
    offset 0 -- keeps this a question about one problem, answered by its key
) as c
where
    p.updated_at >= (
        (now() at time zone (select report.time_zone()))::date - report.parameter('days', '1')::integer
    )::timestamp at time zone (select report.time_zone())
order by c.changed_at desc, p.source asc, p.id asc, c.attribute asc
limit report.parameter('rows', '100')::integer;
