-- name: revision
-- The newest revision; 0: nothing was ever set here.
select coalesce(max(r.id), 0) as revision from bridge.setting_revision as r;

-- name: current
select
    s.key,
    s.value,
    s.sealed,
    s.revision,
    s.made_by,
    s.made_at
from bridge.setting as s
order by s.key;

-- name: append
-- No row when $1 is not the newest revision, or somebody else adds one at this moment.
insert into bridge.setting_revision (id, via, made_by, reason, changes, sealed)
select $1 + 1, $2, $3, $4, $5, $6
where
    $1 = (
        select coalesce(max(r.id), 0) from bridge.setting_revision as r
    )
on conflict (id) do nothing
returning id;

-- name: history
select
    r.id,
    r.made_at,
    r.via,
    r.made_by,
    r.reason,
    r.changes
from bridge.setting_revision as r
where r.id < $1
order by r.id desc
limit $2;

-- name: at
-- What was set after revision $1. A key whose value was a secret then has null in both columns.
select distinct on (c.key)
    c.key,
    c.value -> 'value' as value,
    c.value ? 'secret' as secret,
    c.value ? 'reset' as reset
from bridge.setting_revision as r
cross join lateral jsonb_each(r.changes) as c (key, value)
where r.id <= $1
order by c.key asc, r.id desc;
