-- name: sources
select s.id, s.name
from bridge.source as s
order by s.name collate "C";

-- name: has_id
-- Is there a problem with exactly this id ($2) at one of these sources ($1)? One look into the primary key for each.
select exists(
    select from bridge.console_problem as p
    where p.source_id = any($1::smallint[]) and p.id = $2
) as found;

-- name: facets
-- A status is never empty; saying so lets the index be used (service_problem_facet_idx).
select s.name as source, f.status, f.priority, f.category, f.problems
from (
    select p.source_id, p.status, p.priority, p.category, count(*) as problems
    from bridge.console_problem as p
    where p.deleted_at is null and p.status <> ''
    group by p.source_id, p.status, p.priority, p.category
) as f
inner join bridge.source as s on f.source_id = s.id;

-- name: rows
-- What is shown of these problems, in the order of the keys.
select
    r.source, r.id, r.name, r.status, r.status_raw, r.priority, r.category, r.created_at, r.updated_at, r.status_changed_at,
    r.affected_services, r.last_changed_via, r.description, r.reason, r.responsible, r.originator, r.originating_system,
    r.external_id, r.resolved_at, r.first_seen_at, r.deleted_at, r.href
from unnest($1::smallint[], $2::text[]) with ordinality as k (source_id, id, place)
inner join bridge.source as s on k.source_id = s.id
inner join report.service_problem as r on s.name = r.source and k.id = r.id
order by k.place;

-- name: rows_then
-- The same as of $3.
select
    r.source, r.id, r.name, r.status, r.status_raw, r.priority, r.category, r.created_at, r.updated_at, r.status_changed_at,
    r.affected_services, r.last_changed_via, r.description, r.reason, r.responsible, r.originator, r.originating_system,
    r.external_id, r.resolved_at, r.first_seen_at, r.deleted_at, r.href
from unnest($1::smallint[], $2::text[]) with ordinality as k (source_id, id, place)
inner join bridge.source as s on k.source_id = s.id
inner join report.service_problem_at($3::timestamptz) as r on s.name = r.source and k.id = r.id
order by k.place;
