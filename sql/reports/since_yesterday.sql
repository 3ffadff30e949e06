-- What changed since yesterday
-- Which problems changed since the beginning of yesterday, and what changed of them?
-- parameter: days = 1: how many days before today
-- parameter: rows = 100: how many to show
select
    v.valid_from as at,
    p.source,
    p.id,
    v.status,
    array_to_string(array_remove(array_remove(v.changed, 'lastUpdate'), 'statusChangeDate'), ', ') as changed
from report.changed_since(
    (
        (now() at time zone (select report.time_zone()))::date - report.parameter('days', '1')::integer
    )::timestamp at time zone (select report.time_zone())
) as p
cross join lateral (
    select
        w.valid_from,
        w.status,
        w.changed
    from report.service_problem_version as w
    where
        w.source = p.source
        and w.id = p.id
        and w.valid_from >= (
            (now() at time zone (select report.time_zone()))::date - report.parameter('days', '1')::integer
        )::timestamp at time zone (select report.time_zone())
    offset 0 -- keeps this a question about one problem, answered by its key
) as v
order by v.valid_from desc, p.source asc, p.id asc
limit report.parameter('rows', '100')::integer;
