-- name: find
select
    s.moved_at,
    s.passes_since_move
from bridge.source as s
where s.id = $1 and s.moved_at is not null;

-- name: all
select
    s.id,
    s.moved_at,
    s.passes_since_move
from bridge.source as s
where s.moved_at is not null;

-- name: note_pass
-- A complete pass that listed nearly all known problems ($2), or did not; after $3 of them in a row the move is over.
update bridge.source as s set
    passes_since_move = case when $2 then s.passes_since_move + 1 else 0 end,
    moved_at = case when $2 and s.passes_since_move + 1 >= $3 then null else s.moved_at end
where s.id = $1 and s.moved_at is not null
returning s.moved_at is null as is_over;

-- name: release
update bridge.source as s set moved_at = null
where s.id = $1 and s.moved_at is not null;
