-- name: same
-- Which of these rows of a list ($2 ids, $3 digests) say word for word what is current, while nothing speaks against it: their places, from 0,
-- and the newest time of change among them. `offset 0`: each is looked up by its key, whatever the statistics say of a table that grows.
select
    array_agg(n.place - 1) as places,
    max(p.updated_at) as newest
from unnest($2::text[], $3::bytea[]) with ordinality as n (id, digest, place)
cross join lateral (
    select
        k.updated_at,
        k.listed,
        k.content_hash
    from bridge.service_problem as k
    where
        k.source_id = $1
        and k.id = n.id
        and not k.patched
        and k.deleted_at is null
        and k.doubt_hash is null
        and k.missed_at is null
        and not exists (
            select from bridge.refetch as r
            where r.source_id = k.source_id and r.problem_id = k.id
        )
    offset 0
) as p
where p.listed = n.digest || p.content_hash;

-- name: remember
-- What rows of a list were read as, where that was known already. A problem that somebody is writing goes without: no memo is worth a wait, nor
-- a deadlock.
update bridge.service_problem as p set listed = m.listed
from (
    select
        k.source_id,
        k.id,
        n.listed
    from unnest($1::smallint[], $2::text[], $3::bytea[]) as n (source_id, id, listed)
    inner join bridge.service_problem as k on n.source_id = k.source_id and n.id = k.id
    where k.listed is distinct from n.listed
    for no key update of k skip locked
) as m
where p.source_id = m.source_id and p.id = m.id;
