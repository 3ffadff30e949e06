-- Breaches of a time to resolve
-- Which problems raised lately took longer to resolve than their priority allows, or are open for longer?
-- parameter: limits = 1=24 2=48 3=72 4=120: hours allowed for each priority
-- parameter: days = 30: how far to look back
-- parameter: rows = 50: how many to show
select
    r.source,
    r.id,
    r.priority,
    r.status,
    l.hours as allowed_hours,
    floor((extract(epoch from coalesce(r.resolved_at, now()) - r.created_at) / 3600 - l.hours) / 24)::integer as days_over,
    case when r.resolved_at is null then 'yes' else 'no' end as still_open
from report.resolution as r
inner join (
    select
        split_part(w.word, '=', 1)::integer as priority,
        split_part(w.word, '=', 2)::numeric as hours
    from regexp_split_to_table(trim(report.parameter('limits', '1=24 2=48 3=72 4=120')), '[\s,]+') as w (word)
) as l on r.priority = l.priority
where
    r.created_at > now() - make_interval(days => report.parameter('days', '30')::integer)
    and (r.resolved_at is not null or (r.deleted_at is null and r.status not in ('cancelled', 'rejected')))
    and extract(epoch from coalesce(r.resolved_at, now()) - r.created_at) > l.hours * 3600
order by days_over desc, r.source asc, r.id asc
limit report.parameter('rows', '50')::integer;
