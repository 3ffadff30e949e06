-- name: active
select s.id, s.hub_id, s.url, s.callback, s.query, s.registered_at
from bridge.subscription as s
where s.source_id = $1 and s.state = 'active';

-- name: age_seconds
select extract(epoch from now() - s.registered_at)::double precision as age_seconds
from bridge.subscription as s
where s.source_id = $1 and s.state = 'active';

-- name: left_over
-- Replaced, but not yet deleted at the hub.
select s.id, s.hub_id, s.url, s.callback, s.query, s.registered_at
from bridge.subscription as s
where s.source_id = $1 and s.state = 'retired' and s.retired_at is null
order by s.id;

-- name: retire
update bridge.subscription as s set state = 'retired'
where s.source_id = $1 and s.state = 'active';

-- name: add
insert into bridge.subscription (source_id, hub_id, url, callback, query, state)
values ($1, $2, $3, $4, $5, 'active')
returning id;

-- name: mark_deleted
update bridge.subscription as s set state = 'retired', retired_at = now()
where s.id = $1;
