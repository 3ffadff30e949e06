-- Reports on two-way synchronisation. Every statement here can be run again, and a public view only ever gets columns at its end.

create or replace view report.link as
select
    r.name as rule,
    l.id as link_id,
    l.key,
    l.state,
    ls.name as left_source,
    l.left_id,
    rs.name as right_source,
    l.right_id,
    lp.status as left_status,
    rp.status as right_status,
    l.linked_at,
    l.behind_since,
    extract(epoch from now() - l.behind_since)::double precision as seconds_behind,
    coalesce(o.open_writes, 0) as open_writes,
    (
        select count(*) from bridge.conflict as c
        where c.link_id = l.id and c.outcome = 'waiting'
    ) as waiting_conflicts,
    (
        select count(*) from bridge.link_note as n
        where n.link_id = l.id and n.state = 'origin'
    ) as notes,
    o.last_write_at,
    coalesce(o.last_error, l.state_reason) as last_error
from bridge.link as l
inner join bridge.link_rule as r on l.rule_id = r.id
inner join bridge.source as ls on r.left_source_id = ls.id
inner join bridge.source as rs on r.right_source_id = rs.id
left join bridge.service_problem as lp on r.left_source_id = lp.source_id and l.left_id = lp.id
left join bridge.service_problem as rp on r.right_source_id = rp.source_id and l.right_id = rp.id
left join lateral (
    select
        count(*) filter (where w.state in ('waiting', 'sending', 'blocked')) as open_writes,
        max(w.ended_at) filter (where w.outcome = 'done') as last_write_at,
        (array_agg(w.error order by w.id desc) filter (where w.state in ('waiting', 'sending', 'blocked') and w.error is not null))[1] as last_error
    from bridge.outbox as w
    where w.link_id = l.id
) as o on true;
comment on view report.link is
'Two tickets that are kept in step, or one without a counterpart yet. Key: link_id. '
'Joins: report.service_problem on (left_source, left_id) or (right_source, right_id)';
comment on column report.link.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.link.link_id is 'Number of the link, as tmf656-bridge links shows it';
comment on column report.link.key is 'Key that the counterpart carries in its own system';
comment on column report.link.state is
'wanted (no counterpart yet), creating, unsure (sent, outcome not known), linked, blocked (needs a person), ended, orphaned (a side was deleted), unlinked';
comment on column report.link.left_source is 'Source of the ticket on the left';
comment on column report.link.left_id is 'Ticket on the left; null until it is made';
comment on column report.link.right_source is 'Source of the ticket on the right';
comment on column report.link.right_id is 'Ticket on the right; null until it is made';
comment on column report.link.left_status is 'Status of the ticket on the left, as in report.service_problem';
comment on column report.link.right_status is 'Status of the ticket on the right, as in report.service_problem';
comment on column report.link.linked_at is 'When both tickets were known';
comment on column report.link.behind_since is 'Since when something waits to be written; null when both sides are in step';
comment on column report.link.seconds_behind is 'How long something has been waiting to be written; null when both sides are in step';
comment on column report.link.open_writes is 'Writes that wait, are under way or are blocked';
comment on column report.link.waiting_conflicts is 'Conflicts that wait for a person';
comment on column report.link.notes is 'Notes written on either side, without copies';
comment on column report.link.last_write_at is 'When the bridge last wrote to either side';
comment on column report.link.last_error is 'What holds it up, in words; null when nothing does';

create or replace view report.outbox as
select
    r.name as rule,
    o.link_id,
    s.name as target,
    o.kind,
    o.state,
    o.fields,
    o.cause,
    o.attempts,
    o.due_at,
    o.sent_at,
    o.error,
    extract(epoch from now() - o.created_at)::double precision as seconds_waiting,
    o.side,
    o.id as write_id
from bridge.outbox as o
inner join bridge.link_rule as r on o.rule_id = r.id
inner join bridge.source as s on o.source_id = s.id
where o.state in ('waiting', 'sending', 'blocked');
comment on view report.outbox is 'A write to a source that waits, is under way or is blocked. Key: write_id. Joins: report.link on link_id';
comment on column report.outbox.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.outbox.link_id is 'Link that it belongs to';
comment on column report.outbox.target is 'Source that is written to';
comment on column report.outbox.kind is 'create, update, note or end_duplicate';
comment on column report.outbox.state is 'waiting, sending or blocked (needs a person)';
comment on column report.outbox.fields is 'What is missing there: {field: {"from", "to"}}';
comment on column report.outbox.cause is 'What it follows from: source, ticket, revision, way, time of the change';
comment on column report.outbox.attempts is 'Tries that failed';
comment on column report.outbox.due_at is 'When it may be sent';
comment on column report.outbox.sent_at is 'When a request was last sent';
comment on column report.outbox.error is 'Why it is blocked or was put off';
comment on column report.outbox.seconds_waiting is 'How long it has been open';
comment on column report.outbox.side is 'Side of the link that is written to: left or right';
comment on column report.outbox.write_id is 'Number of the write';

create or replace view report.write as
select
    r.name as rule,
    o.link_id,
    s.name as target,
    case o.side when 'left' then l.left_id else l.right_id end as ticket_id,
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
comment on view report.write is
'A field that the bridge wrote to a source, or did not have to: who changed my ticket, and why. Key: write_id, field. Joins: report.link on link_id';
comment on column report.write.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.write.link_id is 'Link that it belonged to';
comment on column report.write.target is 'Source that was written to';
comment on column report.write.ticket_id is 'Ticket that was written to, where it is known';
comment on column report.write.kind is 'create, update, note or end_duplicate';
comment on column report.write.field is 'Field of the rule; null for a note';
comment on column report.write.value_from is 'What stood there before';
comment on column report.write.value_to is 'What was written';
comment on column report.write.cause_source is 'Source whose change it followed from';
comment on column report.write.cause_changed_at is 'When that change was made, by the clock of its source';
comment on column report.write.sent_at is 'When the request was sent; null: nothing had to be';
comment on column report.write.ended_at is 'When the outcome was known';
comment on column report.write.seconds is 'From the decision to the outcome';
comment on column report.write.status is 'HTTP status of the answer';
comment on column report.write.outcome is 'done, unchanged (the target said so already), refused or dropped (nothing was missing any more)';
comment on column report.write.write_id is 'Number of the write; one row for each field of it';

create or replace view report.conflict as
select
    r.name as rule,
    c.link_id,
    c.field,
    c.kind,
    c.left_value,
    c.right_value,
    c.left_at,
    c.right_at,
    c.outcome,
    c.decided_by,
    c.opened_at,
    c.decided_at,
    c.settled_at,
    c.id as conflict_id
from bridge.conflict as c
inner join bridge.link as l on c.link_id = l.id
inner join bridge.link_rule as r on l.rule_id = r.id;
comment on view report.conflict is 'Values that wait for a person, and values that were overruled. Key: conflict_id. Joins: report.link on link_id';
comment on column report.conflict.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.conflict.link_id is 'Link';
comment on column report.conflict.field is 'Field of the rule; empty when it is about the link itself';
comment on column report.conflict.kind is
'both_changed, overruled, overwritten (changed between our read and our write), refused (the target did not keep it), unmapped (no row of the map says what '
'to write), uncertain (a write without an answer), oscillating, duplicate (a second counterpart), ambiguous (several tickets match)';
comment on column report.conflict.left_value is 'What the left said';
comment on column report.conflict.right_value is 'What the right said';
comment on column report.conflict.left_at is 'Since when the left said so, where it is known';
comment on column report.conflict.right_at is 'Since when the right said so, where it is known';
comment on column report.conflict.outcome is 'waiting, left or right (whose value won), dismissed, agreed';
comment on column report.conflict.decided_by is 'Who chose: a person, or policy';
comment on column report.conflict.opened_at is 'When it was found';
comment on column report.conflict.decided_at is 'When it was decided';
comment on column report.conflict.settled_at is 'When the decision was carried out, or both sides agreed; null: it is open';
comment on column report.conflict.conflict_id is 'Number of the conflict';

create or replace view report.link_note as
select
    r.name as rule,
    n.link_id,
    n.side,
    n.author,
    n.noted_at,
    n.copied_at,
    n.state,
    n.note as note_id,
    n.code
from bridge.link_note as n
inner join bridge.link as l on n.link_id = l.id
inner join bridge.link_rule as r on l.rule_id = r.id;
comment on view report.link_note is 'A note of a linked ticket. Key: link_id, side, note_id. Joins: report.link on link_id';
comment on column report.link_note.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.link_note.link_id is 'Link';
comment on column report.link_note.side is 'Side on which it stands: left or right';
comment on column report.link_note.author is 'Who wrote it';
comment on column report.link_note.noted_at is 'When it was written, where its system says so';
comment on column report.link_note.copied_at is 'When its copy was confirmed on the other side; null for copies and what is not copied yet';
comment on column report.link_note.state is 'origin, copy or skipped';
comment on column report.link_note.note_id is 'Id of the note in its system, else a hash of author, time and text';
comment on column report.link_note.code is 'Code in the first line of the copy';

create or replace view report.sync_quality as
with happened as (
    select
        o.rule_id,
        bridge.hour_of(o.created_at) as hour,
        1 as changes,
        (o.outcome = 'done')::integer as carried,
        (o.outcome = 'refused')::integer as refused,
        (o.outcome in ('unchanged', 'dropped'))::integer as without_effect,
        0 as conflicts,
        0 as overruled,
        0 as duplicates,
        case when o.outcome = 'done' then extract(epoch from o.ended_at - bridge.parse_timestamp(o.cause -> 'changed_at')) end
        as seconds_from_change,
        case when o.outcome = 'done' then extract(epoch from o.ended_at - bridge.parse_timestamp(o.cause -> 'observed_at')) end
        as seconds_from_observation
    from bridge.outbox as o
    union all
    select
        l.rule_id,
        bridge.hour_of(c.opened_at) as hour,
        0 as changes,
        0 as carried,
        (c.kind = 'refused')::integer as refused,
        0 as without_effect,
        (c.kind not in ('overruled', 'refused', 'duplicate'))::integer as conflicts,
        (c.kind = 'overruled')::integer as overruled,
        (c.kind = 'duplicate')::integer as duplicates,
        null::numeric as seconds_from_change,
        null::numeric as seconds_from_observation
    from bridge.conflict as c
    inner join bridge.link as l on c.link_id = l.id
)

select
    r.name as rule,
    h.hour,
    sum(h.changes)::bigint as changes,
    sum(h.carried)::bigint as carried,
    sum(h.refused)::bigint as refused,
    sum(h.without_effect)::bigint as without_effect,
    sum(h.conflicts)::bigint as conflicts,
    sum(h.overruled)::bigint as overruled,
    sum(h.duplicates)::bigint as duplicates,
    percentile_cont(0.5) within group (order by h.seconds_from_change::double precision) as median_seconds_from_change,
    percentile_cont(0.95) within group (order by h.seconds_from_change::double precision) as p95_seconds_from_change,
    percentile_cont(0.5) within group (order by h.seconds_from_observation::double precision) as median_seconds_from_observation,
    percentile_cont(0.95) within group (order by h.seconds_from_observation::double precision) as p95_seconds_from_observation
from happened as h
inner join bridge.link_rule as r on h.rule_id = r.id
group by r.name, h.hour;
comment on view report.sync_quality is
'How well a rule keeps up, per hour (UTC, the bridge''s clock); hours in which nothing happened are left out. Key: rule, hour. Joins: report.link on rule';
comment on column report.sync_quality.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.sync_quality.hour is 'Start of the hour in which the writes were decided or the conflicts found';
comment on column report.sync_quality.changes is 'Writes that were to be made: counterparts, changes and notes';
comment on column report.sync_quality.carried is 'Those of them that the target confirmed';
comment on column report.sync_quality.refused is 'Writes and values that the target did not take';
comment on column report.sync_quality.without_effect is 'Writes that were not needed any more, or changed nothing';
comment on column report.sync_quality.conflicts is 'Conflicts that were found, without those decided by a policy';
comment on column report.sync_quality.overruled is 'Values that lost by a policy or a choice';
comment on column report.sync_quality.duplicates is 'Second counterparts that were found';
comment on column report.sync_quality.median_seconds_from_change is
'Half of the confirmed writes took less, from the change by the clock of its source; below 0 when clocks differ';
comment on column report.sync_quality.p95_seconds_from_change is '95 of 100 confirmed writes took less';
comment on column report.sync_quality.median_seconds_from_observation is
'Half of the confirmed writes took less, from when the bridge observed the change';
comment on column report.sync_quality.p95_seconds_from_observation is '95 of 100 confirmed writes took less';

create or replace view report.linked_problem as
select
    r.name as rule,
    l.id as link_id,
    l.key,
    case
        when l.state = 'linked' and l.left_id is not null and l.right_id is not null then 'linked'
        when l.state in ('wanted', 'creating', 'unsure') then 'pending'
        when l.state = 'blocked' then 'failed'
        else l.state
    end as creation_status,
    ls.name as left_source,
    l.left_id,
    lp.status as left_status,
    lb.body ->> 'name' as left_name,
    lb.body ->> 'href' as left_href,
    lp.updated_at as left_updated_at,
    rs.name as right_source,
    l.right_id,
    rp.status as right_status,
    rb.body ->> 'name' as right_name,
    rb.body ->> 'href' as right_href,
    rp.updated_at as right_updated_at,
    l.linked_at,
    l.behind_since,
    (
        select e.item ->> 'value' from bridge.list_element(lb.body -> 'characteristic', 'name') as e
        where e.item ->> 'name' = 'number'
        limit 1
    ) as left_number,
    (
        select e.item ->> 'value' from bridge.list_element(rb.body -> 'characteristic', 'name') as e
        where e.item ->> 'name' = 'number'
        limit 1
    ) as right_number
from bridge.link as l
inner join bridge.link_rule as r on l.rule_id = r.id
inner join bridge.source as ls on r.left_source_id = ls.id
inner join bridge.source as rs on r.right_source_id = rs.id
left join bridge.service_problem as lp on r.left_source_id = lp.source_id and l.left_id = lp.id
left join bridge.service_problem as rp on r.right_source_id = rp.source_id and l.right_id = rp.id
left join bridge.service_problem_with_body as lb on r.left_source_id = lb.source_id and l.left_id = lb.id
left join bridge.service_problem_with_body as rb on r.right_source_id = rb.source_id and l.right_id = rb.id
where l.state <> 'unlinked';
comment on view report.linked_problem is
'Both tickets of a link in one row. Key: link_id. Joins: report.link on link_id; report.service_problem on (left_source, left_id) or (right_source, right_id)';
comment on column report.linked_problem.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.linked_problem.link_id is 'Link';
comment on column report.linked_problem.key is 'Key that the counterpart carries in its own system';
comment on column report.linked_problem.creation_status is 'linked, pending (the counterpart is not made yet), failed (needs a person), ended, orphaned';
comment on column report.linked_problem.left_source is 'Source of the ticket on the left';
comment on column report.linked_problem.left_id is 'Ticket on the left';
comment on column report.linked_problem.left_status is 'Its status, as in report.service_problem';
comment on column report.linked_problem.left_name is 'Its short name';
comment on column report.linked_problem.left_href is 'Link to it at its source';
comment on column report.linked_problem.left_updated_at is 'When it last changed, by the clock of its source';
comment on column report.linked_problem.right_source is 'Source of the ticket on the right';
comment on column report.linked_problem.right_id is 'Ticket on the right';
comment on column report.linked_problem.right_status is 'Its status, as in report.service_problem';
comment on column report.linked_problem.right_name is 'Its short name';
comment on column report.linked_problem.right_href is 'Link to it at its source';
comment on column report.linked_problem.right_updated_at is 'When it last changed, by the clock of its source';
comment on column report.linked_problem.linked_at is 'When both tickets were known';
comment on column report.linked_problem.behind_since is 'Since when something waits to be written; null when both sides are in step';
comment on column report.linked_problem.left_number is 'Number for people of the ticket on the left, where its system has one (ServiceNow)';
comment on column report.linked_problem.right_number is 'Number for people of the ticket on the right, where its system has one (ServiceNow)';
