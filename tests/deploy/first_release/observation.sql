-- name: read_current
-- The current rows of the problems ($1, $2) without bodies; and which of the notifications ($3, $4) were stored before: rows without an id, with
-- the digest as content_hash.
select
    k.source_id,
    p.id,
    p.revision,
    p.content_at,
    p.content_hash,
    p.content_observed_at,
    p.content_via,
    p.confirmed_at,
    p.effective_at,
    p.observed_at,
    p.patched,
    p.has_partials,
    p.deleted_at,
    p.doubt_hash,
    p.doubt_at,
    p.missed_at,
    p.status,
    p.status_changed_at,
    p.updated_at,
    p.via
from unnest($1::smallint[], $2::text[]) as k (source_id, id)
inner join bridge.service_problem as p on k.source_id = p.source_id and k.id = p.id
union all
select
    d.source_id, null, null, null, d.digest, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null
from unnest($3::smallint[], $4::bytea[]) as h (source_id, digest)
inner join bridge.notification_digest as d on h.source_id = d.source_id and h.digest = d.digest;

-- name: write
-- Write the decisions of a batch, all tables in one statement.
-- * Current rows ($1): a row is replaced only if it still has the revision on which the decision was based. A row that existed must still exist
--   ($8: how many did not; an inserted row has no xmax), and a digest is inserted only once. Otherwise another writer was faster, or the row cache
--   (`bridge.storage.row_cache`) was outdated: the statement raises a serialization failure and writes nothing.
-- * A current row without a body refers to its version. That version is always among the facts of the batch and is written even if it exists, so
--   concurrent pruning cannot remove it.
-- * Facts ($2, $3) that exist stay and are extended: by the last confirmation, by the whole body of what had been stored as a patch, and for a status by
--   the earliest statement.
-- * The log ($4): a row with effective_at and content_hash has a body without the problem, which is in the version with that key.
-- * The change log: problems whose state or history changed ($5, $6), with a notification to followers (`bridge.notify_change`).
-- * $7: list digests of the current rows, if any (`bridge.storage.list_digest`).
-- Rows arrive in the order of their keys, the order of `lock`, and are written in it, so two writers cannot deadlock. (Sorting them here as well took
-- 5 % of the time of Postgres for batches of 4 and 20, and 10 % for 250 answers.)
with problem as (
    insert into bridge.service_problem as p (
        source_id, id, revision, patched, has_partials, effective_at, observed_at, content_at, content_observed_at, confirmed_at,
        doubt_at, deleted_at, first_seen_at, last_seen_at, created_at, updated_at, status_changed_at, resolved_at, priority,
        affected_services, via, content_via, status, status_raw, category, content_hash, doubt_hash, body, list_digest
    )
    select
        n.source_id, n.id, n.revision + 1, n.patched, n.has_partials, n.effective_at, n.observed_at, n.content_at,
        n.content_observed_at, n.confirmed_at, n.doubt_at, n.deleted_at, n.seen_at, n.seen_at, n.created_at, n.updated_at,
        n.status_changed_at, n.resolved_at, n.priority, n.affected_services, n.via, n.content_via, n.status, n.status_raw,
        n.category, n.content_hash, n.doubt_hash, n.body, n.unnest
    from unnest($1::bridge.problem_row[], $7::bytea[]) as n
    on conflict (source_id, id) do update set
    revision = excluded.revision,
    patched = excluded.patched,
    has_partials = excluded.has_partials,
    effective_at = excluded.effective_at,
    observed_at = excluded.observed_at,
    content_at = excluded.content_at,
    content_observed_at = excluded.content_observed_at,
    confirmed_at = excluded.confirmed_at,
    doubt_at = excluded.doubt_at,
    missed_at = null,
    deleted_at = excluded.deleted_at,
    last_seen_at = greatest(p.last_seen_at, excluded.last_seen_at),
    created_at = excluded.created_at,
    updated_at = excluded.updated_at,
    status_changed_at = excluded.status_changed_at,
    resolved_at = excluded.resolved_at,
    priority = excluded.priority,
    affected_services = excluded.affected_services,
    via = excluded.via,
    content_via = excluded.content_via,
    status = excluded.status,
    status_raw = excluded.status_raw,
    category = excluded.category,
    content_hash = excluded.content_hash,
    doubt_hash = excluded.doubt_hash,
    body = excluded.body,
    list_digest = coalesce(excluded.list_digest, p.list_digest)
    where p.revision = excluded.revision - 1
    returning p.xmax = 0 as added
),

version as (
    insert into bridge.service_problem_version as v (
        source_id, problem_id, effective_at, content_hash, kind, observed_at, confirmed_at, via, event_type, status, superseded,
        body_hash, patch, body
    )
    select
        n.source_id, n.problem_id, n.effective_at, n.content_hash, n.kind, n.observed_at, n.confirmed_at, n.via, n.event_type,
        n.status, n.superseded, n.body_hash, n.patch, n.body
    from unnest($2::bridge.version_row[]) as n
    on conflict (source_id, problem_id, effective_at, content_hash) do update set
    kind = excluded.kind,
    confirmed_at = greatest(v.confirmed_at, excluded.confirmed_at),
    status = excluded.status,
    superseded = excluded.superseded,
    body_hash = excluded.body_hash,
    patch = excluded.patch,
    body = excluded.body
    where excluded.kind = 'full'
),

status as (
    insert into bridge.status_change as c (
        source_id, problem_id, effective_at, status, status_raw, stated_at, observed_at, confirmed_at, via, partial
    )
    select
        n.source_id, n.problem_id, n.effective_at, n.status, n.status_raw, n.stated_at, n.observed_at, n.confirmed_at, n.via,
        n.partial
    from unnest($3::bridge.status_row[]) as n
    on conflict (source_id, problem_id, effective_at, status) do update set
    stated_at = least(c.stated_at, excluded.stated_at),
    confirmed_at = greatest(c.confirmed_at, excluded.confirmed_at),
    partial = c.partial and excluded.partial,
    superseded = false
    where
        c.stated_at > excluded.stated_at
        or excluded.confirmed_at > coalesce(c.confirmed_at, '-infinity')
        or (c.partial and not excluded.partial)
        or c.superseded
),

received as (
    select n.* from unnest($4::bridge.notification_row[]) as n
),

digest as (
    insert into bridge.notification_digest (source_id, digest, received_at)
    select h.source_id, h.digest, h.received_at from received as h
    where h.digest is not null
    order by h.source_id, h.digest
    on conflict (source_id, digest) do nothing
    returning 1
),

logged as (
    insert into bridge.notification (
        source_id, received_at, event_id, event_type, event_time, problem_id, outcome, effective_at, content_hash, body
    )
    select
        h.source_id, h.received_at, h.event_id, h.event_type, h.event_time, h.problem_id, h.outcome, h.effective_at,
        h.content_hash, h.body
    from received as h
),

changed as (
    insert into bridge.change (source_id, problem_ids)
    select n.source_id, array_agg(n.id order by n.id)
    from unnest($5::smallint[], $6::text[]) as n (source_id, id)
    group by n.source_id
    returning source_id, problem_ids
)

select
    case
        when
            (select count(*) <> cardinality($1) or count(*) filter (where p.added) <> $8 from problem as p)
            or (select count(*) from digest) <> (select count(h.digest) from received as h)
            then bridge.raise_concurrent_update()
    end as written,
    (select count(bridge.notify_change(c.source_id, c.problem_ids)) from changed as c) as notified;
