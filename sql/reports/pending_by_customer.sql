-- Pending for each customer
-- For which customers do open problems wait, and how long has the longest waited?
-- parameter: role = customer: the role of the party, in capitals or not
-- parameter: rows = 20: how many to show
select
    coalesce(t.name, t.party_id) as party,
    count(*) filter (where r.status in ('pending', 'held')) as waiting_now,
    count(*) as open,
    floor(max(coalesce(r.seconds_pending, 0) + coalesce(r.seconds_held, 0)) / 86400)::integer as longest_wait_days
from report.resolution as r
inner join (
    select distinct
        p.source,
        p.id,
        p.party_id,
        p.name
    from report.related_party as p
    where p.deleted_at is null and lower(p.role) = lower(report.parameter('role', 'customer'))
) as t on r.source = t.source and r.id = t.id
where r.deleted_at is null and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
group by coalesce(t.name, t.party_id)
order by waiting_now desc, longest_wait_days desc, party asc
limit report.parameter('rows', '20')::integer;
