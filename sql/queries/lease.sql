-- name: take
-- Take a lease that is free, ours, expired, or whose holder has no connection left; no row when another process holds it. The token grows
-- when the holder changes. The name of a holder is the application_name of its connections.
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
-- In the transaction of a write: is this token still the current one? The row lock prevents a change of holder until commit.
select 1 from bridge.lease as l
where l.name = $1 and l.token = $2
for share;

-- name: release
update bridge.lease as l set expires_at = '-infinity'
where l.name = $1 and l.holder = $2;

-- name: holder
-- The current or last holder, how long ago it renewed the lease, and whether it still holds it.
select
    l.holder,
    extract(epoch from clock_timestamp() - l.renewed_at)::float8 as renewed_seconds_ago,
    l.expires_at > clock_timestamp()
    and l.holder in (select a.application_name from pg_stat_activity as a) as held
from bridge.lease as l
where l.name = $1;
