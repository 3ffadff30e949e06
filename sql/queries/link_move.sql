-- name: retire
-- The rule of this name joins other sources from now on: what it has joined before is that of another rule, which goes (`mark_gone`), so that a pause is
-- carried before.
update bridge.link_rule as r set name = r.name || ' (' || ls.name || ', ' || rs.name || ') ' || r.id
from bridge.source as ls, bridge.source as rs
where
    r.name = $1 and (r.left_source_id, r.right_source_id) <> ($2, $3)
    and ls.id = r.left_source_id and rs.id = r.right_source_id
    and exists (
        select from bridge.link as l
        where l.rule_id = r.id
    )
returning r.name;

-- name: left_behind
-- Rules between the same two sources that are not configured any more ($3: those that are), and whether their sides are the other way round. The one
-- of this name ($4) is meant too where its sides are.
select
    r.id,
    r.left_source_id <> $1 as exchanged
from bridge.link_rule as r
where
    ((r.left_source_id, r.right_source_id) = ($1, $2) or (r.left_source_id, r.right_source_id) = ($2, $1))
    and (r.name <> all($3::text[]) or (r.name = $4 and r.left_source_id <> $1))
    and exists (
        select from bridge.link as l
        where l.rule_id = r.id
    )
order by r.id;

-- name: move
-- Give links to a rule ($2), with their sides exchanged ($3) or as they are; not one of whose tickets the rule has joined already.
update bridge.link as l set
    rule_id = $2,
    revision = l.revision + 1,
    checked_at = null,
    origin = case when $3 and l.origin in ('left', 'right') then case l.origin when 'left' then 'right' else 'left' end else l.origin end,
    left_id = case when $3 then l.right_id else l.left_id end,
    right_id = case when $3 then l.left_id else l.right_id end,
    left_revision = case when $3 then l.right_revision else l.left_revision end,
    right_revision = case when $3 then l.left_revision else l.right_revision end,
    left_mark = case when $3 then l.right_mark else l.left_mark end,
    right_mark = case when $3 then l.left_mark else l.right_mark end,
    base = case
        when $3 then (
            select coalesce(jsonb_object_agg(b.key, jsonb_build_array(b.value -> 1, b.value -> 0)), '{}') from jsonb_each(l.base) as b
        )
        else l.base
    end,
    intent = case
        when $3 and l.intent is not null
            then jsonb_set(l.intent, '{side}', case l.intent ->> 'side' when 'left' then '"right"'::jsonb else '"left"'::jsonb end)
        else l.intent
    end
where
    l.id = $1
    and (
        l.state = 'unlinked'
        or not exists (
            select from bridge.link as k
            where
                k.rule_id = $2 and k.state <> 'unlinked'
                and (
                    k.left_id = case when $3 then l.right_id else l.left_id end
                    or k.right_id = case when $3 then l.left_id else l.right_id end
                )
        )
    )
returning l.id;

-- name: move_outbox
update bridge.outbox as o set
    rule_id = $2,
    side = case when $3 then case o.side when 'left' then 'right' else 'left' end else o.side end
where o.link_id = any($1::bigint[]);

-- name: exchange_conflicts
update bridge.conflict as c set
    left_value = c.right_value,
    right_value = c.left_value,
    left_base = c.right_base,
    right_base = c.left_base,
    left_at = c.right_at,
    right_at = c.left_at,
    outcome = case c.outcome when 'left' then 'right' when 'right' then 'left' else c.outcome end
where c.link_id = any($1::bigint[]);

-- name: mark_notes
-- Both sides may have a note of one name, so names are marked while sides are exchanged.
update bridge.link_note as n set side = case n.side when 'left' then 'right' else 'left' end, note = e'\x01' || n.note
where n.link_id = any($1::bigint[]);

-- name: unmark_notes
update bridge.link_note as n set note = substr(n.note, 2)
where n.link_id = any($1::bigint[]);
