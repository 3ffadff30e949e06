-- name: record
insert into bridge.audit (actor, role, address, action, object, before, after, outcome, reason)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: list
select
    a.id,
    a.at,
    a.actor,
    a.role,
    a.address,
    a.action,
    a.object,
    a.before,
    a.after,
    a.outcome,
    a.reason
from bridge.audit as a
where
    a.id < $4 and ($1::text is null or a.actor = $1) and ($2::text is null or a.action = $2)
    and ($3::text is null or a.outcome = $3)
order by a.id desc
limit $5;

-- name: actions
select distinct a.action from bridge.audit as a
order by a.action;

-- name: refused_logins
-- How often a login was refused in the last $3, for this name and from this address.
select
    count(*) filter (where a.actor = $1) as of_name,
    count(*) filter (where a.address = $2) as from_address
from bridge.audit as a
where a.action = 'login' and a.outcome = 'refused' and a.at > now() - $3::interval;
