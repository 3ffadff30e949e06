-- Backlog by status and age
-- How many problems are open, in which status, and how old are they?
select
    r.status,
    count(*) as open,
    count(*) filter (where r.created_at > now() - interval '1 day') as under_a_day,
    count(*) filter (where r.created_at <= now() - interval '1 day' and r.created_at > now() - interval '7 days') as under_a_week,
    count(*) filter (where r.created_at <= now() - interval '7 days') as older,
    floor(max(extract(epoch from now() - r.created_at)) / 86400)::integer as oldest_days
from report.resolution as r
where r.deleted_at is null and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
group by r.status
order by open desc, r.status asc;
