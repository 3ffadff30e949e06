-- name: take
-- Take a lease that is free, ours, expired, or whose holder has no connection left; no row when somebody else holds it. The token grows
-- when the holder changes. A holder's name is the application_name of its connections.
insert into bridge.lease as l (name, holder, token, taken_at, renewed_at, expires_at)
values ($1, $2, 1, clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => $3))
on conflict (name) do update set
token = case when l.holder = excluded.holder then l.token else l.token + 1 end,
taken_at = case when l.holder = excluded.holder then l.taken_at else excluded.taken_at end,
holder = excluded.holder,
renewed_at = excluded.renewed_at,
expires_at = excluded.expires_at
where
    l.holder = excluded.holder
    or l.expires_at < clock_timestamp()
    or l.holder <> all(select coalesce(a.application_name, '') from pg_stat_activity as a)
returning l.token;

-- name: hold
-- Inside the transaction of a write: is this token still the current one? The row stays locked against a change of holder until commit.
select 1 from bridge.lease as l
where l.name = $1 and l.token = $2
for share;

-- name: release
update bridge.lease as l set expires_at = '-infinity'
where l.name = $1 and l.holder = $2;

-- name: holder
-- Who has it or had it last, how long ago that process renewed it, and whether it still runs.
select
    l.holder,
    extract(epoch from clock_timestamp() - l.renewed_at)::float8 as renewed_seconds_ago,
    l.expires_at > clock_timestamp()
    and l.holder in (select a.application_name from pg_stat_activity as a) as held
from bridge.lease as l
where l.name = $1;
