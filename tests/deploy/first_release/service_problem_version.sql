-- name: correct
-- Patches whose merged body changed or that were superseded; answers that were confirmed again.
update bridge.service_problem_version as v set
    superseded = n.superseded,
    confirmed_at = greatest(v.confirmed_at, n.confirmed_at),
    status = coalesce(n.status, v.status),
    body_hash = coalesce(n.body_hash, v.body_hash),
    body = coalesce(n.body, v.body)
from unnest(
    $1::smallint[], $2::text[], $3::timestamptz[], $4::bytea[], $5::boolean[], $6::timestamptz[], $7::text[], $8::bytea[],
    $9::jsonb[]
) as n (source_id, problem_id, effective_at, content_hash, superseded, confirmed_at, status, body_hash, body)
where
    v.source_id = n.source_id and v.problem_id = n.problem_id and v.effective_at = n.effective_at
    and v.content_hash = n.content_hash;

-- name: history_range
-- Every fact on which merging a patch with time $3 can depend: from the last whole statement at or before it up to the next one ($4: up to the last).
-- Superseded patches matter only where an equal one may arrive again.
with stretch as (
    select distinct
        k.source_id,
        k.problem_id,
        base.effective_at as since,
        coalesce(ahead.effective_at, 'infinity') as until
    from unnest($1::smallint[], $2::text[], $3::timestamptz[], $4::boolean[]) as k (source_id, problem_id, at, open)
    inner join lateral (
        select coalesce(max(w.effective_at), '-infinity') as effective_at
        from bridge.service_problem_version as w
        where w.source_id = k.source_id and w.problem_id = k.problem_id and w.kind = 'full' and w.effective_at <= k.at
    ) as base on true
    inner join lateral (
        select min(w.effective_at) as effective_at
        from bridge.service_problem_version as w
        where
            w.source_id = k.source_id and w.problem_id = k.problem_id and w.kind = 'full' and w.effective_at > k.at
            and not k.open
    ) as ahead on true
)

select
    v.source_id,
    v.problem_id,
    v.effective_at,
    v.content_hash,
    v.kind,
    v.observed_at,
    v.confirmed_at,
    v.via,
    v.event_type,
    v.superseded,
    v.status,
    v.body_hash,
    coalesce(v.patch, v.body) as said
from stretch as t
inner join bridge.service_problem_version as v
    on
        t.source_id = v.source_id and t.problem_id = v.problem_id
        and v.effective_at >= t.since and v.effective_at < t.until
where not v.superseded
union all
select
    v.source_id,
    v.problem_id,
    v.effective_at,
    v.content_hash,
    v.kind,
    v.observed_at,
    v.confirmed_at,
    v.via,
    v.event_type,
    v.superseded,
    v.status,
    v.body_hash,
    coalesce(v.patch, v.body) as said
from unnest($1::smallint[], $2::text[], $3::timestamptz[]) as k (source_id, problem_id, at)
inner join bridge.service_problem_version as v
    on k.source_id = v.source_id and k.problem_id = v.problem_id and k.at = v.effective_at and v.superseded;
