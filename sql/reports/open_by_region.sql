-- Open by region
-- Where are the open problems?
select
    p.place,
    count(*) as open_problems,
    count(*) filter (where o.priority <= 2) as urgent
from report.open_problem as o
cross join lateral unnest(o.places) as p (place)
group by p.place
order by open_problems desc, p.place asc;
