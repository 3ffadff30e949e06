-- name: read
-- Tickets by key, as they are now; deleted ones too.
select
    p.source_id, p.id, p.revision, p.status, p.deleted_at, p.created_at, p.updated_at, p.status_changed_at, p.observed_at, p.via, p.body
from unnest($1::smallint[], $2::text[]) as k (source_id, id)
inner join bridge.service_problem_with_body as p on k.source_id = p.source_id and k.id = p.id;

-- name: page
-- The next $3 tickets of a source after $2.
select
    p.source_id, p.id, p.revision, p.status, p.deleted_at, p.created_at, p.updated_at, p.status_changed_at, p.observed_at, p.via, p.body
from bridge.service_problem_with_body as p
where p.source_id = $1 and p.id > $2
order by p.id
limit $3;

-- name: versions
-- What a ticket said, the latest $3 versions first.
select v.effective_at, v.status, v.body
from bridge.service_problem_version as v
where v.source_id = $1 and v.problem_id = $2 and not v.superseded and v.kind <> 'tombstone'
order by v.effective_at desc, v.observed_at desc
limit $3;
