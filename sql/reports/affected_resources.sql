-- Most affected resources
-- Which devices, lines and sites do most open problems affect?
-- parameter: rows = 20: how many to show
with open as (
    select
        r.source,
        r.id,
        r.priority
    from report.resolution as r
    where r.deleted_at is null and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
)

select
    a.resource_id,
    max(a.name) as name,
    max(a.type) as type,
    count(distinct row(o.source, o.id)) as open_problems
from open as o
inner join report.affected_resource as a on o.source = a.source and o.id = a.id
group by a.resource_id
order by open_problems desc, a.resource_id asc
limit report.parameter('rows', '20')::integer;
