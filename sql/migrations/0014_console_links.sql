-- What the console shows of links, what can be asked there about them, and how its pages learn that something changed.

alter table bridge.request add column subject text not null default '';
comment on column bridge.request.subject is
'What exactly it is about, where one of a kind and source is not enough: a link, a field of it, a rule; else empty';
comment on column bridge.request.kind is
'poll, reconcile, register, rotate_secret (of the callback), replay or discard (dead letters), retry_link, retry_writes, separate_link, join_tickets, '
'resolve_conflict, pause_rule, resume_rule or release_rule';
comment on column bridge.request.progress_done is 'How many problems, dead letters or writes were dealt with so far';
comment on column bridge.request.source_id is 'Source; null: dead letters of every source, and what is about links';
comment on column bridge.request.arguments is
'Which dead letters: numbers, or reason (null: any) and up_to (the newest number when it was asked); which link, field or rule, and what is to be done';
-- Requests are kept for 90 days and are made by hand: the table is small.
-- squawk-ignore ban-drop-constraint
alter table bridge.request drop constraint request_kind_check;
-- squawk-ignore constraint-missing-not-valid
alter table bridge.request add constraint request_kind_check check (
    kind in (
        'poll', 'reconcile', 'register', 'rotate_secret', 'replay', 'discard', 'retry_link', 'retry_writes', 'separate_link', 'join_tickets',
        'resolve_conflict', 'pause_rule', 'resume_rule', 'release_rule'
    )
);
-- squawk-ignore require-concurrent-index-deletion
drop index bridge.request_open_key;
-- squawk-ignore require-concurrent-index-creation
create unique index request_open_key on bridge.request (source_id, kind, subject) nulls not distinct where ended_at is null;
-- squawk-ignore require-concurrent-index-creation
create index request_subject_idx on bridge.request (subject, id) where subject <> '';

create view bridge.request_state as
select
    r.id,
    s.name as source,
    r.kind,
    r.subject,
    r.asked_by,
    r.asked_at,
    r.taken_at,
    r.ended_at,
    r.progress_done,
    r.progress_total,
    r.attempts,
    r.outcome,
    r.detail,
    r.arguments,
    case
        when r.outcome is not null then r.outcome
        when not exists (
            select from bridge.lease as l
            where l.name = 'jobs' and l.expires_at > clock_timestamp()
        ) and coalesce(r.taken_at, r.asked_at) < clock_timestamp() - interval '1 minute' then 'no_leader'
        when r.taken_at is not null then 'running'
        when r.asked_at < clock_timestamp() - interval '1 minute' then 'no_leader'
        else 'asked'
    end as state
from bridge.request as r
left join bridge.source as s on r.source_id = s.id;
comment on view bridge.request_state is 'A request as the console shows it';
comment on column bridge.request_state.id is 'As in bridge.request';
comment on column bridge.request_state.source is 'Name of the source';
comment on column bridge.request_state.kind is 'As in bridge.request';
comment on column bridge.request_state.subject is 'As in bridge.request';
comment on column bridge.request_state.asked_by is 'As in bridge.request';
comment on column bridge.request_state.asked_at is 'As in bridge.request';
comment on column bridge.request_state.taken_at is 'As in bridge.request';
comment on column bridge.request_state.ended_at is 'As in bridge.request';
comment on column bridge.request_state.progress_done is 'As in bridge.request';
comment on column bridge.request_state.progress_total is 'As in bridge.request';
comment on column bridge.request_state.attempts is 'As in bridge.request';
comment on column bridge.request_state.outcome is 'As in bridge.request';
comment on column bridge.request_state.detail is 'As in bridge.request';
comment on column bridge.request_state.arguments is 'As in bridge.request';
comment on column bridge.request_state.state is 'asked, running, no_leader (nobody has taken it for a minute), or how it ended';

create view bridge.console_rule as
select
    r.id,
    r.name,
    r.left_source_id,
    r.right_source_id,
    ls.name as left_source,
    rs.name as right_source,
    r.state,
    r.state_reason,
    r.state_since,
    r.walked_at
from bridge.link_rule as r
inner join bridge.source as ls on r.left_source_id = ls.id
inner join bridge.source as rs on r.right_source_id = rs.id;
comment on view bridge.console_rule is 'A rule as the console shows it';
comment on column bridge.console_rule.id is 'As in bridge.link_rule';
comment on column bridge.console_rule.name is 'As in bridge.link_rule';
comment on column bridge.console_rule.left_source_id is 'As in bridge.link_rule';
comment on column bridge.console_rule.right_source_id is 'As in bridge.link_rule';
comment on column bridge.console_rule.left_source is 'Name of the source on the left';
comment on column bridge.console_rule.right_source is 'Name of the source on the right';
comment on column bridge.console_rule.state is 'As in bridge.link_rule';
comment on column bridge.console_rule.state_reason is 'As in bridge.link_rule';
comment on column bridge.console_rule.state_since is 'As in bridge.link_rule';
comment on column bridge.console_rule.walked_at is 'As in bridge.link_rule';

create view bridge.console_link as
select
    l.id,
    l.rule_id,
    l.origin,
    l.state,
    l.state_reason,
    l.state_since,
    l.key,
    l.left_id,
    l.right_id,
    l.base,
    l.intent is not null as under_way,
    l.created_at,
    l.linked_at,
    l.checked_at,
    l.behind_since,
    l.unsure_until
from bridge.link as l;
comment on view bridge.console_link is 'A link as the console filters and shows it';
comment on column bridge.console_link.id is 'As in bridge.link';
comment on column bridge.console_link.rule_id is 'As in bridge.link';
comment on column bridge.console_link.origin is 'As in bridge.link';
comment on column bridge.console_link.state is 'As in bridge.link';
comment on column bridge.console_link.state_reason is 'As in bridge.link';
comment on column bridge.console_link.state_since is 'As in bridge.link';
comment on column bridge.console_link.key is 'As in bridge.link';
comment on column bridge.console_link.left_id is 'As in bridge.link';
comment on column bridge.console_link.right_id is 'As in bridge.link';
comment on column bridge.console_link.base is 'As in bridge.link';
comment on column bridge.console_link.under_way is 'A write was sent and no outcome of it is known yet';
comment on column bridge.console_link.created_at is 'As in bridge.link';
comment on column bridge.console_link.linked_at is 'As in bridge.link';
comment on column bridge.console_link.checked_at is 'As in bridge.link';
comment on column bridge.console_link.behind_since is 'As in bridge.link';
comment on column bridge.console_link.unsure_until is 'As in bridge.link';

create view bridge.console_write as
select
    o.id,
    o.link_id,
    o.rule_id,
    o.source_id,
    o.side,
    o.kind,
    o.item,
    o.state,
    o.outcome,
    o.attempts,
    o.fields,
    o.cause,
    o.status,
    o.error,
    o.created_at,
    o.due_at,
    o.sent_at,
    o.ended_at
from bridge.outbox as o;
comment on view bridge.console_write is 'A write, open or ended, as the console filters and shows it';
comment on column bridge.console_write.id is 'As in bridge.outbox';
comment on column bridge.console_write.link_id is 'As in bridge.outbox';
comment on column bridge.console_write.rule_id is 'As in bridge.outbox';
comment on column bridge.console_write.source_id is 'As in bridge.outbox';
comment on column bridge.console_write.side is 'As in bridge.outbox';
comment on column bridge.console_write.kind is 'As in bridge.outbox';
comment on column bridge.console_write.item is 'As in bridge.outbox';
comment on column bridge.console_write.state is 'As in bridge.outbox';
comment on column bridge.console_write.outcome is 'As in bridge.outbox';
comment on column bridge.console_write.attempts is 'As in bridge.outbox';
comment on column bridge.console_write.fields is 'As in bridge.outbox';
comment on column bridge.console_write.cause is 'As in bridge.outbox';
comment on column bridge.console_write.status is 'As in bridge.outbox';
comment on column bridge.console_write.error is 'As in bridge.outbox';
comment on column bridge.console_write.created_at is 'As in bridge.outbox';
comment on column bridge.console_write.due_at is 'As in bridge.outbox';
comment on column bridge.console_write.sent_at is 'As in bridge.outbox';
comment on column bridge.console_write.ended_at is 'As in bridge.outbox';

create view bridge.console_conflict as
select
    c.id,
    c.link_id,
    c.field,
    c.kind,
    c.outcome,
    c.decided_by,
    c.left_value,
    c.right_value,
    c.left_base,
    c.right_base,
    c.left_at,
    c.right_at,
    c.opened_at,
    c.decided_at,
    c.settled_at
from bridge.conflict as c;
comment on view bridge.console_conflict is 'A conflict as the console filters and shows it';
comment on column bridge.console_conflict.id is 'As in bridge.conflict';
comment on column bridge.console_conflict.link_id is 'As in bridge.conflict';
comment on column bridge.console_conflict.field is 'As in bridge.conflict';
comment on column bridge.console_conflict.kind is 'As in bridge.conflict';
comment on column bridge.console_conflict.outcome is 'As in bridge.conflict';
comment on column bridge.console_conflict.decided_by is 'As in bridge.conflict';
comment on column bridge.console_conflict.left_value is 'As in bridge.conflict';
comment on column bridge.console_conflict.right_value is 'As in bridge.conflict';
comment on column bridge.console_conflict.left_base is 'As in bridge.conflict';
comment on column bridge.console_conflict.right_base is 'As in bridge.conflict';
comment on column bridge.console_conflict.left_at is 'As in bridge.conflict';
comment on column bridge.console_conflict.right_at is 'As in bridge.conflict';
comment on column bridge.console_conflict.opened_at is 'As in bridge.conflict';
comment on column bridge.console_conflict.decided_at is 'As in bridge.conflict';
comment on column bridge.console_conflict.settled_at is 'As in bridge.conflict';

-- What was written is announced by the observation that it is stored as (bridge.change); this is about the rest. Postgres sends the same
-- notification of a transaction once.
create function bridge.announce_link() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_notify('link_changed', '');
    return null;
end
$$;
comment on function bridge.announce_link() is 'Tell pages that show links that something changed';
revoke execute on function bridge.announce_link() from public;
create trigger link_made after insert on bridge.link
for each row execute function bridge.announce_link();
create trigger link_state_changed after update on bridge.link
for each row when (old.state <> new.state) execute function bridge.announce_link();
create trigger rule_state_changed after update on bridge.link_rule
for each row when (old.state <> new.state) execute function bridge.announce_link();
create trigger write_blocked after update on bridge.outbox
for each row when ((old.state = 'blocked') <> (new.state = 'blocked')) execute function bridge.announce_link();
create trigger conflict_changed after insert or update on bridge.conflict
for each row execute function bridge.announce_link();

create function bridge.grant_links_to_front() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant select on bridge.request_state, bridge.console_rule, bridge.console_link, bridge.console_write, bridge.console_conflict to bridge_front;
    grant select on bridge.service_problem_with_body to bridge_front;
end
$$;
comment on function bridge.grant_links_to_front() is
'Grant role bridge_front what the pages about links need, where the role exists; repeated by `migrate`';
revoke execute on function bridge.grant_links_to_front() from public;
select bridge.grant_links_to_front();
