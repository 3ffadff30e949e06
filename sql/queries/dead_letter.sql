-- name: keep
-- The same bytes arriving again count on the same letter.
insert into bridge.dead_letter as d (
    source_id, received_at, last_received_at, via, event_hint, problem_id, reason, detail, hint, digest, raw, times
)
select
    n.source_id, n.received_at, n.received_at, n.via, n.event_hint, n.problem_id, n.reason, n.detail, n.hint, n.digest, n.raw,
    n.times
from unnest(
    $1::smallint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
    $10::bytea[], $11::integer[]
) as n (source_id, received_at, via, event_hint, problem_id, reason, detail, hint, digest, raw, times)
on conflict (source_id, digest) where state = 'waiting' do update set
times = d.times + excluded.times,
last_received_at = greatest(d.last_received_at, excluded.last_received_at);

-- name: log
insert into bridge.notification (source_id, received_at, problem_id, outcome)
select n.source_id, n.received_at, n.problem_id, 'dead_letter'
from unnest($1::smallint[], $2::timestamptz[], $3::text[]) as n (source_id, received_at, problem_id);

-- name: count
select d.source_id, count(*) as letters from bridge.dead_letter as d
where d.state = 'waiting'
group by d.source_id;

-- name: list
select
    d.id, s.name as source, d.received_at, d.last_received_at, d.times, d.via, d.event_hint, d.problem_id, d.reason, d.detail,
    d.hint, d.state, length(d.raw) as raw_bytes
from bridge.dead_letter as d
inner join bridge.source as s on d.source_id = s.id
where ($1::text is null or s.name = $1) and ($2::boolean or d.state = 'waiting')
order by d.id desc
limit $3;

-- name: show
select
    d.id, d.source_id, s.name as source, d.received_at, d.last_received_at, d.times, d.via, d.event_hint, d.problem_id, d.reason,
    d.detail, d.hint, d.state, d.settled_at, d.raw
from bridge.dead_letter as d
inner join bridge.source as s on d.source_id = s.id
where d.id = $1;

-- name: waiting
select d.id from bridge.dead_letter as d
inner join bridge.source as s on d.source_id = s.id
where
    d.state = 'waiting' and ($1::text is null or s.name = $1) and ($2::text is null or d.reason = $2)
    and ($3::bigint is null or d.id <= $3)
order by d.id;

-- name: settle
update bridge.dead_letter as d set state = $2, settled_at = now()
where d.id = $1 and d.state = 'waiting'
returning d.id;

-- name: reasons
-- How many letters wait for each reason, of one source or of all.
select
    d.reason,
    count(*) as letters,
    max(d.last_received_at) as newest_at,
    max(d.id) as newest_id,
    (array_agg(d.hint order by d.id desc) filter (where d.hint <> ''))[1] as hint
from bridge.dead_letter as d
inner join bridge.source as s on d.source_id = s.id
where d.state = 'waiting' and ($1::text is null or s.name = $1)
group by d.reason
order by letters desc, d.reason asc;

-- name: page
-- Letters below the number $4, newest first.
select
    d.id, s.name as source, d.received_at, d.last_received_at, d.times, d.via, d.problem_id, d.reason, d.detail, d.state
from bridge.dead_letter as d
inner join bridge.source as s on d.source_id = s.id
where
    ($1::text is null or s.name = $1) and ($2::text is null or d.reason = $2) and ($3::boolean or d.state = 'waiting')
    and d.id < $4
order by d.id desc
limit $5;
