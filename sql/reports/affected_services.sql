-- Most affected services
-- Which services do most open problems affect, and how urgent is the worst?
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
    a.service_id,
    max(a.name) as name,
    count(distinct row(o.source, o.id)) as open_problems,
    min(o.priority) as highest_priority
from open as o
inner join report.affected_service as a on o.source = a.source and o.id = a.id
group by a.service_id
order by open_problems desc, a.service_id asc
limit report.parameter('rows', '20')::integer;
