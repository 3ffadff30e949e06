-- name: write
insert into bridge.last_pass as l (source_id, kind, started_at, finished_at, complete_at, gap, problems, filtered)
values ($1, $2, $3, $4::timestamptz, case when $5::text is null then $4::timestamptz end, $5, $6, $7)
on conflict (source_id, kind) do update set
started_at = excluded.started_at,
finished_at = excluded.finished_at,
complete_at = coalesce(excluded.complete_at, l.complete_at),
gap = excluded.gap,
problems = excluded.problems,
filtered = excluded.filtered;

-- name: write_held_back
-- Without a reason ($3) the former reason stays while deletions are held back.
update bridge.last_pass as l set
    held_back = $2,
    held_back_reason = case when $2::bigint > 0 then coalesce($3, l.held_back_reason) end
where l.source_id = $1 and l.kind = 'reconcile';

-- name: find
select l.kind, l.started_at, l.finished_at, l.gap, l.problems, l.filtered
from bridge.last_pass as l
where l.source_id = $1;

-- name: held_back
select l.held_back from bridge.last_pass as l
where l.source_id = $1 and l.kind = 'reconcile';
