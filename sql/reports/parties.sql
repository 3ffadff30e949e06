-- Problems per party
-- Which customers, suppliers and others have to do with the open problems?
-- parameter: role =: only parties in this role, in capitals or not
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
    p.role,
    coalesce(p.name, p.party_id) as party,
    count(distinct row(o.source, o.id)) as open_problems
from open as o
inner join report.related_party as p on o.source = p.source and o.id = p.id
where lower(report.parameter('role', '')) in ('', lower(p.role))
group by p.role, coalesce(p.name, p.party_id)
order by open_problems desc, p.role asc, party asc
limit report.parameter('rows', '20')::integer;
