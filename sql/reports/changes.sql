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
    case
        when 'array' not in (jsonb_typeof(c.old), jsonb_typeof(c.new)) then coalesce(c.old ->> 'name', c.old ->> 'id', left(c.old #>> '{}', 60))
        else elements.gone
    end as old,
    case
        when 'array' not in (jsonb_typeof(c.old), jsonb_typeof(c.new)) then coalesce(c.new ->> 'name', c.new ->> 'id', left(c.new #>> '{}', 60))
        else coalesce(elements.come, case when elements.gone is null then 'in another order' end)
    end as new,
    c.via
from report.changed_since(
    (
        (now() at time zone (select report.time_zone()))::date - report.parameter('days', '1')::integer
    )::timestamp at time zone (select report.time_zone())
) as p
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
cross join lateral (
    -- of a list what went and what came, as people call it
    select
        string_agg(e.called, ', ') filter (where e.side = 'old') as gone,
        string_agg(e.called, ', ') filter (where e.side = 'new') as come
    from (
        select
            s.side,
            left(
                coalesce(
                    l.element ->> 'text', l.element ->> 'description', (l.element ->> 'name') || ': ' || (l.element ->> 'value'),
                    l.element ->> 'name', l.element ->> 'id', l.element #>> '{}'
                ), 60
            ) as called
        from (values ('old', c.old, c.new), ('new', c.new, c.old)) as s (side, elements, others)
        cross join lateral jsonb_path_query(s.elements, '$[*]') as l (element)
        where
            'array' in (jsonb_typeof(c.old), jsonb_typeof(c.new))
            and not coalesce(s.others, '[]') @> jsonb_build_array(l.element)
    ) as e
) as elements
order by c.changed_at desc, p.source asc, p.id asc, c.attribute asc
limit report.parameter('rows', '100')::integer;
