-- name: lock
-- Lock these problems against other writers until the end of the transaction, in the order in which `write` writes them, so that two writers cannot
-- deadlock.
select 1 as locked
from unnest($1::smallint[], $2::text[]) as k (source_id, id)
inner join bridge.service_problem as p on k.source_id = p.source_id and k.id = p.id
order by p.source_id, p.id collate "C"
for update of p;

-- name: update_state
-- Update rows whose body stays the same (deleted, in doubt, found again after being missed, same content later).
update bridge.service_problem as p set
    revision = p.revision + 1,
    patched = n.patched,
    effective_at = n.effective_at,
    observed_at = n.observed_at,
    content_at = n.content_at,
    content_observed_at = n.content_observed_at,
    confirmed_at = n.confirmed_at,
    content_hash = n.content_hash,
    doubt_at = n.doubt_at,
    doubt_hash = n.doubt_hash,
    deleted_at = n.deleted_at,
    missed_at = null,
    via = coalesce(n.via, p.via),
    last_seen_at = greatest(p.last_seen_at, n.seen_at)
from unnest(
    $1::smallint[], $2::text[], $3::integer[], $4::boolean[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::timestamptz[], $10::bytea[], $11::timestamptz[], $12::bytea[], $13::timestamptz[], $14::text[],
    $15::timestamptz[]
) as n (
    source_id, id, revision, patched, effective_at, observed_at, content_at, content_observed_at, confirmed_at, content_hash,
    doubt_at, doubt_hash, deleted_at, via, seen_at
)
where p.source_id = n.source_id and p.id = n.id and p.revision = n.revision
returning 1;

-- name: touch
-- Observed again, unchanged.
update bridge.service_problem as p set last_seen_at = n.seen_at
from unnest($1::smallint[], $2::text[], $3::timestamptz[]) as n (source_id, id, seen_at)
where p.source_id = n.source_id and p.id = n.id and p.last_seen_at < n.seen_at;

-- name: count_by_status
-- Problems that are not deleted, by source and status; for the metrics page.
select p.source_id, p.status, count(*) as problems
from bridge.service_problem as p
where p.deleted_at is null
group by p.source_id, p.status;

-- name: mark_missed
-- After a complete pass that began at $2: of the problems that it did not return ($3), those not observed since it began, and whether the previous
-- complete pass did not return them either. Those missed for the first time are marked.
with missed as (
    select p.id, p.missed_at
    from unnest($3::text[]) as n (id)
    inner join bridge.service_problem as p on n.id = p.id
    where
        p.source_id = $1
        and p.deleted_at is null
        and p.observed_at < $2
        and p.last_seen_at < $2
    order by p.id collate "C"
    for update of p
),

marked as (
    update bridge.service_problem as p set missed_at = $2, revision = p.revision + 1
    from missed as m
    where p.source_id = $1 and p.id = m.id and m.missed_at is null
)

select m.id, m.missed_at is not null as twice from missed as m
order by m.id;

-- name: clear_missed
-- Problems that a pass returned ($2) are no longer missed. Locked in the order in which batches lock them.
with returned as (
    select p.id from bridge.service_problem as p
    where p.source_id = $1 and p.id = any($2::text[]) and p.missed_at is not null
    order by p.id collate "C"
    for update of p
)

update bridge.service_problem as p set missed_at = null, revision = p.revision + 1
from returned as r
where p.source_id = $1 and p.id = r.id;

-- name: not_seen_since
-- The next 10,000 problems after $5, by id, that were not observed since $2: those that a pass which began then did not return are missing. Where the
-- server was asked for statuses ($3) or categories ($4) only: those that have one, as the source writes it (null: any).
select array_agg(k.id) as ids
from (
    select p.id
    from bridge.service_problem as p
    where
        p.source_id = $1
        and p.id > $5
        and p.deleted_at is null
        and p.observed_at < $2
        and p.last_seen_at < $2
        and ($3::text[] is null or p.status_raw = any($3::text[]))
        and ($4::text[] is null or p.category = any($4::text[]))
    order by p.id
    limit 10000
) as k;

-- name: missed
-- The next 10,000 problems after $2, by id, that the last complete pass did not return.
select array_agg(k.id) as ids
from (
    select p.id
    from bridge.service_problem as p
    where p.source_id = $1 and p.id > $2 and p.missed_at is not null
    order by p.id
    limit 10000
) as k;

-- name: by_key
-- The rest of the transaction reads problems in portions, in the order of their key. Without this setting Postgres would read and sort all
-- remaining rows for each portion, which it estimates as cheaper.
select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true);

-- name: all_missing
-- Problems, not deleted, that the last complete pass did not return.
select p.id from bridge.service_problem as p
where p.source_id = $1 and p.missed_at is not null and p.deleted_at is null
order by p.id;

-- name: count_living
select count(*) as problems from bridge.service_problem as p
where p.source_id = $1 and p.deleted_at is null;

-- name: some_listed
-- At most $2 problems, not deleted, that the last complete pass returned.
select p.id from bridge.service_problem as p
where
    p.source_id = $1 and p.deleted_at is null and p.missed_at is null
    and not exists (
        select from bridge.missing_problem as m
        where m.source_id = p.source_id and m.problem_id = p.id
    )
order by p.id
limit $2;
