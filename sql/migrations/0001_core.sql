-- The core: what the sources hold now (service_problem), what was ever true of it (service_problem_version, status_change), what
-- was received (notification, dead_letter), and what the jobs remember.
--
-- Tables that every change writes have no foreign key to bridge.source: the check would cost a lookup for each row. `forget` deletes
-- the rows of a source itself.

create schema bridge;
comment on schema bridge is 'Private tables of tmf656-bridge; read schema report instead';

create schema report;
comment on schema report is 'Public views of tmf656-bridge: stable names, every column commented, readable by role bridge_reader';

-- Sources and what is remembered of talking to them

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
    created_at timestamptz not null default now(),
    current_secret text,
    previous_secret text,
    retired_secrets bytea[] not null default '{}',
    fallback_reason text,
    poll_requested_at timestamptz,
    failing_jobs jsonb not null default '{}'
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
comment on column bridge.source.current_secret is 'Secret in the callback as last registered: the configured one, else callback_secret';
comment on column bridge.source.previous_secret is 'The one before, still accepted; null when there was none';
comment on column bridge.source.retired_secrets is 'Hashes of older ones, answered 410';
comment on column bridge.source.fallback_reason is 'Why the mode is fallback, in words; null in any other';
comment on column bridge.source.failing_jobs is
'Jobs that have failed since they last worked: name → failures (in a row), failed_at, error';
comment on column bridge.source.poll_requested_at is
'When a process that does not poll asked the leader for a poll, mostly because an event names no problem; null once the poll has begun';

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
create unique index subscription_active_key on bridge.subscription (source_id) where state = 'active';
create index subscription_source_id_idx on bridge.subscription (source_id);

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

create table bridge.refetch (
    source_id smallint not null,
    attempts integer not null default 0,
    requested_at timestamptz not null,
    due_at timestamptz not null,
    problem_id text not null,
    reason text not null,
    primary key (source_id, problem_id)
);
comment on table bridge.refetch is 'Problems to be fetched by id, because what is known of them is partial or contradicts itself';
comment on column bridge.refetch.source_id is 'Source';
comment on column bridge.refetch.problem_id is 'Problem';
comment on column bridge.refetch.reason is 'partial, tie, regression, unstamped, task, deleted, …';
comment on column bridge.refetch.requested_at is 'Our clock: an answer to a question asked later settles it';
comment on column bridge.refetch.due_at is 'Not before';
comment on column bridge.refetch.attempts is 'Tries that failed';

create table bridge.last_pass (
    source_id smallint not null,
    kind text not null constraint last_pass_kind_check check (kind in ('poll', 'reconcile')),
    started_at timestamptz not null,
    finished_at timestamptz not null,
    complete_at timestamptz,
    problems bigint not null,
    held_back bigint not null default 0,
    gap text,
    held_back_reason text,
    primary key (source_id, kind)
);
comment on table bridge.last_pass is 'The last pass of each kind over a source that reached its end, complete or not';
comment on column bridge.last_pass.source_id is 'Source';
comment on column bridge.last_pass.kind is 'poll: changes since; reconcile: everything';
comment on column bridge.last_pass.started_at is 'Our clock: when it began';
comment on column bridge.last_pass.finished_at is 'Our clock: when it ended';
comment on column bridge.last_pass.complete_at is 'Our clock: when a complete pass of this kind last ended; null: none ever was';
comment on column bridge.last_pass.problems is 'How many rows it returned; pages may overlap';
comment on column bridge.last_pass.held_back is 'Problems that are missing from the list and not recorded as deleted';
comment on column bridge.last_pass.gap is 'Why it may have missed problems; null: it was complete';
comment on column bridge.last_pass.held_back_reason is 'Why they are not recorded as deleted; null: there are none';

create table bridge.unmapped_value (
    source_id smallint not null,
    attribute text not null,
    example text not null,
    times bigint not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    primary key (source_id, attribute, example)
);
comment on table bridge.unmapped_value is 'Values of a source that could not be read: times in unknown forms, words for a status or priority that mean none';
comment on column bridge.unmapped_value.source_id is 'Source';
comment on column bridge.unmapped_value.attribute is 'Attribute, by its name in version 4';
comment on column bridge.unmapped_value.example is 'The value as the source wrote it, shortened';
comment on column bridge.unmapped_value.times is 'How often it came';
comment on column bridge.unmapped_value.first_seen_at is 'Our clock: when it first came';
comment on column bridge.unmapped_value.last_seen_at is 'Our clock: when it last came';

create table bridge.missing_problem (
    source_id smallint not null,
    attempts integer not null default 0,
    missing_since timestamptz not null,
    due_at timestamptz not null,
    asked_at timestamptz,
    problem_id text not null,
    answer text constraint missing_problem_answer_check check (answer in ('given', 'refused', 'failed')),
    primary key (source_id, problem_id)
);
comment on table bridge.missing_problem is 'Problems that two complete passes in a row did not return, until GET by id has said what became of them';
comment on column bridge.missing_problem.source_id is 'Source';
comment on column bridge.missing_problem.attempts is 'How often GET by id was asked';
comment on column bridge.missing_problem.missing_since is 'Our clock: start of the second pass that did not return it';
comment on column bridge.missing_problem.due_at is 'Our clock: GET by id is not asked before';
comment on column bridge.missing_problem.asked_at is 'Our clock: when GET by id was last asked';
comment on column bridge.missing_problem.problem_id is 'Problem';
comment on column bridge.missing_problem.answer is
'What GET by id last answered: given (only the list hides it), refused (nothing about the problem), failed (the source was away)';

create table bridge.lease (
    name text primary key,
    holder text not null,
    token bigint not null,
    taken_at timestamptz not null,
    expires_at timestamptz not null,
    renewed_at timestamptz not null default now()
);
comment on table bridge.lease is 'Work that only one process does at a time';
comment on column bridge.lease.name is 'The work';
comment on column bridge.lease.holder is 'Process that holds it: host, process id and a random part';
comment on column bridge.lease.token is 'Grows with every change of holder; what is written under an older one is refused';
comment on column bridge.lease.taken_at is 'Since when this holder has it';
comment on column bridge.lease.expires_at is 'Postgres'' clock: when any process may take it';
comment on column bridge.lease.renewed_at is 'Postgres'' clock: when its holder last took or renewed it; how long ago a bridge last worked';

-- Service problems

create function bridge.hour_of(at timestamptz) returns timestamptz
language sql immutable parallel safe
begin atomic
    select date_bin(interval '1 hour', at, timestamptz '2000-01-01 00:00:00+00');
end;
comment on function bridge.hour_of(timestamptz) is 'Start of the hour, in UTC';

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
    body jsonb,
    list_digest bytea,
    primary key (source_id, id)
) with (fillfactor = 85);
comment on table bridge.service_problem is
'A service problem as it is now: the newest whole statement with the patches since merged over it; with its body: bridge.service_problem_with_body';
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
comment on column bridge.service_problem.first_seen_at is 'Our clock: when the bridge first received it';
comment on column bridge.service_problem.last_seen_at is 'Our clock: when it was last received, other than by a reconcile pass';
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
comment on column bridge.service_problem.body is
'The whole problem, v4 attribute names; null: it is as the last whole statement has it, in the version of content_at and content_hash';
comment on column bridge.service_problem.list_digest is
'Digest of a row of the source''s list as received, salted with the code that reads rows, followed by the content_hash of what was read from it';
create index service_problem_missed_idx on bridge.service_problem (source_id, id) where missed_at is not null;
create index service_problem_created_at_idx on bridge.service_problem (created_at);
create index service_problem_updated_at_status_idx on bridge.service_problem (updated_at, status, source_id);

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
comment on column bridge.service_problem_version.content_hash is 'Hash of the statement (16 zero bytes: deleted)';
comment on column bridge.service_problem_version.kind is 'full: the whole problem; partial: a merge patch; tombstone: deleted';
comment on column bridge.service_problem_version.observed_at is 'Our clock: when it was received, or asked for';
comment on column bridge.service_problem_version.confirmed_at is 'Our clock: when we asked and got exactly this';
comment on column bridge.service_problem_version.via is 'Which way it came first';
comment on column bridge.service_problem_version.event_type is 'Event that brought it; null for answers';
comment on column bridge.service_problem_version.status is 'Normalised status of body';
comment on column bridge.service_problem_version.superseded is 'A patch that a later answer of the source has overtaken; not part of the timeline';
comment on column bridge.service_problem_version.body_hash is 'Hash of body where it differs from the statement (patches)';
comment on column bridge.service_problem_version.patch is 'The merge patch as received (partial only)';
comment on column bridge.service_problem_version.body is
'The problem as it was, v4 attribute names; that of the last whole statement is the current one too where bridge.service_problem has none';
create index service_problem_version_hour_idx on bridge.service_problem_version using brin (bridge.hour_of(observed_at));

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
comment on column bridge.status_change.partial is 'Stated by patches only';
comment on column bridge.status_change.superseded is 'A later answer of the source contradicts the patch that stated it';

-- What was received

create table bridge.notification (
    received_at timestamptz not null,
    event_time timestamptz,
    source_id smallint not null,
    outcome text not null constraint notification_outcome_check
    check (outcome in ('applied', 'unchanged', 'duplicate', 'stale', 'filtered', 'dead_letter')),
    event_type text,
    event_id text,
    problem_id text,
    body jsonb,
    effective_at timestamptz,
    content_hash bytea
) partition by range (received_at);
comment on table bridge.notification is 'Everything that was received and answered; a partition a day, made ahead and dropped whole';
comment on column bridge.notification.received_at is 'Our clock: when it arrived';
comment on column bridge.notification.event_time is 'eventTime, in UTC';
comment on column bridge.notification.source_id is 'Source';
comment on column bridge.notification.outcome is
'applied, unchanged, duplicate, stale (older than what was known), filtered (not to be kept), dead_letter (kept, not understood)';
comment on column bridge.notification.event_type is 'Event in v5''s spelling, or the source''s word';
comment on column bridge.notification.event_id is 'eventId as sent';
comment on column bridge.notification.problem_id is 'Problem it is about';
comment on column bridge.notification.body is
'The event as received, without its problem where a version has that; null for a duplicate and for what is not JSON';
comment on column bridge.notification.effective_at is
'Time of the version that holds the problem of this event word for word; null where body has all of it';
comment on column bridge.notification.content_hash is 'Hash of that version';
create index notification_received_at_idx on bridge.notification (source_id, received_at);
create index notification_hour_idx on bridge.notification using brin (bridge.hour_of(received_at));

create table bridge.notification_digest (
    received_at timestamptz not null,
    source_id smallint not null,
    digest bytea not null,
    primary key (source_id, digest)
);
comment on table bridge.notification_digest is 'Digests of stored events, to recognise a duplicate; without events of which an equal one may be new';
comment on column bridge.notification_digest.received_at is 'When it first arrived';
comment on column bridge.notification_digest.source_id is 'Source';
comment on column bridge.notification_digest.digest is 'Hash of the whole event';
create index notification_digest_received_at_idx on bridge.notification_digest using brin (received_at);

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
create unique index dead_letter_waiting_key on bridge.dead_letter (source_id, digest) where state = 'waiting';
create index dead_letter_source_id_idx on bridge.dead_letter (source_id);

create table bridge.awaited_notification (
    source_id smallint not null,
    stamped boolean not null,
    effective_at timestamptz not null,
    changed_at timestamptz not null,
    found_at timestamptz not null,
    due_at timestamptz not null,
    arrived_at timestamptz,
    problem_id text not null,
    content_hash bytea not null,
    primary key (source_id, problem_id, effective_at, content_hash)
);
comment on table bridge.awaited_notification is
'Changes that a poll or reconcile pass found before their notification; deleted when it arrives or is overdue';
comment on column bridge.awaited_notification.source_id is 'Source';
comment on column bridge.awaited_notification.problem_id is 'Problem';
comment on column bridge.awaited_notification.effective_at is 'Time of the change as stored; a notification with this time counts as this one';
comment on column bridge.awaited_notification.content_hash is 'Hash of what was found; a notification with this content counts as this one';
comment on column bridge.awaited_notification.stamped is 'The source states the time of the change; else any notification about the problem counts as this one';
comment on column bridge.awaited_notification.changed_at is 'Time of the change by our clock';
comment on column bridge.awaited_notification.found_at is 'Our clock: when the request that found it was sent';
comment on column bridge.awaited_notification.due_at is 'Our clock: the notification is missed when it has not arrived until then';
comment on column bridge.awaited_notification.arrived_at is 'When the notification arrived';

create table bridge.push_outcome (
    source_id smallint not null,
    hour timestamptz not null,
    missed bigint not null,
    late bigint not null,
    primary key (source_id, hour)
);
comment on table bridge.push_outcome is 'How many awaited notifications were missed or late, by hour';
comment on column bridge.push_outcome.source_id is 'Source';
comment on column bridge.push_outcome.hour is 'Hour (UTC) in which the changes were found';
comment on column bridge.push_outcome.missed is 'Changes whose notification did not come';
comment on column bridge.push_outcome.late is 'Changes whose notification came after they had been found';

-- What changed, for those who follow

create table bridge.change (
    committed xid8 not null default pg_current_xact_id(),
    id bigint generated always as identity,
    changed_at timestamptz not null default now(),
    source_id smallint not null,
    problem_ids text[] not null,
    primary key (committed, id)
);
comment on table bridge.change is 'The problems that a transaction changed, one row for each transaction and source; kept for a day';
comment on column bridge.change.committed is 'The transaction. Who reads only transactions below pg_snapshot_xmin(pg_current_snapshot()) misses none';
comment on column bridge.change.id is 'Tells rows of one transaction apart';
comment on column bridge.change.changed_at is 'When the transaction began';
comment on column bridge.change.source_id is 'Source';
comment on column bridge.change.problem_ids is 'Problems whose current row, versions or statuses changed or were pruned';

create function bridge.notify_change(changed_source_id smallint, changed_ids text[]) returns void
language sql volatile
begin atomic
    select
        pg_notify(
            'service_problem_changed',
            case
                when octet_length(t.payload) < 8000 then t.payload
                else json_build_object('source', t.name, 'more', true)::text
            end
        )
    from (
        select
            s.name,
            json_build_object('source', s.name, 'ids', changed_ids)::text as payload
        from bridge.source as s
        where s.id = changed_source_id and pg_notification_queue_usage() < 0.5
    ) as t;
end;
comment on function bridge.notify_change(smallint, text[]) is
'Notifies listeners of changed problems: {"source", "ids"}, or {"source", "more": true} where that would exceed the 8,000 bytes of a notification. '
'Nothing is sent while the queue of Postgres is half full (a listener does not fetch), because a full queue fails every commit; bridge.change has every change';

-- The write of a batch is one statement (sql/queries/observation.sql): rows come as arrays of these types, and the statement raises
-- an error by itself when another writer was faster.

create type bridge.problem_row as (
    source_id smallint,
    id text,
    revision integer,
    patched boolean,
    has_partials boolean,
    effective_at timestamptz,
    observed_at timestamptz,
    content_at timestamptz,
    content_observed_at timestamptz,
    confirmed_at timestamptz,
    doubt_at timestamptz,
    deleted_at timestamptz,
    seen_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    status_changed_at timestamptz,
    resolved_at timestamptz,
    priority integer,
    affected_services integer,
    via text,
    content_via text,
    status text,
    status_raw text,
    category text,
    content_hash bytea,
    doubt_hash bytea,
    body jsonb
);
comment on type bridge.problem_row is 'A row of bridge.service_problem as decided; revision: the one the decision was made on, 0 for a new problem';

create type bridge.version_row as (
    source_id smallint,
    problem_id text,
    effective_at timestamptz,
    content_hash bytea,
    kind text,
    observed_at timestamptz,
    confirmed_at timestamptz,
    via text,
    event_type text,
    status text,
    superseded boolean,
    body_hash bytea,
    patch jsonb,
    body jsonb
);
comment on type bridge.version_row is 'A row of bridge.service_problem_version';

create type bridge.status_row as (
    source_id smallint,
    problem_id text,
    effective_at timestamptz,
    status text,
    status_raw text,
    stated_at timestamptz,
    observed_at timestamptz,
    confirmed_at timestamptz,
    via text,
    partial boolean
);
comment on type bridge.status_row is 'A row of bridge.status_change';

create type bridge.notification_row as (
    source_id smallint,
    received_at timestamptz,
    event_id text,
    event_type text,
    event_time timestamptz,
    problem_id text,
    outcome text,
    effective_at timestamptz,
    content_hash bytea,
    digest bytea,
    body jsonb
);
comment on type bridge.notification_row is 'A row of bridge.notification; digest: to be remembered, or null';

create function bridge.raise_concurrent_update() returns void language plpgsql as $$
begin
    raise serialization_failure using message = 'another writer changed the same problems first';
end
$$;
comment on function bridge.raise_concurrent_update() is
'Raises serialization_failure, which undoes the statement: another writer changed the same problems first';

-- The log has a partition for each day. Its owner makes and drops them; these two functions let role bridge_writer do so for days
-- within bounds. A drop within a function cannot detach concurrently: it waits for at most a second and is tried again.

create function bridge.make_notification_day(day date) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    part text := 'notification_' || to_char(day, 'YYYYMMDD');
begin
    if day is null or abs(day - current_date) > 3660 then
        raise exception 'no partition is made for %', day using errcode = 'check_violation';
    end if;
    lock table bridge.notification in share update exclusive mode;  -- one at a time; no reader can hold it
    if exists (
        select from pg_inherits as i
        where i.inhparent = 'bridge.notification'::regclass and i.inhrelid = to_regclass(format('bridge.%I', part))
    ) then
        return;
    end if;
    execute format('drop table if exists bridge.%I', part);  -- left over when its removal broke off
    execute format('create table bridge.%I (like bridge.notification including all)', part);
    execute format('comment on table bridge.%I is %L', part, format('Notifications received on %s (UTC)', day));
    execute format(
        'alter table bridge.notification attach partition bridge.%I for values from (%L) to (%L)',
        part, day || ' 00:00+00', (day + 1) || ' 00:00+00'
    );
end
$$;
comment on function bridge.make_notification_day(date) is 'Make the partition of a day of the log, unless it is there; in the owner''s name';
create function bridge.drop_notification_day(day date) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
    part text := 'notification_' || to_char(day, 'YYYYMMDD');
    detaching boolean;
begin
    if day is null or day > current_date - 7 then
        raise exception 'the log of % is kept', day using errcode = 'check_violation';
    end if;
    lock table bridge.notification in share update exclusive mode;  -- one at a time; no reader can hold it
    select i.inhdetachpending into detaching
    from pg_inherits as i
    where i.inhparent = 'bridge.notification'::regclass and i.inhrelid = to_regclass(format('bridge.%I', part));
    if found then
        execute format('alter table bridge.notification detach partition bridge.%I', part) || case when detaching then ' finalize' else '' end;
    end if;
    execute format('drop table if exists bridge.%I', part);
end
$$;
comment on function bridge.drop_notification_day(date) is 'Drop the partition of a day of the log that is a week old or older; in the owner''s name';
revoke execute on function bridge.make_notification_day(date) from public;
revoke execute on function bridge.drop_notification_day(date) from public;
