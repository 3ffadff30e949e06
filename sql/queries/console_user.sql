-- name: find
select u.name, u.password_hash, u.role, u.password_set_at
from bridge.console_user as u
where u.name = $1;

-- name: list
select u.name, u.role, u.created_at, u.password_set_at
from bridge.console_user as u
order by u.name collate "C";

-- name: add
insert into bridge.console_user as u (name, password_hash, role) values ($1, $2, $3)
on conflict (name) do nothing
returning u.name;

-- name: set_password
update bridge.console_user as u set password_hash = $2, password_set_at = now()
where u.name = $1
returning u.name;

-- name: renew_hash
-- The same password, hashed with today's parameters; unless it is another one by now than that of $3.
update bridge.console_user as u set password_hash = $2
where u.name = $1 and u.password_hash = $3;

-- name: set_role
update bridge.console_user as u set role = $2
where u.name = $1
returning u.name;

-- name: remove
delete from bridge.console_user as u
where u.name = $1
returning u.name;

-- name: hold
-- A user ($1) who still has this role ($2) and the password that was set then ($3); nobody changes that until the end of the transaction.
select u.name
from bridge.console_user as u
where u.name = $1 and u.role = $2 and u.password_set_at = $3
for share of u;
