-- name: ensure
-- Insert or update a rule. A state set by a person (paused) or by the circuit breaker (held) stays; a rule that was gone begins as configured.
-- Other settings, or other sources, start a new walk over all tickets; so does a rule that comes back, whose links another one may have.
insert into bridge.link_rule as r (name, left_source_id, right_source_id, state, settings, settings_hash)
values ($1, $2, $3, $4, $5, $6)
on conflict (name) do update set
left_source_id = excluded.left_source_id,
right_source_id = excluded.right_source_id,
state_reason = case when r.state in ('paused', 'held') then r.state_reason end,
state_since = case when r.state in ('paused', 'held', excluded.state) then r.state_since else now() end,
state = case when r.state in ('paused', 'held') then r.state else excluded.state end,
walked_source_id = case when r.settings_hash = excluded.settings_hash and r.state <> 'gone' then r.walked_source_id else 0 end,
walked_id = case when r.settings_hash = excluded.settings_hash and r.state <> 'gone' then r.walked_id else '' end,
walked_at = case when r.settings_hash = excluded.settings_hash and r.state <> 'gone' then r.walked_at end,
settings = excluded.settings,
settings_hash = excluded.settings_hash
returning r.id;

-- name: carry_pause
-- A rule that was made in this transaction is likely the one that goes in it ($1: the names of those that stay), by another name between the same two
-- sources, or of the same name between others (`link_move.retire`): it stays paused, or held, as that was.
update bridge.link_rule as r set
    state = g.state,
    state_reason = g.state_reason,
    state_since = g.state_since
from bridge.link_rule as g
where
    r.name = any($1::text[]) and r.created_at = now() and r.state = 'on'
    and g.name <> all($1::text[]) and g.state in ('paused', 'held')
    and (
        (g.left_source_id, g.right_source_id) = (r.left_source_id, r.right_source_id)
        or (g.left_source_id, g.right_source_id) = (r.right_source_id, r.left_source_id)
        or (starts_with(g.name, r.name || ' (') and right(g.name, length(g.id::text) + 2) = ') ' || g.id)
    )
returning r.name, r.state, g.name as former;

-- name: mark_gone
-- Rules that are no longer configured.
update bridge.link_rule as r set state = 'gone', state_reason = null, state_since = now()
where r.name <> all($1::text[]) and r.state <> 'gone';

-- name: find
select
    r.id, r.name, r.left_source_id, r.right_source_id, ls.name as left_source, rs.name as right_source, r.state, r.state_reason,
    r.state_since, r.settings_hash, r.created_at, r.walked_at
from bridge.link_rule as r
inner join bridge.source as ls on r.left_source_id = ls.id
inner join bridge.source as rs on r.right_source_id = rs.id
where $1::text is null or r.name = $1
order by r.name;

-- name: lock
-- The position of a rule, locked against other deciders and against a change of its state. from_other_server: it never followed, or the position
-- counts transactions of another server, from whose dump this database was restored. No stronger lock: it would keep senders from writing links of
-- the rule, which refer to it, and they hold links that the decider waits for.
select
    r.state,
    r.settings_hash,
    r.committed = '0' or r.committed > pg_snapshot_xmax(pg_current_snapshot()) as from_other_server,
    r.committed::text as committed,
    r.change_id,
    r.walked_source_id,
    r.walked_id,
    r.walked_at
from bridge.link_rule as r
where r.id = $1
for no key update of r;

-- name: begin_walk
-- Start at the first ticket, and follow the changes from now on.
update bridge.link_rule as r set
    committed = pg_snapshot_xmin(pg_current_snapshot()),
    change_id = 0,
    walked_source_id = 0,
    walked_id = '',
    walked_at = null
where r.id = $1;

-- name: walk_again
update bridge.link_rule as r set walked_source_id = 0, walked_id = '', walked_at = null
where r.id = $1;

-- name: write_position
update bridge.link_rule as r set committed = $2::text::xid8, change_id = $3
where r.id = $1;

-- name: write_walk
update bridge.link_rule as r set walked_source_id = $2, walked_id = $3
where r.id = $1;

-- name: end_walk
update bridge.link_rule as r set walked_at = $2
where r.id = $1;

-- name: write_state
-- Another state, unless it has that one already or is in none of those that may change to it ($4).
update bridge.link_rule as r set state = $2, state_reason = $3, state_since = now()
where r.id = $1 and r.state = any($4::text[]) and r.state <> $2;

-- name: tickets
-- The next $4 tickets of a source after $2, up to and including $3 (null: to the last).
select p.id
from bridge.service_problem as p
where p.source_id = $1 and p.id > $2 and ($3::text is null or p.id <= $3)
order by p.id
limit $4;

-- name: complete_since
-- Has a pass over everything of this source been complete since, and when did one last begin?
select p.complete_at >= $2 as complete
from bridge.last_pass as p
where p.source_id = $1 and p.kind = 'reconcile';

-- name: lag
-- How old the oldest change is that a rule that is on has not decided yet; 0: there is none.
select
    r.name,
    coalesce(
        (
            select extract(epoch from clock_timestamp() - c.changed_at) from bridge.change as c
            where (c.committed, c.id) > (r.committed, r.change_id) and c.source_id in (r.left_source_id, r.right_source_id)
            order by c.committed, c.id
            limit 1
        ), 0
    )::double precision as seconds
from bridge.link_rule as r
where r.state = 'on';
