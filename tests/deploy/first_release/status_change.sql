-- name: supersede
-- Status changes that the source has contradicted: stated only by a superseded patch, or first stated at $5.
update bridge.status_change as c set superseded = true
from unnest($1::smallint[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[]) as n (
    source_id, problem_id, effective_at, status, stated_at
)
where
    c.source_id = n.source_id and c.problem_id = n.problem_id and c.effective_at = n.effective_at and c.status = n.status
    and ((n.stated_at is null and c.partial) or c.stated_at = n.stated_at);
