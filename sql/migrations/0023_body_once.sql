-- A change stored the body of its problem twice: in the current row and in the version. The current row refers to its version instead, where that has
-- the very body: all but a problem that patches stand on, or of which no whole statement is known. A third fewer bytes a change.
--
-- Rows from before, and those that an older release writes, have their body themselves and stay as they are. Who reads looks in both places, by
-- bridge.service_problem_now; of who does not ask for the body, Postgres leaves the version out.

-- squawk-ignore ban-drop-not-null
alter table bridge.service_problem alter column body drop not null;
comment on table bridge.service_problem is
'A service problem as it is now: the newest whole statement with the patches since merged over it; with its body: bridge.service_problem_now';
comment on column bridge.service_problem.body is
'The whole problem, v4 attribute names; null: it is as the last whole statement has it, in the version of content_at and content_hash';
comment on column bridge.service_problem_version.body is
'The problem as it was, v4 attribute names; that of the last whole statement is the current one too where bridge.service_problem has none';

create view bridge.service_problem_now as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.status_raw,
    p.category,
    p.priority,
    p.affected_services,
    p.created_at,
    p.updated_at,
    p.status_changed_at,
    p.resolved_at,
    p.first_seen_at,
    p.last_seen_at,
    p.missed_at,
    p.deleted_at,
    p.via,
    coalesce(p.body, v.body) as body
from bridge.service_problem as p
left join bridge.service_problem_version as v
    on
        p.source_id = v.source_id and p.id = v.problem_id and p.content_at = v.effective_at and p.content_hash = v.content_hash
        and p.body is null;
comment on view bridge.service_problem_now is 'What there is to tell of a service problem as it is now, with its body';
comment on column bridge.service_problem_now.source_id is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.id is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.revision is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.status is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.status_raw is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.category is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.priority is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.affected_services is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.created_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.updated_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.status_changed_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.resolved_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.first_seen_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.last_seen_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.missed_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.deleted_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.via is 'As in bridge.service_problem';
comment on column bridge.service_problem_now.body is 'The whole problem, v4 attribute names';

create or replace view report.service_problem as
select
    s.name as source,
    p.id,
    p.body ->> 'href' as href,
    p.body ->> 'name' as name,
    p.status,
    p.status_raw,
    p.category,
    p.priority,
    p.body ->> 'description' as description,
    p.body ->> 'reason' as reason,
    p.body ->> 'originatingSystem' as originating_system,
    coalesce(
        p.body -> 'originatorParty' ->> 'name', p.body -> 'originatorParty' ->> 'id', p.body ->> 'originatorParty'
    ) as originator,
    coalesce(
        p.body -> 'responsibleParty' ->> 'name', p.body -> 'responsibleParty' ->> 'id', p.body ->> 'responsibleParty'
    ) as responsible,
    p.body -> 'externalIdentifier' -> 0 ->> 'id' as external_id,
    p.created_at,
    p.updated_at,
    p.status_changed_at,
    p.resolved_at,
    p.affected_services,
    p.first_seen_at,
    greatest(
        p.last_seen_at, case when p.missed_at is null and p.deleted_at is null then w.started_at end
    ) as last_seen_at,
    p.via as last_changed_via,
    p.deleted_at,
    p.body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
left join bridge.watermark as w on p.source_id = w.source_id and w.kind = 'reconcile';

create or replace view report.affected_service as
select
    s.name as source,
    p.id,
    e.place as position,
    e.item ->> 'id' as service_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'affectedService', 'id') as e
where p.deleted_at is null;

create or replace view report.affected_resource as
select
    s.name as source,
    p.id,
    e.place as position,
    e.item ->> 'id' as resource_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'affectedResource', 'id') as e
where p.deleted_at is null;

create or replace view report.affected_location as
select
    s.name as source,
    p.id,
    e.place as position,
    e.item ->> 'id' as location_id,
    e.item ->> 'name' as name,
    e.item ->> 'role' as role,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'affectedLocation', 'name') as e
where p.deleted_at is null;

create or replace view report.related_party as
select
    s.name as source,
    p.id,
    e.place as position,
    coalesce(e.item ->> 'partyId', e.item ->> 'id') as party_id,
    coalesce(e.item ->> 'partyName', e.item ->> 'name') as name,
    e.item ->> 'role' as role,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'relatedParty', 'name') as e
where p.deleted_at is null;

create or replace view report.note as
select
    s.name as source,
    p.id,
    e.place as position,
    e.item ->> 'id' as note_id,
    bridge.instant(e.item -> 'date') as written_at,
    coalesce(e.item -> 'author' ->> 'name', e.item -> 'author' ->> 'id', e.item ->> 'author') as author,
    e.item ->> 'system' as system,
    e.item ->> 'text' as text,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'note', 'text') as e
where p.deleted_at is null;

create or replace view report.characteristic as
select
    s.name as source,
    p.id,
    e.place as position,
    e.item ->> 'id' as characteristic_id,
    e.item ->> 'name' as name,
    e.item ->> 'value' as value,
    e.item ->> 'valueType' as value_type,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'characteristic', 'name') as e
where p.deleted_at is null;

create or replace view report.trouble_ticket as
select
    s.name as source,
    p.id,
    e.place as position,
    e.item ->> 'id' as ticket_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'troubleTicket', 'id') as e
where p.deleted_at is null;

create or replace view report.tracking_record as
select
    s.name as source,
    p.id,
    e.place as position,
    e.item ->> 'id' as record_id,
    bridge.instant(e.item -> 'time') as recorded_at,
    coalesce(e.item -> 'user' ->> 'name', e.item -> 'user' ->> 'id', e.item ->> 'user') as author,
    e.item ->> 'systemId' as system,
    e.item ->> 'description' as description,
    e.item as body
from bridge.service_problem_now as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.element(p.body -> 'trackingRecord', 'description') as e
where p.deleted_at is null;

create or replace view bridge.open_now as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.priority,
    p.category,
    p.created_at,
    bridge.names(p.body -> 'affectedService', 'id') as services,
    bridge.names(p.body -> 'affectedResource', 'id') as resources,
    bridge.names(p.body -> 'affectedLocation', 'name') as places
from bridge.service_problem_now as p
where p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected');

do $$
begin
    if exists (select from pg_roles where rolname = 'bridge_writer') then
        grant select on bridge.service_problem_now to bridge_writer;
    end if;
end
$$;
