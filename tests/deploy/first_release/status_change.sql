-- name: add
-- Facts; those already there keep the earliest statement and the latest confirmation. Only rows that learn something are written.
insert into bridge.status_change as c (
    source_id, problem_id, effective_at, status, status_raw, stated_at, observed_at, confirmed_at, via, partial
)
select
    n.source_id, n.problem_id, n.effective_at, n.status, n.status_raw, n.stated_at, n.observed_at, n.confirmed_at, n.via,
    n.partial
from unnest(
    $1::smallint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::text[], $10::boolean[]
) as n (source_id, problem_id, effective_at, status, status_raw, stated_at, observed_at, confirmed_at, via, partial)
order by n.source_id, n.problem_id, n.effective_at, n.status
on conflict (source_id, problem_id, effective_at, status) do update set
stated_at = least(c.stated_at, excluded.stated_at),
confirmed_at = greatest(c.confirmed_at, excluded.confirmed_at),
partial = c.partial and excluded.partial,
superseded = false
where
    c.stated_at > excluded.stated_at
    or excluded.confirmed_at > coalesce(c.confirmed_at, '-infinity')
    or (c.partial and not excluded.partial)
    or c.superseded;

-- name: supersede
-- What the source has contradicted: what only an overtaken patch had stated, or what was first stated at $5.
update bridge.status_change as c set superseded = true
from unnest($1::smallint[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[]) as n (
    source_id, problem_id, effective_at, status, stated_at
)
where
    c.source_id = n.source_id and c.problem_id = n.problem_id and c.effective_at = n.effective_at and c.status = n.status
    and ((n.stated_at is null and c.partial) or c.stated_at = n.stated_at);
