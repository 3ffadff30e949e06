-- name: rules
select
    r.id, r.name, r.left_source_id, r.right_source_id, r.left_source, r.right_source, r.state, r.state_reason, r.state_since, r.walked_at
from bridge.console_rule as r
order by r.name;

-- name: link_sums
-- How many links of a rule are in each state, and how many of them are behind.
select
    l.rule_id,
    l.state,
    count(*) as links,
    count(*) filter (where l.behind_since is not null) as behind
from bridge.console_link as l
group by l.rule_id, l.state;

-- name: write_sums
-- How many writes of a rule are open, and how many of them are blocked.
select
    w.rule_id,
    count(*) as open_writes,
    count(*) filter (where w.state = 'blocked') as blocked_writes
from bridge.console_write as w
where w.state in ('waiting', 'sending', 'blocked')
group by w.rule_id;

-- name: conflict_sums
-- How many conflicts of a rule wait for a person.
select
    l.rule_id,
    count(*) as conflicts
from bridge.console_conflict as c
inner join bridge.console_link as l on c.link_id = l.id
where c.outcome = 'waiting'
group by l.rule_id;

-- name: named
-- Links with this number ($2), key or ticket.
select l.id
from bridge.console_link as l
where l.id = $2
union
select l.id
from bridge.console_link as l
where l.key = $1
union
select l.id
from bridge.console_rule as r
inner join bridge.console_link as l on r.id = l.rule_id
where l.left_id = $1 and l.state <> 'unlinked'
union
select l.id
from bridge.console_rule as r
inner join bridge.console_link as l on r.id = l.rule_id
where l.right_id = $1 and l.state <> 'unlinked'
union
select l.id
from bridge.console_rule as r
inner join bridge.console_link as l on r.id = l.rule_id
where l.left_id = $1 and l.state = 'unlinked'
union
select l.id
from bridge.console_rule as r
inner join bridge.console_link as l on r.id = l.rule_id
where l.right_id = $1 and l.state = 'unlinked';

-- name: ids
-- The next $7 links below $6, the newest first: of a rule, in these states, behind, with a conflict that waits, of these numbers.
select l.id
from bridge.console_link as l
where
    ($1::smallint is null or l.rule_id = $1)
    and ($2::text[] is null or l.state = any($2))
    and (not $3::boolean or l.behind_since is not null)
    and (
        not $4::boolean or l.id in (
            select c.link_id from bridge.console_conflict as c
            where c.outcome = 'waiting'
        )
    )
    and ($5::bigint[] is null or l.id = any($5))
    and l.id < $6
order by l.id desc
limit $7;

-- name: shown
-- Links by number, the newest first, with both tickets.
select
    k.link_id as id, k.rule, k.key, k.state, k.left_source, k.left_id, k.left_status, k.right_source, k.right_id, k.right_status, k.linked_at,
    k.behind_since, k.open_writes, k.waiting_conflicts, k.notes, k.last_write_at, k.last_error,
    p.left_name, p.left_number, p.left_href, p.right_name, p.right_number, p.right_href
from report.link as k
left join report.linked_problem as p on k.link_id = p.link_id
where k.link_id = any($1::bigint[])
order by k.link_id desc;

-- name: one
select
    l.id, l.rule_id, l.origin, l.state, l.state_reason, l.state_since, l.key, l.left_id, l.right_id, l.base, l.under_way, l.created_at,
    l.linked_at, l.checked_at, l.behind_since, l.unsure_until
from bridge.console_link as l
where l.id = $1;

-- name: writes
-- The next $8 writes below $7, the newest first: of a rule, to a source, of a kind, in these states, with that in their error, of a link.
select
    w.id, w.link_id, r.name as rule, s.name as target, w.side, w.kind, w.item, w.state, w.outcome, w.attempts, w.fields, w.cause, w.status,
    w.error, w.created_at, w.due_at, w.sent_at, w.ended_at,
    r.state as rule_state,
    case w.side when 'left' then l.left_id else l.right_id end as ticket_id
from bridge.console_write as w
inner join bridge.console_rule as r on w.rule_id = r.id
inner join bridge.source as s on w.source_id = s.id
inner join bridge.console_link as l on w.link_id = l.id
where
    ($1::text is null or r.name = $1) and ($2::text is null or s.name = $2) and ($3::text is null or w.kind = $3)
    and ($4::text[] is null or w.state = any($4))
    and ($5::text is null or strpos(w.error, $5) > 0)
    and ($6::bigint is null or w.link_id = $6)
    and w.id < $7
order by w.id desc
limit $8;

-- name: errors
-- Why writes are blocked, the most frequent reasons first; of the newest $5 blocked ones of a rule, for a target, of a kind, with that in their error.
select
    b.rule,
    b.target,
    b.kind,
    b.error,
    count(*) as writes,
    max(b.id) as newest_id
from (
    select
        w.id,
        r.name as rule,
        s.name as target,
        w.kind,
        coalesce(w.error, '') as error
    from bridge.console_write as w
    inner join bridge.console_rule as r on w.rule_id = r.id
    inner join bridge.source as s on w.source_id = s.id
    where
        w.state = 'blocked'
        and ($1::text is null or r.name = $1) and ($2::text is null or s.name = $2) and ($3::text is null or w.kind = $3)
        and ($4::text is null or strpos(w.error, $4) > 0)
    order by w.id desc
    limit $5
) as b
group by b.rule, b.target, b.kind, b.error
order by writes desc, newest_id desc
limit 20;

-- name: blocked
-- How many writes of a filter are blocked, and the newest of them.
select
    count(*) as writes,
    coalesce(max(w.id), 0) as up_to
from bridge.console_write as w
inner join bridge.console_rule as r on w.rule_id = r.id
inner join bridge.source as s on w.source_id = s.id
where
    w.state = 'blocked'
    and ($1::text is null or r.name = $1) and ($2::text is null or s.name = $2) and ($3::text is null or w.kind = $3)
    and ($4::text is null or strpos(w.error, $4) > 0);

-- name: conflicts
-- The next $7 conflicts below $6, the newest first: of a rule, of a kind, with this outcome, of a field, of a link.
select
    c.id, c.link_id, r.name as rule, c.field, c.kind, c.outcome, c.decided_by, c.left_value, c.right_value, c.left_base, c.right_base,
    c.left_at, c.right_at, c.opened_at, c.decided_at, c.settled_at, r.left_source, l.left_id, r.right_source, l.right_id
from bridge.console_conflict as c
inner join bridge.console_link as l on c.link_id = l.id
inner join bridge.console_rule as r on l.rule_id = r.id
where
    ($1::text is null or r.name = $1) and ($2::text is null or c.kind = $2) and ($3::text is null or c.outcome = $3)
    and ($4::text is null or c.field = $4)
    and ($5::bigint is null or c.link_id = $5)
    and c.id < $6
order by c.id desc
limit $7;

-- name: notes
-- The latest $2 notes of a link.
select n.side, n.author, n.noted_at, n.copied_at, n.state
from report.link_note as n
where n.link_id = $1
order by n.noted_at desc nulls last, n.note_id asc
limit $2;

-- name: drift
-- The latest $2 differences without a known reason that audits found at a link.
select
    d.found_at,
    d.field,
    d.left_value,
    d.right_value
from report.link_drift as d
where d.link_id = $1
order by d.found_at desc, d.field asc
limit $2;

-- name: tickets
-- Both tickets that a person wants to join, as far as they are known.
select
    p.source,
    p.id,
    p.name,
    p.status,
    p.deleted_at
from report.service_problem as p
where (p.source = $1 and p.id = $2) or (p.source = $3 and p.id = $4);
