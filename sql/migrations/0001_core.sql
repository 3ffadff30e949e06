-- The core: what the sources hold (service_problem), everything that was ever true of it (service_problem_version,
-- status_change), everything that was received (notification, dead_letter), and what the jobs need to remember.
--
-- Hot tables have no foreign key to bridge.source: a source is never deleted, and the check would cost a lookup per row.

create schema bridge;
comment on schema bridge is 'Private tables of tmf656-bridge; read schema report instead';

create schema report;
comment on schema report is 'Public views of tmf656-bridge: stable names, every column commented, readable by role bridge_reader';

create table bridge.source (
    id smallint generated always as identity primary key,
    name text not null constraint source_name_key unique,
    url text not null default '',
    version text,
    callback_secret text not null default '',
    mode text not null default 'poll' constraint source_mode_check check (mode in ('push', 'fallback', 'poll', 'disabled')),
    mode_since timestamptz not null default now(),
    last_push_at timestamptz,
    last_error text,
    last_error_at timestamptz,
    created_at timestamptz not null default now()
);
comment on table bridge.source is 'A TMF656 server we take service problems from, by its name in the configuration';
comment on column bridge.source.id is 'Short key used in every other table';
comment on column bridge.source.name is 'Name in the configuration, [sources.NAME]';
comment on column bridge.source.url is 'API base path as last configured';
comment on column bridge.source.version is 'Version of TMF656 it speaks, as its problems look; null while not known';
comment on column bridge.source.callback_secret is 'Last part of the callback path when the configuration sets none; made once';
comment on column bridge.source.mode is 'push: notifications arrive; fallback: they should but do not; poll: no push wanted or offered; disabled';
comment on column bridge.source.mode_since is 'When the mode last changed';
comment on column bridge.source.last_push_at is 'When a notification was last accepted (written at most every few seconds)';
comment on column bridge.source.last_error is 'What last went wrong with this source, in words; null when it works';
comment on column bridge.source.last_error_at is 'When it last went wrong';
comment on column bridge.source.created_at is 'When the bridge first knew of this source';

create table bridge.subscription (
    id bigint generated always as identity primary key,
    source_id smallint not null constraint subscription_source_id_fkey references bridge.source (id),
    hub_id text,
    url text not null,
    callback text not null,
    query text not null default '',
    state text not null constraint subscription_state_check check (state in ('active', 'retired')),
    registered_at timestamptz not null default now(),
    retired_at timestamptz
);
create unique index subscription_active_key on bridge.subscription (source_id) where state = 'active';
create index subscription_source_id_idx on bridge.subscription (source_id);
comment on table bridge.subscription is 'Registrations at a source''s hub; kept because no version of the standard can list them';
comment on column bridge.subscription.id is 'Key';
comment on column bridge.subscription.source_id is 'Whose hub';
comment on column bridge.subscription.hub_id is 'Id the hub gave; null when it gave none';
comment on column bridge.subscription.url is 'API base path it was registered at';
comment on column bridge.subscription.callback is 'Callback URL as registered';
comment on column bridge.subscription.query is 'Query as registered; empty asks for every event';
comment on column bridge.subscription.state is 'active: in use (one a source); retired: replaced, still to be deleted at the hub while retired_at is null';
comment on column bridge.subscription.registered_at is 'When the hub accepted it';
comment on column bridge.subscription.retired_at is 'When it was deleted at the hub, or found gone';

create table bridge.watermark (
    source_id smallint not null constraint watermark_source_id_fkey references bridge.source (id),
    kind text not null constraint watermark_kind_check check (kind in ('poll', 'reconcile')),
    changed_at timestamptz,
    filter_style text,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    problems bigint not null default 0,
    primary key (source_id, kind)
);
comment on table bridge.watermark is 'How far polling and reconciling have come';
comment on column bridge.watermark.source_id is 'Source';
comment on column bridge.watermark.kind is 'poll: changes since; reconcile: everything';
comment on column bridge.watermark.changed_at is 'Source''s clock: changes up to here have been read (poll only)';
comment on column bridge.watermark.filter_style is 'The way of asking for changes this server honours; null while not known';
comment on column bridge.watermark.started_at is 'Our clock: when the last complete pass began';
comment on column bridge.watermark.finished_at is 'Our clock: when it ended';
comment on column bridge.watermark.problems is 'How many different problems that pass returned';

create unlogged table bridge.sighting (
    source_id smallint not null,
    problem_id text not null,
    primary key (source_id, problem_id)
);
comment on table bridge.sighting is 'Problems seen by the reconcile pass under way; may vanish in a crash, which makes the pass incomplete';
comment on column bridge.sighting.source_id is 'Source';
comment on column bridge.sighting.problem_id is 'Problem';

create table bridge.service_problem (
    source_id smallint not null,
    priority integer,
    affected_services integer,
    revision integer not null,
    patched boolean not null default false,
    has_partials boolean not null default false,
    effective_at timestamptz not null,
    observed_at timestamptz not null,
    content_at timestamptz,
    content_observed_at timestamptz,
    confirmed_at timestamptz,
    doubt_at timestamptz,
    missed_at timestamptz,
    deleted_at timestamptz,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    created_at timestamptz,
    updated_at timestamptz,
    status_changed_at timestamptz,
    resolved_at timestamptz,
    id text not null,
    via text not null,
    content_via text,
    status text not null,
    status_raw text,
    category text,
    content_hash bytea,
    doubt_hash bytea,
    body jsonb not null,
    primary key (source_id, id)
) with (fillfactor = 85);
create index service_problem_missed_idx on bridge.service_problem (source_id, id) where missed_at is not null;
comment on table bridge.service_problem is 'A service problem as it is now: the newest whole statement with the patches since merged over it';
comment on column bridge.service_problem.source_id is 'Source';
comment on column bridge.service_problem.id is 'Id of the problem at its source';
comment on column bridge.service_problem.revision is 'Counts writes of this row; a writer that read an older revision starts over';
comment on column bridge.service_problem.patched is 'Patches stand on top of the last whole statement';
comment on column bridge.service_problem.has_partials is 'Some version of this problem came as a patch';
comment on column bridge.service_problem.effective_at is 'Latest time any current statement claims';
comment on column bridge.service_problem.observed_at is 'Our clock: when what is current was received, or asked for';
comment on column bridge.service_problem.content_at is 'Since when the last whole statement holds; null while only patches are known';
comment on column bridge.service_problem.content_hash is 'Hash of the last whole statement';
comment on column bridge.service_problem.content_observed_at is 'Our clock: when that was received, or asked for';
comment on column bridge.service_problem.content_via is 'Which way it came';
comment on column bridge.service_problem.confirmed_at is 'Our clock: when we asked and the source answered exactly that; null when only pushed';
comment on column bridge.service_problem.doubt_hash is 'Hash of an answer that looked older than what is known; believed when it comes again';
comment on column bridge.service_problem.doubt_at is 'When that answer was asked for';
comment on column bridge.service_problem.missed_at is 'Start of the complete reconcile pass that did not return this problem; a second one in a row deletes it';
comment on column bridge.service_problem.deleted_at is 'Since when the problem is gone at its source';
comment on column bridge.service_problem.first_seen_at is 'Our clock: when the bridge first heard of it';
comment on column bridge.service_problem.last_seen_at is 'Our clock: when it was last heard of, other than by a reconcile pass';
comment on column bridge.service_problem.created_at is 'creationDate (timeRaised)';
comment on column bridge.service_problem.updated_at is 'lastUpdate (timeChanged)';
comment on column bridge.service_problem.status_changed_at is 'statusChangeDate';
comment on column bridge.service_problem.resolved_at is 'resolutionDate';
comment on column bridge.service_problem.priority is 'Priority, 1 highest';
comment on column bridge.service_problem.affected_services is 'affectedNumberOfServices, else how many are listed';
comment on column bridge.service_problem.via is 'Which way the last change came: push, poll, reconcile, refetch';
comment on column bridge.service_problem.status is 'Normalised status';
comment on column bridge.service_problem.status_raw is 'Status as the source wrote it';
comment on column bridge.service_problem.category is 'Category';
comment on column bridge.service_problem.body is 'The whole problem, v4 attribute names';

create table bridge.service_problem_version (
    source_id smallint not null,
    superseded boolean not null default false,
    effective_at timestamptz not null,
    observed_at timestamptz not null,
    confirmed_at timestamptz,
    problem_id text not null,
    kind text not null constraint service_problem_version_kind_check check (kind in ('full', 'partial', 'tombstone')),
    via text not null,
    event_type text,
    status text not null,
    content_hash bytea not null,
    body_hash bytea,
    patch jsonb,
    body jsonb not null,
    primary key (source_id, problem_id, effective_at, content_hash)
);
comment on table bridge.service_problem_version is 'Facts: since effective_at the problem was so. A set: order of arrival does not matter';
comment on column bridge.service_problem_version.source_id is 'Source';
comment on column bridge.service_problem_version.problem_id is 'Problem';
comment on column bridge.service_problem_version.effective_at is 'Since when it was so';
comment on column bridge.service_problem_version.content_hash is 'Hash of what was said (16 zero bytes: deleted)';
comment on column bridge.service_problem_version.kind is 'full: the whole problem; partial: a merge patch; tombstone: deleted';
comment on column bridge.service_problem_version.observed_at is 'Our clock: when it was received, or asked for';
comment on column bridge.service_problem_version.confirmed_at is 'Our clock: when we asked and got exactly this';
comment on column bridge.service_problem_version.via is 'Which way it came first';
comment on column bridge.service_problem_version.event_type is 'Event that brought it; null for answers';
comment on column bridge.service_problem_version.status is 'Normalised status of body';
comment on column bridge.service_problem_version.superseded is 'A patch that a later answer of the source has overtaken; not part of the timeline';
comment on column bridge.service_problem_version.body_hash is 'Hash of body where it differs from what was said (patches)';
comment on column bridge.service_problem_version.patch is 'The merge patch as received (partial only)';
comment on column bridge.service_problem_version.body is 'The problem as it was, v4 attribute names';

create table bridge.status_change (
    source_id smallint not null,
    partial boolean not null default false,
    superseded boolean not null default false,
    effective_at timestamptz not null,
    stated_at timestamptz not null,
    observed_at timestamptz not null,
    confirmed_at timestamptz,
    problem_id text not null,
    status text not null,
    status_raw text,
    via text not null,
    primary key (source_id, problem_id, effective_at, status)
);
comment on table bridge.status_change is 'Facts: since effective_at the problem had this status';
comment on column bridge.status_change.source_id is 'Source';
comment on column bridge.status_change.problem_id is 'Problem';
comment on column bridge.status_change.effective_at is 'statusChangeDate, else the time of the version that says so';
comment on column bridge.status_change.status is 'Normalised status';
comment on column bridge.status_change.status_raw is 'As the source wrote it';
comment on column bridge.status_change.stated_at is 'Time of the earliest version that says so';
comment on column bridge.status_change.observed_at is 'Our clock: when it was first received, or asked for';
comment on column bridge.status_change.confirmed_at is 'Our clock: when we asked and the source said so';
comment on column bridge.status_change.via is 'Which way it came first';
comment on column bridge.status_change.partial is 'Only patches have said so';
comment on column bridge.status_change.superseded is 'The patch that said so was overtaken by a later answer of the source';

create table bridge.notification (
    received_at timestamptz not null,
    event_time timestamptz,
    source_id smallint not null,
    outcome text not null constraint notification_outcome_check
    check (outcome in ('applied', 'unchanged', 'duplicate', 'stale', 'dead_letter')),
    event_type text,
    event_id text,
    problem_id text,
    body jsonb
) partition by range (received_at);
create index notification_received_at_idx on bridge.notification (source_id, received_at);
comment on table bridge.notification is 'Everything that was received and answered; a partition a day, made ahead and dropped whole';
comment on column bridge.notification.received_at is 'Our clock: when it arrived';
comment on column bridge.notification.event_time is 'eventTime, in UTC';
comment on column bridge.notification.source_id is 'Source';
comment on column bridge.notification.outcome is 'applied, unchanged, duplicate, stale (older than what was known), dead_letter (kept, not understood)';
comment on column bridge.notification.event_type is 'Event in v5''s spelling, or the source''s word';
comment on column bridge.notification.event_id is 'eventId as sent';
comment on column bridge.notification.problem_id is 'Problem it is about';
comment on column bridge.notification.body is 'The event as received; null for a repeat and for what is no JSON';

create table bridge.notification_digest (
    received_at timestamptz not null,
    source_id smallint not null,
    digest bytea not null,
    primary key (source_id, digest)
);
create index notification_digest_received_at_idx on bridge.notification_digest using brin (received_at);
comment on table bridge.notification_digest is 'Events that were stored, to tell a repeat; not those where an equal event may be a new one';
comment on column bridge.notification_digest.received_at is 'When it first arrived';
comment on column bridge.notification_digest.source_id is 'Source';
comment on column bridge.notification_digest.digest is 'Hash of the whole event';

create table bridge.dead_letter (
    id bigint generated always as identity primary key,
    source_id smallint not null constraint dead_letter_source_id_fkey references bridge.source (id),
    received_at timestamptz not null,
    last_received_at timestamptz not null,
    times integer not null default 1,
    via text not null default 'push',
    event_hint text,
    problem_id text,
    reason text not null,
    detail text not null,
    hint text not null default '',
    digest bytea not null,
    raw bytea not null,
    state text not null default 'waiting' constraint dead_letter_state_check check (state in ('waiting', 'replayed', 'discarded')),
    settled_at timestamptz
);
create unique index dead_letter_waiting_key on bridge.dead_letter (source_id, digest) where state = 'waiting';
create index dead_letter_source_id_idx on bridge.dead_letter (source_id);
comment on table bridge.dead_letter is 'What could not be understood or stored, with its bytes, until it is replayed or discarded';
comment on column bridge.dead_letter.id is 'Number used by tmf656-bridge dead-letters';
comment on column bridge.dead_letter.source_id is 'Source';
comment on column bridge.dead_letter.received_at is 'When it first arrived';
comment on column bridge.dead_letter.last_received_at is 'When the same bytes last arrived';
comment on column bridge.dead_letter.times is 'How often the same bytes arrived';
comment on column bridge.dead_letter.via is 'push, or the kind of pass that met it';
comment on column bridge.dead_letter.event_hint is 'Last part of the path it was posted to';
comment on column bridge.dead_letter.problem_id is 'Problem it is about, when that much could be read';
comment on column bridge.dead_letter.reason is 'Short fixed word';
comment on column bridge.dead_letter.detail is 'What was found';
comment on column bridge.dead_letter.hint is 'What a person can do';
comment on column bridge.dead_letter.digest is 'Hash of raw';
comment on column bridge.dead_letter.raw is 'The bytes as received';
comment on column bridge.dead_letter.state is 'waiting, replayed, discarded';
comment on column bridge.dead_letter.settled_at is 'When it was replayed or discarded';

create table bridge.refetch (
    source_id smallint not null,
    attempts integer not null default 0,
    requested_at timestamptz not null,
    due_at timestamptz not null,
    problem_id text not null,
    reason text not null,
    primary key (source_id, problem_id)
);
comment on table bridge.refetch is 'Problems to be fetched by id, because what is known of them is partial, tied or unclear';
comment on column bridge.refetch.source_id is 'Source';
comment on column bridge.refetch.problem_id is 'Problem';
comment on column bridge.refetch.reason is 'partial, tie, regression, unstamped, task, deleted, …';
comment on column bridge.refetch.requested_at is 'Our clock: an answer to a question asked later settles it';
comment on column bridge.refetch.due_at is 'Not before';
comment on column bridge.refetch.attempts is 'Tries that failed';

create view report.service_problem as
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
from bridge.service_problem as p
inner join bridge.source as s on p.source_id = s.id
left join bridge.watermark as w on p.source_id = w.source_id and w.kind = 'reconcile';
comment on view report.service_problem is 'A service problem as it is now; deleted ones too (deleted_at is set)';
comment on column report.service_problem.source is 'Name of the source in the bridge''s configuration';
comment on column report.service_problem.id is 'Id of the problem at its source';
comment on column report.service_problem.href is 'Link to the problem at its source';
comment on column report.service_problem.name is 'Short name';
comment on column report.service_problem.status is
'submitted, acknowledged, rejected, pending, held, inProgress, resolved, cancelled, closed or unknown';
comment on column report.service_problem.status_raw is 'The status as the source wrote it';
comment on column report.service_problem.category is 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
comment on column report.service_problem.priority is '1 (highest) to 10 (lowest)';
comment on column report.service_problem.description is 'What is wrong, in words';
comment on column report.service_problem.reason is 'Why, in words';
comment on column report.service_problem.originating_system is 'System that raised it';
comment on column report.service_problem.originator is 'Party that raised it (name, else id)';
comment on column report.service_problem.responsible is 'Party that handles it (name, else id)';
comment on column report.service_problem.external_id is 'First id in another system (correlationId in versions 2 and 3)';
comment on column report.service_problem.created_at is 'When it was raised, by the source''s clock';
comment on column report.service_problem.updated_at is 'When it last changed, by the source''s clock';
comment on column report.service_problem.status_changed_at is 'When its status last changed, by the source''s clock';
comment on column report.service_problem.resolved_at is 'When it was resolved, by the source''s clock';
comment on column report.service_problem.affected_services is 'How many services are affected';
comment on column report.service_problem.first_seen_at is 'When the bridge first heard of it';
comment on column report.service_problem.last_seen_at is 'When the bridge last heard of it or saw it at the source';
comment on column report.service_problem.last_changed_via is 'How the last change came: push, poll, reconcile or refetch';
comment on column report.service_problem.deleted_at is 'Since when it is gone at the source; null while it exists';
comment on column report.service_problem.body is 'All attributes, under their version 4 names, unknown ones included';

create function bridge.changed_keys(before jsonb, after jsonb) returns text[]
language sql immutable parallel safe
as $$
    select coalesce(array_agg(coalesce(a.key, b.key) order by coalesce(a.key, b.key)), '{}')
    from jsonb_each(after) as a
    full join jsonb_each(before) as b on a.key = b.key
    where before is not null and a.value is distinct from b.value
$$;
comment on function bridge.changed_keys(jsonb, jsonb) is
'First-level attributes that differ between two bodies; empty when there is no earlier one';

create view report.service_problem_version as
with said as (
    select
        s.name as source,
        v.problem_id as id,
        v.effective_at,
        v.kind,
        v.via,
        v.event_type,
        v.status,
        v.body,
        coalesce(v.body_hash, v.content_hash) as body_hash,
        row_number() over life as place,
        lead(v.effective_at) over life as next_at
    from bridge.service_problem_version as v
    inner join bridge.source as s on v.source_id = s.id
    where not v.superseded
    window life as (
        partition by s.name, v.problem_id
        order by
            v.effective_at,
            v.kind collate "C",
            v.confirmed_at nulls first,
            case when v.kind = 'full' then v.status end collate "C",
            v.content_hash
    )
),

-- of several statements about one moment only the last one holds
held as (
    select
        d.*,
        lag(d.body_hash) over (partition by d.source, d.id order by d.place) as body_hash_before
    from said as d
    where d.next_at is distinct from d.effective_at
),

-- a statement that repeats the one before is no new version
lived as (
    select
        h.*,
        lead(h.effective_at) over life as valid_to,
        lag(case when h.kind <> 'tombstone' then h.body end) over life as body_before
    from held as h
    where h.body_hash is distinct from h.body_hash_before
    window life as (partition by h.source, h.id order by h.place)
)

select
    l.source,
    l.id,
    l.effective_at as valid_from,
    l.valid_to,
    l.via,
    l.event_type,
    l.status,
    bridge.changed_keys(l.body_before, l.body) as changed,
    l.body
from lived as l
where l.kind <> 'tombstone';

create view report.status_interval as
with stated as (
    select
        s.name as source,
        c.problem_id as id,
        c.status,
        c.stated_at,
        c.confirmed_at,
        p.deleted_at,
        case
            when lag(c.effective_at) over life = c.effective_at then greatest(c.effective_at, c.stated_at)
            else c.effective_at
        end as entered_at
    from bridge.status_change as c
    inner join bridge.source as s on c.source_id = s.id
    inner join bridge.service_problem as p on c.source_id = p.source_id and c.problem_id = p.id
    where not c.superseded
    window life as (
        partition by s.name, c.problem_id
        order by c.effective_at, c.stated_at, c.confirmed_at nulls first, c.status collate "C"
    )
),

-- Sources that do not keep their status dates can leave another status last: the current row has the last word.
told as (
    select
        t.source,
        t.id,
        t.status,
        t.stated_at,
        t.confirmed_at,
        t.deleted_at,
        t.entered_at,
        false as current
    from stated as t
    union all
    select
        s.name as source,
        p.id,
        p.status,
        p.effective_at as stated_at,
        null::timestamptz as confirmed_at,
        p.deleted_at,
        p.effective_at as entered_at,
        true as current
    from bridge.service_problem as p
    inner join bridge.source as s on p.source_id = s.id
    where p.status_raw is not null
),

entered as (
    select
        t.source,
        t.id,
        t.status,
        t.deleted_at,
        case when t.current then greatest(t.entered_at, lag(t.entered_at) over life) else t.entered_at end as entered_at,
        lag(t.status) over life as status_before,
        row_number() over life as place
    from told as t
    window life as (
        partition by t.source, t.id
        order by t.current, t.entered_at, t.stated_at, t.confirmed_at nulls first, t.status collate "C"
    )
),

bounded as (
    select
        e.source,
        e.id,
        e.status,
        e.entered_at,
        coalesce(
            lead(e.entered_at) over (partition by e.source, e.id order by e.place),
            case when e.deleted_at is not null then greatest(e.deleted_at, e.entered_at) end
        ) as left_at
    from entered as e
    where e.status is distinct from e.status_before
)

select
    b.source,
    b.id,
    b.status,
    b.entered_at,
    b.left_at,
    extract(epoch from coalesce(b.left_at, now()) - b.entered_at)::double precision as seconds
from bounded as b;

create view report.notification as
select
    s.name as source,
    n.received_at,
    n.event_id,
    n.event_type,
    n.event_time,
    n.problem_id,
    n.outcome,
    n.body
from bridge.notification as n
inner join bridge.source as s on n.source_id = s.id;

comment on view report.service_problem_version is 'A service problem as it was between two changes; late information finds its place';
comment on column report.service_problem_version.source is 'Name of the source in the bridge''s configuration';
comment on column report.service_problem_version.id is 'Id of the problem at its source';
comment on column report.service_problem_version.valid_from is 'Since when it was so, by the source''s clock';
comment on column report.service_problem_version.valid_to is 'Until when (the next change or deletion); null while it is so';
comment on column report.service_problem_version.via is 'How this version came first: push, poll, reconcile or refetch';
comment on column report.service_problem_version.event_type is 'Event that brought it; null when the bridge asked';
comment on column report.service_problem_version.status is 'Status in this version';
comment on column report.service_problem_version.changed is
'Attributes that differ from the version before; empty for the first one';
comment on column report.service_problem_version.body is 'All attributes as they were, under their version 4 names';

comment on view report.status_interval is 'A time a service problem spent in one status without leaving it';
comment on column report.status_interval.source is 'Name of the source in the bridge''s configuration';
comment on column report.status_interval.id is 'Id of the problem at its source';
comment on column report.status_interval.status is 'The status';
comment on column report.status_interval.entered_at is 'When it came into this status, by the source''s clock';
comment on column report.status_interval.left_at is 'When it left it (also by being deleted); null while it is in it';
comment on column report.status_interval.seconds is 'How long it was, or has been, in it';

comment on view report.notification is 'Every notification that was answered';
comment on column report.notification.source is 'Name of the source in the bridge''s configuration';
comment on column report.notification.received_at is 'When it arrived, by the bridge''s clock';
comment on column report.notification.event_id is 'Id the sender gave it; null when it gave none';
comment on column report.notification.event_type is 'Kind of event, in version 5 spelling where it is a known one';
comment on column report.notification.event_time is 'When it happened, by the sender''s clock';
comment on column report.notification.problem_id is 'Problem it is about; null when it names none';
comment on column report.notification.outcome is
'applied; unchanged: nothing new in it; duplicate; stale: older than what was known; dead_letter: kept, not understood';
comment on column report.notification.body is 'The event as received; null for a duplicate and for what is no JSON';

do $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_reader') then
        create role bridge_reader nologin;
    end if;
exception
    when insufficient_privilege then
        raise notice 'role bridge_reader could not be created: ask an administrator for "create role bridge_reader", then migrate again';
    when duplicate_object or unique_violation then
        null;
end
$$;

do $$
begin
    if exists (select from pg_roles where rolname = 'bridge_reader') then
        grant usage on schema report to bridge_reader;
        grant select on all tables in schema report to bridge_reader;
        alter default privileges in schema report grant select on tables to bridge_reader;
    end if;
end
$$;
