-- name: visible
-- The views that $1 sees, their own first.
select v.id, v.owner, v.name, v.parameters, v.shared, v.saved_at
from bridge.saved_view as v
where v.owner = $1 or v.shared
order by v.owner <> $1, v.name, v.owner
limit 500;

-- name: lock
-- One of them; others wait who change it.
select v.id, v.owner, v.name, v.parameters, v.shared, v.saved_at
from bridge.saved_view as v
where v.id = $1 and (v.owner = $2 or v.shared)
for update;

-- name: named
select v.id, v.owner, v.name, v.parameters, v.shared, v.saved_at
from bridge.saved_view as v
where v.owner = $1 and v.name = $2
for update;

-- name: save
-- Keep a list; what its owner has under that name is replaced. No row where the owner has $5 others.
insert into bridge.saved_view as v (owner, name, parameters, shared)
select $1::text, $2::text, $3::text, $4::boolean
from (
    select count(*) as views from bridge.saved_view as o
    where o.owner = $1 and o.name <> $2
) as t
where t.views < $5
on conflict (owner, name) do update set
parameters = excluded.parameters,
shared = excluded.shared,
saved_at = now()
returning v.id;

-- name: rename
update bridge.saved_view as v set name = $2
where v.id = $1;

-- name: share
update bridge.saved_view as v set shared = $2
where v.id = $1;

-- name: remove
delete from bridge.saved_view as v
where v.id = $1;

-- name: remove_own
-- What only its owner sees.
delete from bridge.saved_view as v
where v.owner = $1 and not v.shared
returning v.name;
