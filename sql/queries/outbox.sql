-- name: put
-- What is to be written. A row that is open keeps its place, and says what is missing now; one that waits for no reason of its own is due.
-- Rows of a link and side are numbered in the order in which they come: notes are copied in the order of their numbers.
insert into bridge.outbox as o (link_id, rule_id, source_id, side, kind, item, ends_ticket, fields, cause)
select
    n.link_id,
    n.rule_id,
    n.source_id,
    n.side,
    n.kind,
    n.item,
    n.ends_ticket,
    n.fields,
    n.cause
from unnest(
    $1::bigint[], $2::smallint[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::jsonb[], $9::jsonb[]
) with ordinality as n (link_id, rule_id, source_id, side, kind, item, ends_ticket, fields, cause, place)
order by n.link_id, n.side, n.kind, n.place
on conflict (link_id, side, kind, item) where state in ('waiting', 'sending', 'blocked') do update set
fields = case when o.state = 'sending' then o.fields else excluded.fields end,
cause = case when o.state = 'sending' then o.cause else excluded.cause end,
ends_ticket = excluded.ends_ticket,
-- what was blocked is tried again once somebody changed something
state = case when o.state = 'blocked' and o.fields is distinct from excluded.fields then 'waiting' else o.state end,
attempts = case when o.state = 'blocked' and o.fields is distinct from excluded.fields then 0 else o.attempts end,
due_at = case when o.state = 'blocked' and o.fields is distinct from excluded.fields then now() else o.due_at end
where o.fields is distinct from excluded.fields or o.ends_ticket <> excluded.ends_ticket;

-- name: drop
-- Nothing is missing any more: end rows of these links and sides that nobody sends now.
update bridge.outbox as o set state = 'dropped', outcome = 'dropped', ended_at = now()
from unnest($1::bigint[], $2::text[], $3::text[]) as n (link_id, side, kind)
where o.link_id = n.link_id and o.side = n.side and o.kind = n.kind and o.state in ('waiting', 'blocked');

-- name: due
-- What may be sent to a source now: one row a link, of rules that are on, of links without an unsettled write, and without those that this process
-- is busy with ($3). A create goes first; a note before an update that ends the ticket; notes in order, and not behind a blocked one.
-- Rows are looked at in the order in which they are due, and what else is open of their links by its key: with scalar subqueries, because Postgres
-- makes joins of `exists` that look at all notes for each row while there are no statistics (10,000 rows: 30 s).
select o.id
from bridge.outbox as o
where
    o.source_id = $1 and o.state = 'waiting' and o.due_at <= $2
    and o.link_id <> all($3::bigint[])
    and o.rule_id = any(
        array(
            select r.id from bridge.link_rule as r
            where r.state = 'on'
        )
    )
    and (
        select count(*) from bridge.outbox as s
        where s.link_id = o.link_id and s.state = 'sending'
    ) = 0
    and o.id = (
        select c.id
        from bridge.outbox as c
        where
            c.link_id = o.link_id and c.source_id = $1 and c.state = 'waiting' and c.due_at <= $2
            and (
                select count(*) from bridge.outbox as b
                where
                    b.link_id = c.link_id and b.side = c.side and b.kind = 'note' and b.id <> c.id and b.state in ('waiting', 'blocked')
                    and ((c.kind = 'note' and b.id < c.id) or (c.kind = 'update' and c.ends_ticket and b.state = 'waiting'))
            ) = 0
        order by array_position(array['create', 'note', 'update', 'end_duplicate'], c.kind), c.id
        limit 1
    )
order by o.due_at, o.id
limit $4;

-- name: by_id
select
    o.id, o.link_id, o.rule_id, o.source_id, o.side, o.kind, o.item, o.state, o.attempts, o.due_at, o.token, o.sent_at, o.ends_ticket,
    o.fields, o.cause, o.status, o.error, o.created_at
from bridge.outbox as o
where o.id = any($1::bigint[])
order by o.id;

-- name: open_of
-- The open rows of these links.
select
    o.id, o.link_id, o.rule_id, o.source_id, o.side, o.kind, o.item, o.state, o.attempts, o.due_at, o.token, o.sent_at, o.ends_ticket,
    o.fields, o.cause, o.status, o.error, o.created_at
from bridge.outbox as o
where o.link_id = any($1::bigint[]) and o.state in ('waiting', 'sending', 'blocked')
order by o.id;

-- name: begin
-- About to be sent, with what is sent ($4): not when its rule was paused meanwhile, when another write of its link is not settled, or when somebody
-- took it. Rows of different links.
update bridge.outbox as o set state = 'sending', token = $2, sent_at = $3, fields = n.fields, error = null
from unnest($1::bigint[], $4::jsonb[]) as n (id, fields)
where
    o.id = n.id and o.state = 'waiting'
    and exists (
        select from bridge.link_rule as r
        where r.id = o.rule_id and r.state = 'on'
    )
    and not exists (
        select from bridge.outbox as s
        where s.link_id = o.link_id and s.state = 'sending'
    )
returning o.id;

-- name: end
-- Their outcomes are known.
update bridge.outbox as o set
    state = case when n.outcome = 'dropped' then 'dropped' else 'done' end,
    outcome = n.outcome,
    status = coalesce($3::integer, o.status),
    error = null,
    ended_at = $4
from unnest($1::bigint[], $2::text[]) as n (id, outcome)
where o.id = n.id and o.state in ('waiting', 'sending')
returning o.id;

-- name: block
-- A person has to look at it; $4: what of it is still to be written, null: all.
update bridge.outbox as o set
    state = 'blocked',
    status = coalesce($2::integer, o.status),
    error = $3,
    fields = coalesce($4::jsonb, o.fields)
where o.id = $1 and o.state in ('waiting', 'sending')
returning o.id;

-- name: postpone
-- It was not done; again when it is due.
update bridge.outbox as o set
    state = 'waiting',
    due_at = $2,
    attempts = o.attempts + $3::integer,
    status = coalesce($4::integer, o.status),
    error = $5
where o.id = $1 and o.state in ('waiting', 'sending')
returning o.id;

-- name: note_error
-- Its outcome is not known, and why.
update bridge.outbox as o set error = $2
where o.id = $1 and o.state = 'sending'
returning o.id;

-- name: requeue
-- A person wants blocked rows of these links tried again, where a text is given those with that in their error.
update bridge.outbox as o set state = 'waiting', attempts = 0, due_at = now()
where o.state = 'blocked' and o.link_id = any($1::bigint[]) and ($2 = '' or strpos(o.error, $2) > 0)
returning o.link_id;

-- name: blocked_links
-- The links of a rule with a blocked row, where a text is given with that in its error.
select distinct o.link_id
from bridge.outbox as o
where o.state = 'blocked' and o.rule_id = $1 and ($2 = '' or strpos(o.error, $2) > 0)
order by o.link_id;

-- name: requeue_rows
-- The same of these rows, as far as they are still blocked.
update bridge.outbox as o set state = 'waiting', attempts = 0, due_at = now()
where o.state = 'blocked' and o.id = any($1::bigint[])
returning o.link_id;

-- name: blocked
-- The next $7 rows that are blocked, after $5 and up to $6: of a rule, for a target, of a kind, with that in their error, as far as these are given.
select o.id
from bridge.outbox as o
inner join bridge.link_rule as r on o.rule_id = r.id
inner join bridge.source as s on o.source_id = s.id
where
    o.state = 'blocked'
    and ($1::text is null or r.name = $1) and ($2::text is null or s.name = $2) and ($3::text is null or o.kind = $3)
    and ($4::text is null or strpos(o.error, $4) > 0)
    and o.id > $5 and o.id <= $6
order by o.id
limit $7;

-- name: sending
-- Rows of these links that were sent to a source and whose outcome is not known.
select
    o.id, o.link_id, o.rule_id, o.source_id, o.side, o.kind, o.item, o.state, o.attempts, o.due_at, o.token, o.sent_at, o.ends_ticket,
    o.fields, o.cause, o.status, o.error, o.created_at
from bridge.outbox as o
where o.source_id = $1 and o.link_id = any($2::bigint[]) and o.state = 'sending'
order by o.id;

-- name: next_due
-- When the next row of a source may be sent, and how many wait.
select
    min(o.due_at) as due_at,
    count(*) as waiting
from bridge.outbox as o
inner join bridge.link_rule as r on o.rule_id = r.id and r.state = 'on'
where o.source_id = $1 and o.state = 'waiting';

-- name: figures
-- Open rows by target and kind, for metrics.
select
    s.name as target,
    r.name as rule,
    o.kind,
    o.state,
    r.state = 'on' as runs,
    count(*) as writes,
    min(o.created_at) as oldest_at
from bridge.outbox as o
inner join bridge.link_rule as r on o.rule_id = r.id
inner join bridge.source as s on o.source_id = s.id
where o.state in ('waiting', 'sending', 'blocked')
group by s.name, r.name, o.kind, o.state, r.state;

-- name: oscillating
-- Fields of links that were written at least $2 times since $1, and to both sides.
select
    r.name as rule,
    w.link_id,
    w.field
from (
    select
        o.rule_id,
        o.link_id,
        o.side,
        jsonb_object_keys(o.fields) as field
    from bridge.outbox as o
    where o.ended_at >= $1 and o.outcome = 'done' and o.kind = 'update'
) as w
inner join bridge.link_rule as r on w.rule_id = r.id
group by r.name, w.link_id, w.field
having count(*) >= $2::bigint and count(distinct w.side) = 2
order by w.link_id, w.field;

-- name: begun_since
-- How many counterparts of a rule were begun since.
select count(*) as creates from bridge.outbox as o
where o.rule_id = $1 and o.kind = 'create' and o.created_at >= $2;

-- name: ended_items
-- What was written for these links, as far as it is still known, by a kind of write.
select
    o.link_id,
    o.item
from bridge.outbox as o
where o.link_id = any($1::bigint[]) and o.kind = $2 and o.outcome in ('done', 'refused');

-- name: drop_all
-- A person separated these links: nothing is to be written for them any more. Rows that are being sent stay.
update bridge.outbox as o set state = 'dropped', outcome = 'dropped', ended_at = now()
where o.link_id = any($1::bigint[]) and o.state in ('waiting', 'blocked');

-- name: history
-- The latest $2 writes of a link, open ones too.
select
    o.id, s.name as target, o.side, o.kind, o.item, o.state, o.outcome, o.attempts, o.fields, o.cause, o.status, o.error, o.created_at, o.sent_at,
    o.ended_at
from bridge.outbox as o
inner join bridge.source as s on o.source_id = s.id
where o.link_id = $1
order by o.id desc
limit $2;
