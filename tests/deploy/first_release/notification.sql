-- name: digests
-- Which of these events were stored before?
select n.source_id, n.digest
from unnest($1::smallint[], $2::bytea[]) as k (source_id, digest)
inner join bridge.notification_digest as n on k.source_id = n.source_id and k.digest = n.digest;

-- name: remember
-- Digests of events stored for the first time. One that another process stored meanwhile is left out; the caller counts and starts over.
insert into bridge.notification_digest (source_id, digest, received_at)
select n.source_id, n.digest, n.received_at
from unnest($1::smallint[], $2::bytea[], $3::timestamptz[]) as n (source_id, digest, received_at)
order by n.source_id, n.digest
on conflict (source_id, digest) do nothing
returning 1;

-- name: add
-- The log.
insert into bridge.notification (source_id, received_at, event_id, event_type, event_time, problem_id, outcome, body)
select n.source_id, n.received_at, n.event_id, n.event_type, n.event_time, n.problem_id, n.outcome, n.body
from unnest(
    $1::smallint[], $2::timestamptz[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::jsonb[]
) as n (source_id, received_at, event_id, event_type, event_time, problem_id, outcome, body);

-- name: days
-- The days that have a partition, and those whose removal broke off half way (detaching) or before the table was dropped (neither).
select
    c.relname,
    i.inhrelid is not null and not i.inhdetachpending as attached,
    i.inhrelid is not null and i.inhdetachpending as detaching
from pg_class as c
left join pg_inherits as i on c.oid = i.inhrelid and i.inhparent = 'bridge.notification'::regclass
where c.relnamespace = 'bridge'::regnamespace and c.relkind = 'r' and c.relname ~ '^notification_[0-9]{8}$'
order by c.relname;
