-- name: current
-- For the problems $2 (one text) whose current state is the one read from a list row and is not in doubt: the digests of those rows, and the
-- latest time of change.
select
    array_agg(substring(k.list_digest, 1, 16)) as digests,
    max(k.updated_at) as newest
from bridge.service_problem as k
where
    k.source_id = $1
    and k.id = any(string_to_array($2, chr(31)))
    and substring(k.list_digest, 17) = k.content_hash
    and not k.patched
    and k.deleted_at is null
    and k.doubt_hash is null
    and k.missed_at is null
    and k.id not in (
        select r.problem_id from bridge.refetch as r
        where r.source_id = $1 and r.problem_id = any(string_to_array($2, chr(31)))
    );

-- name: remember
-- Store the digests of list rows whose state was known already. Rows locked by another writer are skipped: a digest is not worth a wait or
-- a deadlock.
update bridge.service_problem as p set list_digest = m.list_digest
from (
    select
        k.source_id,
        k.id,
        n.list_digest
    from unnest($1::smallint[], $2::text[], $3::bytea[]) as n (source_id, id, list_digest)
    inner join bridge.service_problem as k on n.source_id = k.source_id and n.id = k.id
    where k.list_digest is distinct from n.list_digest
    for no key update of k skip locked
) as m
where p.source_id = m.source_id and p.id = m.id;
