-- name: begin
-- An audit of a rule begins; those of more than a year ago are forgotten.
with forgotten as (
    delete from bridge.link_audit as o
    where o.rule_id = $1 and o.started_at < now() - interval '1 year'
)

insert into bridge.link_audit (rule_id) values ($1)
returning id;

-- name: unfinished
-- The last audit of a rule, if it was interrupted, with how far it has come.
select
    a.id,
    a.links,
    a.last_link_id
from bridge.link_audit as a
where
    a.rule_id = $1 and a.finished_at is null
    and a.id = (
        select max(o.id) from bridge.link_audit as o
        where o.rule_id = $1
    );

-- name: count
-- How many links an audit has to compare after this one.
select count(*) as links from bridge.link as l
where l.rule_id = $1 and l.state = 'linked' and l.id > $2;

-- name: next
-- The next $3 links to compare after $2.
select
    l.id,
    l.left_id,
    l.right_id
from bridge.link as l
where l.rule_id = $1 and l.state = 'linked' and l.id > $2 and l.left_id is not null and l.right_id is not null
order by l.id
limit $3;

-- name: proceed
-- So many links more are compared, up to this one.
update bridge.link_audit as a set links = a.links + $2, last_link_id = $3
where a.id = $1;

-- name: finish
update bridge.link_audit as a set finished_at = now()
where a.id = $1;

-- name: add_drift
-- Fields that differ; what an interrupted audit had found of a link already is kept.
insert into bridge.link_drift (audit_id, link_id, field, left_value, right_value)
select
    $1::bigint,
    n.link_id,
    n.field,
    n.left_value,
    n.right_value
from unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) as n (link_id, field, left_value, right_value)
where
    exists (
        select from bridge.link as l
        where l.id = n.link_id
    )
order by n.link_id, n.field
on conflict do nothing;

-- name: drift
-- How many fields the audits of each rule found different.
select
    r.name as rule,
    count(*) as fields
from bridge.link_drift as d
inner join bridge.link_audit as a on d.audit_id = a.id
inner join bridge.link_rule as r on a.rule_id = r.id
group by r.name;
