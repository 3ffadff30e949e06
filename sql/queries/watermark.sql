-- name: find
select w.changed_at, w.filter_style, w.started_at, w.finished_at, w.problems
from bridge.watermark as w
where w.source_id = $1 and w.kind = $2;

-- name: advance
-- Record a complete pass; an older pass never moves the watermark back.
insert into bridge.watermark as w (source_id, kind, changed_at, filter_style, started_at, finished_at, problems)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (source_id, kind) do update set
changed_at = excluded.changed_at,
filter_style = excluded.filter_style,
started_at = excluded.started_at,
finished_at = excluded.finished_at,
problems = excluded.problems
where w.started_at <= excluded.started_at;
