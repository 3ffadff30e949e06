-- The story of a problem
-- What happened to one problem, in order?
-- source, id: which problem
select
    v.valid_from as at,
    v.via,
    case
        when v.changed = '{}' then 'first known, ' || v.status
        else (
            select
                string_agg(
                    format(
                        '%s: %s → %s', c.name,
                        coalesce(left(v.before ->> c.name, 40), 'none'), coalesce(left(v.body ->> c.name, 40), 'none')
                    ), '; '
                    order by c.name
                )
            from unnest(v.changed) as c (name)
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
