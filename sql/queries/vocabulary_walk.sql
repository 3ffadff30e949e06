-- name: read
select v.digest, v.walked_id, v.changed, v.finished_at is not null as finished
from bridge.vocabulary_walk as v
where v.source_id = $1;

-- name: begin
-- Start at the first problem.
insert into bridge.vocabulary_walk as v (source_id, digest)
values ($1, $2)
on conflict (source_id) do update set
digest = excluded.digest,
walked_id = '',
changed = 0,
started_at = now(),
finished_at = null;

-- name: write
-- The walk is behind problem $3, or at its end (null). Nothing is written when it has begun again meanwhile.
update bridge.vocabulary_walk as v set
    walked_id = coalesce($3, v.walked_id),
    changed = v.changed + $4,
    finished_at = case when $3::text is null then now() end
where v.source_id = $1 and v.digest = $2
returning v.changed;

-- name: problems
-- The next $3 problems after $2.
select p.id
from bridge.service_problem as p
where p.source_id = $1 and p.id > $2
order by p.id
limit $3;

-- name: words
-- What is stored of these problems in the source's words, and as what it was read. Values are JSON; a status change has the text of one.
select
    'text' as kind,
    to_jsonb(c.status_raw) as word,
    c.status as meaning
from bridge.status_change as c
where c.source_id = $1 and c.problem_id = any($2::text[]) and c.status_raw is not null
union
select
    'text',
    to_jsonb(p.status_raw),
    p.status
from bridge.service_problem as p
where p.source_id = $1 and p.id = any($2::text[]) and p.status_raw is not null
union
select
    'status',
    v.body -> 'status',
    v.status
from bridge.service_problem_version as v
where v.source_id = $1 and v.problem_id = any($2::text[]) and jsonb_typeof(v.body -> 'status') <> 'null'
union
select
    'priority',
    p.body -> 'priority',
    p.priority::text
from bridge.service_problem_with_body as p
where p.source_id = $1 and p.id = any($2::text[]) and jsonb_typeof(p.body -> 'priority') <> 'null';

-- name: versions
-- Versions get the status that their word ($3) means now ($4).
update bridge.service_problem_version as v set status = w.status
from unnest($3::jsonb[], $4::text[]) as w (word, status)
where
    v.source_id = $1 and v.problem_id = any($2::text[])
    and v.body -> 'status' = w.word and v.status <> w.status
returning v.problem_id;

-- name: take_status_changes
-- Status changes whose word ($3) means another status now ($4); the status is a part of their key, so they are taken out and added again.
delete from bridge.status_change as c
using unnest($3::text[], $4::text[]) as w (word, status)
where
    c.source_id = $1 and c.problem_id = any($2::text[])
    and c.status_raw = w.word and c.status <> w.status
returning
    c.problem_id, c.effective_at, w.status, c.status_raw, c.stated_at, c.observed_at, c.confirmed_at, c.via, c.partial, c.superseded;

-- name: add_status_changes
-- Rows in the order of their keys. One that says the same of the same moment as another becomes one with it.
insert into bridge.status_change as c (
    source_id, problem_id, effective_at, status, status_raw, stated_at, observed_at, confirmed_at, via, partial, superseded
)
select
    $1,
    n.problem_id,
    n.effective_at,
    n.status,
    n.status_raw,
    n.stated_at,
    n.observed_at,
    n.confirmed_at,
    n.via,
    n.partial,
    n.superseded
from unnest(
    $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::text[],
    $10::boolean[], $11::boolean[]
) as n (problem_id, effective_at, status, status_raw, stated_at, observed_at, confirmed_at, via, partial, superseded)
on conflict (source_id, problem_id, effective_at, status) do update set
stated_at = least(c.stated_at, excluded.stated_at),
observed_at = least(c.observed_at, excluded.observed_at),
confirmed_at = greatest(c.confirmed_at, excluded.confirmed_at),
partial = c.partial and excluded.partial,
superseded = c.superseded and excluded.superseded;

-- name: statuses
-- Current rows get the status that their word ($3) means now ($4).
update bridge.service_problem as p set
    status = w.status,
    revision = p.revision + 1
from unnest($3::text[], $4::text[]) as w (word, status)
where
    p.source_id = $1 and p.id = any($2::text[])
    and p.status_raw = w.word and p.status <> w.status
returning p.id;

-- name: priorities
-- Current rows get the priority that their value ($3) means now ($4).
update bridge.service_problem as p set
    priority = w.priority,
    revision = p.revision + 1
from bridge.service_problem_with_body as b, unnest($3::jsonb[], $4::integer[]) as w (word, priority)
where
    b.source_id = $1 and b.id = any($2::text[])
    and p.source_id = b.source_id and p.id = b.id
    and b.body -> 'priority' = w.word and p.priority is distinct from w.priority
returning p.id;

-- name: log
-- The problems changed, for followers.
with changed as (
    insert into bridge.change (source_id, problem_ids) values ($1, $2::text[])
    returning source_id, problem_ids
)

select count(bridge.notify_change(c.source_id, c.problem_ids)) as notified from changed as c;
