-- name: ask
-- One open request of a source, kind and subject: a second one adds nothing.
insert into bridge.request (source_id, kind, subject, asked_by, arguments) values ($1, $2, $3, $4, $5)
on conflict (source_id, kind, subject) where ended_at is null do nothing
returning id;

-- name: open
-- The open request that a second one would be.
select r.id from bridge.request as r
where r.source_id is not distinct from $1::smallint and r.kind = $2 and r.subject = $3 and r.ended_at is null;

-- name: take
-- Begin with every open request but those under way in this process ($1).
update bridge.request as r set
    taken_at = now(), attempts = r.attempts + 1, progress_done = null, progress_total = null
where r.ended_at is null and r.id <> all($1::bigint[])
returning
    r.id, r.kind, r.subject, r.asked_by, r.arguments, r.attempts, r.source_id,
    (
        select s.name from bridge.source as s
        where s.id = r.source_id
    ) as source;

-- name: write_progress
update bridge.request as r set progress_done = $2, progress_total = $3
where r.id = $1 and r.ended_at is null;

-- name: end
update bridge.request as r set ended_at = now(), outcome = $2, detail = $3
where r.id = $1 and r.ended_at is null
returning r.id;

-- name: lock_open
-- Lock a request until the end of the transaction, unless it has ended.
select r.id from bridge.request as r
where r.id = $1 and r.ended_at is null
for update;

-- name: latest
-- The latest request of each kind and source, open ones first.
select distinct on (r.source, r.kind)
    r.id, r.source, r.kind, r.subject, r.asked_by, r.asked_at, r.taken_at, r.ended_at, r.progress_done, r.progress_total, r.attempts,
    r.outcome, r.detail, r.arguments, r.state
from bridge.request_state as r
where r.subject = '' and ($1::text is null or r.source = $1)
order by r.source asc, r.kind asc, (r.ended_at is not null) asc, r.id desc;

-- name: recent
-- The newest $3 requests of these kinds that are open, or ended within $2 hours; with $4 only about these, or a part of them.
select
    r.id, r.source, r.kind, r.subject, r.asked_by, r.asked_at, r.taken_at, r.ended_at, r.progress_done, r.progress_total, r.attempts,
    r.outcome, r.detail, r.arguments, r.state
from bridge.request_state as r
where
    r.kind = any($1::text[]) and (r.ended_at is null or r.ended_at > now() - make_interval(hours => $2))
    and (
        $4::text[] is null or exists (
            select from unnest($4::text[]) as s (subject)
            where r.subject = s.subject or starts_with(r.subject, s.subject || ' ')
        )
    )
order by r.id desc
limit $3;

-- name: prune
delete from bridge.request as r
where r.ended_at < now() - make_interval(days => $1);

-- name: source_id
select s.id from bridge.source as s
where s.name = $1;

-- name: arguments
select r.arguments from bridge.request as r
where r.id = $1;
