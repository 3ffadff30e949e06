-- name: wait
-- Values that need a person, one conflict a field: one that waits already says what the sides say now.
insert into bridge.conflict as c (link_id, field, kind, left_value, right_value, left_base, right_base, left_at, right_at)
select
    n.link_id,
    n.field,
    n.kind,
    n.left_value,
    n.right_value,
    n.left_base,
    n.right_base,
    n.left_at,
    n.right_at
from unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[]
) as n (link_id, field, kind, left_value, right_value, left_base, right_base, left_at, right_at)
order by n.link_id, n.field
on conflict (link_id, field) where outcome = 'waiting' do update set
kind = excluded.kind,
left_value = excluded.left_value,
right_value = excluded.right_value,
left_base = excluded.left_base,
right_base = excluded.right_base,
left_at = excluded.left_at,
right_at = excluded.right_at
where
    (c.kind, c.left_value, c.right_value) is distinct from (excluded.kind, excluded.left_value, excluded.right_value)
returning link_id;

-- name: overrule
-- Values that lost. One that is kept by an open decision already is not kept twice, however often it is decided before the write is answered.
insert into bridge.conflict (
    link_id, field, kind, outcome, decided_by, decided_at, left_value, right_value, left_base, right_base, left_at, right_at
)
select
    n.link_id,
    n.field,
    n.kind,
    n.outcome,
    n.decided_by,
    now() as decided_at,
    n.left_value,
    n.right_value,
    n.left_base,
    n.right_base,
    n.left_at,
    n.right_at
from unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[],
    $11::timestamptz[]
) as n (link_id, field, kind, outcome, decided_by, left_value, right_value, left_base, right_base, left_at, right_at)
where
    not exists (
        select from bridge.conflict as c
        where
            c.link_id = n.link_id and c.field = n.field and c.settled_at is null and c.outcome in ('left', 'right')
            and c.left_value is not distinct from n.left_value and c.right_value is not distinct from n.right_value
    )
order by n.link_id, n.field
returning link_id;

-- name: settle
-- Fields were settled: decisions about them are carried out, and what waited is over because both sides agree ($3) or a write was answered.
update bridge.conflict as c set
    settled_at = $4,
    outcome = case when c.outcome = 'waiting' then 'agreed' else c.outcome end,
    decided_at = coalesce(c.decided_at, $4)
from unnest($1::bigint[], $2::text[], $3::boolean[]) as n (link_id, field, agreed)
where
    c.link_id = n.link_id and c.field = n.field and c.settled_at is null
    and (n.agreed or c.outcome in ('left', 'right'));

-- name: opened
-- What is open of these links; chosen: the side that a person chose, until that is carried out.
select
    c.link_id,
    c.field,
    case when c.outcome in ('left', 'right') and c.kind <> 'overruled' then c.outcome end as chosen
from bridge.conflict as c
where c.link_id = any($1::bigint[]) and c.settled_at is null
order by c.id;

-- name: undone
-- Links of a rule with a choice that is not carried out and for which nothing is to be written yet.
select distinct c.link_id
from bridge.conflict as c
inner join bridge.link as l on c.link_id = l.id
where
    l.rule_id = $1 and c.settled_at is null and c.outcome in ('left', 'right') and c.kind <> 'overruled'
    and c.decided_at > coalesce(l.checked_at, '-infinity')
order by c.link_id
limit $2;

-- name: decide
-- A person chose, or dismissed, what waits for a field of a link.
update bridge.conflict as c set
    outcome = $3,
    decided_by = $4,
    decided_at = now(),
    settled_at = case when $3 = 'dismissed' then now() end
where c.link_id = $1 and c.field = $2 and c.outcome = 'waiting'
returning c.id;

-- name: dismiss
-- What is open about these links is over: they are.
update bridge.conflict as c set
    outcome = case when c.outcome = 'waiting' then 'dismissed' else c.outcome end,
    decided_by = coalesce(c.decided_by, $2),
    decided_at = coalesce(c.decided_at, now()),
    settled_at = now()
where c.link_id = any($1::bigint[]) and c.settled_at is null;

-- name: of_links
select
    c.link_id, c.field, c.kind, c.left_value, c.right_value, c.left_at, c.right_at, c.outcome, c.decided_by, c.opened_at, c.decided_at,
    c.settled_at
from bridge.conflict as c
where c.link_id = any($1::bigint[])
order by c.id;

-- name: waiting
-- How many wait, by rule.
select
    r.name as rule,
    count(*) as conflicts
from bridge.conflict as c
inner join bridge.link as l on c.link_id = l.id
inner join bridge.link_rule as r on l.rule_id = r.id
where c.outcome = 'waiting'
group by r.name;

-- name: listed
-- At most $3 conflicts, the latest first: of a rule, all of them or only those that wait.
select
    v.rule, v.link_id, v.field, v.kind, v.left_value, v.right_value, v.left_at, v.right_at, v.outcome, v.decided_by, v.opened_at, v.decided_at
from report.conflict as v
where ($1::text is null or v.rule = $1) and ($2::boolean or v.outcome = 'waiting')
order by v.conflict_id desc
limit $3;
