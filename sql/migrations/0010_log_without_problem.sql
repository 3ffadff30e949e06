-- The log of notifications repeated every problem that its version keeps word for word: half of all bytes that a change took. Where that
-- is so the log now keeps the event around the problem, and which version it brought; the view puts the two together again.

alter table bridge.notification add column effective_at timestamptz;
alter table bridge.notification add column content_hash bytea;
comment on column bridge.notification.effective_at is
'Time of the version that holds the problem of this event word for word; null where body has all of it';
comment on column bridge.notification.content_hash is 'Hash of that version';
comment on column bridge.notification.body is
'The event as received, without its problem where a version has that; null for a repeat and for what is no JSON';

create or replace view report.notification as
select
    s.name as source,
    n.received_at,
    n.event_id,
    n.event_type,
    n.event_time,
    n.problem_id,
    n.outcome,
    coalesce(jsonb_set(n.body, '{event,serviceProblem}', v.body), n.body) as body
from bridge.notification as n
inner join bridge.source as s on n.source_id = s.id
left join bridge.service_problem_version as v
    on
        n.source_id = v.source_id and n.problem_id = v.problem_id and n.effective_at = v.effective_at
        and n.content_hash = v.content_hash;
comment on column report.notification.body is
'The event as received; null for a duplicate and for what is no JSON. The problem in it goes when its version is pruned';
