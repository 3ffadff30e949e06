-- Who passed problems on, and to whom
-- Between whom was the responsibility for problems handed over lately, and how often?
-- parameter: days = 30: how far to look back
-- parameter: rows = 20: how many to show
select
    coalesce(c.old ->> 'name', c.old ->> 'id', c.old #>> '{}', 'nobody') as from_party,
    coalesce(c.new ->> 'name', c.new ->> 'id', c.new #>> '{}', 'nobody') as to_party,
    count(*) as handovers,
    count(distinct row(c.source, c.id)) as problems
from report.changed_since(now() - make_interval(days => report.parameter('days', '30')::integer)) as p
cross join lateral (
    select
        h.source,
        h.id,
        h.old,
        h.new
    from report.change as h
    where
        h.source = p.source
        and h.id = p.id
        and h.attribute = 'responsibleParty'
        and h.changed_at > now() - make_interval(days => report.parameter('days', '30')::integer)
    offset 0 -- keeps this a question about one problem, answered by its key
) as c
group by from_party, to_party
order by handovers desc, from_party asc, to_party asc
limit report.parameter('rows', '20')::integer;
