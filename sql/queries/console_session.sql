-- name: find
-- The session of a token ($1), if it is neither over nor unused for $2. That it is used is written once a minute.
with touched as (
    update bridge.console_session as s set seen_at = now()
    where
        s.token_hash = $1 and s.ends_at > now() and s.seen_at > now() - $2::interval
        and s.seen_at < now() - interval '1 minute'
)

select
    s.user_name,
    s.role,
    s.login,
    s.confirmed_at
from bridge.console_session as s
where s.token_hash = $1 and s.ends_at > now() and s.seen_at > now() - $2::interval;

-- name: make
-- The password was given at $7, or now; a login provider may have let somebody in without.
insert into bridge.console_session (token_hash, user_name, role, login, address, ends_at, confirmed_at)
values ($1, $2, $3, $4, $5, now() + $6::interval, least($7::timestamptz, now()));

-- name: confirm
update bridge.console_session as s set confirmed_at = now()
where s.token_hash = $1;

-- name: end
delete from bridge.console_session as s
where s.token_hash = $1;

-- name: end_of_user
-- Log somebody out everywhere.
delete from bridge.console_session as s
where s.user_name = $1;

-- name: remove_over
delete from bridge.console_session as s
where s.ends_at <= now() or s.seen_at <= now() - $1::interval;

-- name: list
-- The sessions that go on, neither over nor unused for $1, the last used first.
select encode(s.token_hash, 'hex') as key, s.user_name, s.role, s.login, s.address, s.made_at, s.seen_at
from bridge.console_session as s
where s.ends_at > now() and s.seen_at > now() - $1::interval
order by s.seen_at desc
limit 500;

-- name: count
select count(*) as sessions from bridge.console_session as s
where s.ends_at > now() and s.seen_at > now() - $1::interval;

-- name: end_listed
delete from bridge.console_session as s
where encode(s.token_hash, 'hex') = $1
returning s.user_name;
