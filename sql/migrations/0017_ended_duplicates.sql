-- report.write names the ticket that was ended as a duplicate, not the one that stays.

create or replace view report.write as
select
    r.name as rule,
    o.link_id,
    s.name as target,
    case when o.kind = 'end_duplicate' then o.item when o.side = 'left' then l.left_id else l.right_id end as ticket_id,
    o.kind,
    f.key as field,
    f.value ->> 'from' as value_from,
    f.value ->> 'to' as value_to,
    o.cause ->> 'source' as cause_source,
    bridge.parse_timestamp(o.cause -> 'changed_at') as cause_changed_at,
    o.sent_at,
    o.ended_at,
    extract(epoch from o.ended_at - o.created_at)::double precision as seconds,
    o.status,
    o.outcome,
    o.id as write_id
from bridge.outbox as o
inner join bridge.link as l on o.link_id = l.id
inner join bridge.link_rule as r on o.rule_id = r.id
inner join bridge.source as s on o.source_id = s.id
left join lateral jsonb_each(o.fields) as f (key, value) on true
where o.state in ('done', 'dropped');
