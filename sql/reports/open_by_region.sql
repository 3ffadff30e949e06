-- Open by region
-- Where are the open problems?
with open as (
    select
        r.source,
        r.id,
        r.priority
    from report.resolution as r
    where r.deleted_at is null and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
)

select
    coalesce(l.name, l.location_id) as place,
    count(distinct row(o.source, o.id)) as open_problems,
    count(distinct row(o.source, o.id)) filter (where o.priority <= 2) as urgent
from open as o
inner join report.affected_location as l on o.source = l.source and o.id = l.id
group by coalesce(l.name, l.location_id)
order by open_problems desc, place asc;
