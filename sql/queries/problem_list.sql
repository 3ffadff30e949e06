-- name: sources
select s.id, s.name
from bridge.source as s
order by s.name collate "C";

-- name: extra_columns
-- The columns of report.service_problem_extra that come out of the configuration.
select a.attname::text as name
from pg_attribute as a
where a.attrelid = 'report.service_problem_extra'::regclass and a.attnum > 3 and not a.attisdropped
order by a.attnum;

-- name: has_id
-- Is there a problem with exactly this id ($2) at one of these sources ($1)? One look into the primary key for each.
select exists(
    select from bridge.console_problem as p
    where p.source_id = any($1::smallint[]) and p.id = $2
) as found;

-- name: search_state
-- Which problems can be searched by their words, and how many mentions of problems in changes wait for theirs, up to $1.
-- While the first words are made: of how many problems so far.
select
    bridge.search_covers() as covers,
    bridge.search_lag($1) as waiting,
    (
        select s.scanned_problems from bridge.search_state as s
        where s.kept <> 'off' and not s.complete
    ) as scanned;

-- name: broad_words
-- Those of the words with which a word of most problems begins, by $2 per cent of the pages of the table.
with sampled as materialized (
    select w.words from bridge.problem_search as w tablesample system ($2)
    limit 200
)

select q.word
from unnest($1::text[]) as q (word)
where (
    select 2 * count(*) filter (where s.words @@ bridge.search_query(array[q.word], null)) > count(*)
    from sampled as s
);

-- name: facets
-- A status is never empty; saying so lets the indexes be used (service_problem_facet_idx, service_problem_deleted_facet_idx).
select s.name as source, f.status, f.priority, f.category, f.deleted, f.problems
from (
    select p.source_id, p.status, p.priority, p.category, false as deleted, count(*) as problems
    from bridge.console_facet as p
    where p.deleted_at is null and p.status <> ''
    group by p.source_id, p.status, p.priority, p.category
    union all
    select p.source_id, p.status, p.priority, p.category, true as deleted, count(*) as problems
    from bridge.console_facet as p
    where p.deleted_at is not null and p.status <> ''
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
