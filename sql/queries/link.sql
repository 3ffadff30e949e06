-- name: add
-- New links; one whose key, or whose ticket, is linked already is left out.
insert into bridge.link (rule_id, generation, origin, key, left_id, right_id, state, state_reason, linked_at)
select
    n.rule_id,
    n.generation,
    n.origin,
    n.key,
    n.left_id,
    n.right_id,
    n.state,
    n.state_reason,
    n.linked_at
from unnest(
    $1::smallint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[]
) as n (rule_id, generation, origin, key, left_id, right_id, state, state_reason, linked_at)
order by n.key
on conflict do nothing
returning id, key;

-- name: by_id
select
    l.id, l.rule_id, l.generation, l.revision, l.origin, l.state, l.state_reason, l.state_since, l.key, l.left_id, l.right_id,
    l.left_revision, l.right_revision, l.base, l.left_mark, l.right_mark, l.intent, l.created_at, l.linked_at, l.checked_at, l.behind_since,
    l.unsure_until
from bridge.link as l
where l.id = any($1::bigint[])
order by l.id;

-- name: lock
-- The same rows, locked in the order of their ids; rows that refer to them can still be added.
select
    l.id, l.rule_id, l.generation, l.revision, l.origin, l.state, l.state_reason, l.state_since, l.key, l.left_id, l.right_id,
    l.left_revision, l.right_revision, l.base, l.left_mark, l.right_mark, l.intent, l.created_at, l.linked_at, l.checked_at, l.behind_since,
    l.unsure_until
from bridge.link as l
where l.id = any($1::bigint[])
order by l.id
for no key update;

-- name: lock_more
-- The same, without those that somebody else holds: a transaction that holds links does not wait for more.
select
    l.id, l.rule_id, l.generation, l.revision, l.origin, l.state, l.state_reason, l.state_since, l.key, l.left_id, l.right_id,
    l.left_revision, l.right_revision, l.base, l.left_mark, l.right_mark, l.intent, l.created_at, l.linked_at, l.checked_at, l.behind_since,
    l.unsure_until
from bridge.link as l
where l.id = any($1::bigint[])
order by l.id
for no key update skip locked;

-- name: of_tickets
-- Ids of the links of these tickets of a rule, unlinked ones too: those have indexes of their own, which a condition on the state has to name.
select l.id
from bridge.link as l
where l.rule_id = $1 and l.left_id = any($2::text[]) and l.state <> 'unlinked'
union all
select l.id
from bridge.link as l
where l.rule_id = $1 and l.left_id = any($2::text[]) and l.state = 'unlinked'
union all
select l.id
from bridge.link as l
where l.rule_id = $1 and l.right_id = any($3::text[]) and l.state <> 'unlinked'
union all
select l.id
from bridge.link as l
where l.rule_id = $1 and l.right_id = any($3::text[]) and l.state = 'unlinked';

-- name: decided_on
-- On which revisions of these tickets their links were decided last. Nothing is locked: a writer that decides a link on other ones afterwards has
-- read them afterwards. By the ids alone: a join with the revisions makes Postgres read all links of the rule while there are no statistics.
select
    'left' as side,
    l.left_id as id,
    l.left_revision as revision
from bridge.link as l
where l.rule_id = $1 and l.left_id = any($2::text[]) and l.state in ('linked', 'ended')
union all
select
    'right' as side,
    l.right_id as id,
    l.right_revision as revision
from bridge.link as l
where l.rule_id = $1 and l.right_id = any($3::text[]) and l.state in ('linked', 'ended');

-- name: by_key
select l.id
from bridge.link as l
where l.key = any($1::text[])
order by l.id;

-- name: keys
select l.key
from bridge.link as l
where l.key = any($1::text[])
order by l.key;

-- name: find
-- Links that a person names: by number, key, or either ticket; of one rule, or of all ($2 null).
select l.id
from bridge.link as l
inner join bridge.link_rule as r on l.rule_id = r.id
where
    (l.id::text = $1 or l.key = $1 or l.left_id = $1 or l.right_id = $1)
    and ($2::text is null or r.name = $2)
order by l.id;

-- name: save
-- Write what was decided. A row that another writer changed since it was read is not written: fewer rows are returned.
update bridge.link as l set
    revision = l.revision + 1,
    state = n.state,
    state_reason = n.state_reason,
    state_since = case when l.state = n.state then l.state_since else now() end,
    left_id = n.left_id,
    right_id = n.right_id,
    left_revision = n.left_revision,
    right_revision = n.right_revision,
    base = n.base,
    left_mark = n.left_mark,
    right_mark = n.right_mark,
    intent = n.intent,
    linked_at = n.linked_at,
    checked_at = n.checked_at,
    behind_since = n.behind_since,
    unsure_until = n.unsure_until
from unnest(
    $1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::integer[], $9::jsonb[], $10::jsonb[],
    $11::jsonb[], $12::jsonb[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], $16::timestamptz[]
) as n (
    id, revision, state, state_reason, left_id, right_id, left_revision, right_revision, base, left_mark, right_mark, intent, linked_at,
    checked_at, behind_since, unsure_until
)
where l.id = n.id and l.revision = n.revision
returning l.id;

-- name: remove
-- A ticket that wanted a counterpart and no longer meets the filter.
delete from bridge.link as l
where l.id = any($1::bigint[]) and l.state = 'wanted';

-- name: in_state
-- The next $4 links of a rule in a state, after $3.
select l.id
from bridge.link as l
where l.rule_id = $1 and l.state = $2 and l.id > $3
order by l.id
limit $4;

-- name: undecided
-- The first $2 links of a rule that were never decided, or are to be decided again whatever changed.
select l.id
from bridge.link as l
where l.rule_id = $1 and l.checked_at is null and l.state = 'linked'
order by l.id
limit $2;

-- name: unsettled
-- The $5 links that have waited longest to be settled: their target cannot be working any more ($2) on what was sent, and no answer came. Not those
-- that this process is busy with ($3); of these rules ($4).
select l.id
from bridge.link as l
inner join bridge.outbox as o on l.id = o.link_id
where
    o.source_id = $1 and o.state = 'sending' and coalesce(l.unsure_until, '-infinity') <= $2
    and l.id <> all($3::bigint[]) and l.rule_id = any($4::smallint[])
order by l.unsure_until nulls first, l.id
limit $5;

-- name: pruned
-- Links of a rule, of whose tickets one is not known any more: it was deleted, and retention has forgotten it. Of two tickets, it must have been
-- decided on before: a counterpart that was made a moment ago is not known yet.
select l.id
from bridge.link as l
where
    l.rule_id = $1 and l.intent is null
    and (
        (l.state in ('linked', 'ended') and l.left_revision is not null and l.right_revision is not null)
        or (l.state in ('creating', 'blocked') and (l.left_id is null or l.right_id is null))
    )
    and (
        (
            l.left_id is not null
            and not exists (
                select from bridge.service_problem as p
                where p.source_id = $2 and p.id = l.left_id
            )
        )
        or (
            l.right_id is not null
            and not exists (
                select from bridge.service_problem as p
                where p.source_id = $3 and p.id = l.right_id
            )
        )
    )
order by l.id
limit $4;

-- name: count
select
    r.name as rule,
    l.state,
    count(*) as links
from bridge.link as l
inner join bridge.link_rule as r on l.rule_id = r.id
group by r.name, l.state;

-- name: count_linked
-- How many links of a rule join two tickets.
select count(*) as links from bridge.link as l
where l.rule_id = $1 and l.state in ('linked', 'ended', 'orphaned');

-- name: listed
-- At most $6 links after $5, as people see them: of a rule, in a state, behind, or with conflicts that wait.
with found as (
    select
        v.rule, v.link_id, v.key, v.state, v.left_source, v.left_id, v.left_status, v.right_source, v.right_id, v.right_status, v.linked_at,
        v.behind_since, v.open_writes, v.waiting_conflicts, v.last_write_at, v.last_error
    from report.link as v
    where
        ($1::text is null or v.rule = $1) and ($2::text is null or v.state = $2)
        and (not $3::boolean or v.behind_since is not null)
        and (not $4::boolean or v.waiting_conflicts > 0)
        and v.link_id > $5
    order by v.link_id
    limit $6
)

select f.*, p.left_number, p.left_name, p.right_number, p.right_name
from found as f
left join report.linked_problem as p on f.link_id = p.link_id
order by f.link_id;
