-- name: ask
-- One open request per source and kind: a second one adds nothing.
insert into bridge.request (source_id, kind, asked_by, arguments) values ($1, $2, $3, $4)
on conflict (source_id, kind) where ended_at is null do nothing
returning id;

-- name: open
-- The open request that a second one would be.
select r.id from bridge.request as r
where r.source_id is not distinct from $1::smallint and r.kind = $2 and r.ended_at is null;

-- name: take
-- Begin with every open request but those under way in this process ($1).
update bridge.request as r set
    taken_at = now(), attempts = r.attempts + 1, progress_done = null, progress_total = null
where r.ended_at is null and r.id <> all($1::bigint[])
returning
    r.id, r.kind, r.asked_by, r.arguments, r.attempts, r.source_id,
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

-- name: latest
-- The latest request of each kind and source, open ones first. no_leader: nobody has taken it for a minute.
select distinct on (s.name, r.kind)
    r.id, s.name as source, r.kind, r.asked_by, r.asked_at, r.taken_at, r.ended_at, r.progress_done, r.progress_total, r.attempts,
    r.outcome, r.detail, r.arguments,
    case
        when r.outcome is not null then r.outcome
        when not exists (
            select from bridge.lease as l
            where l.name = 'jobs' and l.expires_at > clock_timestamp()
        ) and coalesce(r.taken_at, r.asked_at) < clock_timestamp() - interval '1 minute' then 'no_leader'
        when r.taken_at is not null then 'running'
        when r.asked_at < clock_timestamp() - interval '1 minute' then 'no_leader'
        else 'asked'
    end as state
from bridge.request as r
left join bridge.source as s on r.source_id = s.id
where $1::text is null or s.name = $1
order by s.name asc, r.kind asc, (r.ended_at is not null) asc, r.id desc;

-- name: prune
delete from bridge.request as r
where r.ended_at < now() - make_interval(days => $1);

-- name: source_id
select s.id from bridge.source as s
where s.name = $1;

-- name: arguments
select r.arguments from bridge.request as r
where r.id = $1;
