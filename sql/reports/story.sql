-- The story of a problem
-- What happened to one problem, in order?
-- parameter: source =: name of the source of the problem; needed
-- parameter: id =: id of the problem; needed
select
    v.valid_from as at,
    v.via,
    case
        when v.changed = '{}' then 'first known, ' || v.status
        else (
            select
                string_agg(
                    case
                        when 'array' in (jsonb_typeof(v.before -> c.name), jsonb_typeof(v.body -> c.name))
                            then format('%s: %s', c.name, coalesce(elements.moved, 'reordered'))
                        else format(
                            '%s: %s → %s', c.name,
                            coalesce(left(v.before ->> c.name, 40), 'none'), coalesce(left(v.body ->> c.name, 40), 'none')
                        )
                    end, '; '
                    order by c.name
                )
            from unnest(v.changed) as c (name)
            left join lateral (
                -- of a list only what came and what went, as people call it
                select
                    string_agg(
                        m.sign || left(
                            coalesce(
                                m.element ->> 'text', m.element ->> 'description',
                                (m.element ->> 'name') || ': ' || (m.element ->> 'value'),
                                m.element ->> 'name', m.element ->> 'id', m.element #>> '{}'
                            ), 60
                        ), ', '
                        order by m.sign collate "C"
                    ) as moved
                from (
                    select
                        '+ ' as sign,
                        e.element
                    from jsonb_path_query(v.body -> c.name, '$[*]') as e (element)
                    where not coalesce(v.before -> c.name, '[]') @> jsonb_build_array(e.element)
                    union all
                    select
                        '- ' as sign,
                        e.element
                    from jsonb_path_query(v.before -> c.name, '$[*]') as e (element)
                    where not coalesce(v.body -> c.name, '[]') @> jsonb_build_array(e.element)
                ) as m
            ) as elements on true
            where c.name not in ('lastUpdate', 'statusChangeDate')
        )
    end as what
from (
    select
        w.*,
        lag(w.body) over (order by w.valid_from) as before
    from report.service_problem_version as w
    where w.source = report.parameter('source', '') and w.id = report.parameter('id', '')
) as v
union all
select
    p.deleted_at as at,
    p.last_changed_via as via,
    'deleted at its source' as what
from report.service_problem as p
where p.source = report.parameter('source', '') and p.id = report.parameter('id', '') and p.deleted_at is not null
order by at;
