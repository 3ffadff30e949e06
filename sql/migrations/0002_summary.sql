-- Summaries, so that a report over all problems reads one narrow row of each: bridge.resolution has what report.resolution and
-- report.open_problem say of a problem and what it adds to report.daily_flow; bridge.daily_flow has the sums of those.
--
-- The leader follows bridge.change and computes each problem named there again from its facts. Rows, sums and the position reached
-- are one transaction, so sums stay right. The views of 0003_reports take from here what has not changed since that position and
-- compute the rest from the facts: a report is never stale.

create table bridge.summary (
    singleton boolean primary key default true constraint summary_singleton_check check (singleton),
    complete boolean not null default false,
    committed xid8 not null default '0',
    change_id bigint not null default 0,
    scanned_source_id smallint not null default 0,
    scanned_id text not null default '',
    scanned_at timestamptz,
    maintained_at timestamptz,
    time_zone text not null default 'UTC'
);
comment on table bridge.summary is 'How far the summaries have come; one row';
comment on column bridge.summary.singleton is 'There is one row';
comment on column bridge.summary.complete is 'Every problem has been summarised once; false: compute reports from the facts';
comment on column bridge.summary.committed is 'Changes up to here (bridge.change.committed) …';
comment on column bridge.summary.change_id is '… and here (bridge.change.id) are in the summaries';
comment on column bridge.summary.scanned_source_id is 'How far the scan of all problems has come: source …';
comment on column bridge.summary.scanned_id is '… and problem';
comment on column bridge.summary.scanned_at is 'When the last complete scan ended; null while one runs';
comment on column bridge.summary.maintained_at is 'The leader''s clock: when the summaries were last maintained';
comment on column bridge.summary.time_zone is 'Time zone of the days of bridge.daily_flow';
insert into bridge.summary default values;

create table bridge.resolution (
    source_id smallint not null,
    priority integer,
    revision integer not null,
    times_reopened integer not null,
    created_at timestamptz,
    acknowledged_at timestamptz,
    resolved_at timestamptz,
    closed_at timestamptz,
    held_since timestamptz,
    pending_since timestamptz,
    deleted_at timestamptz,
    seconds_held double precision not null,
    seconds_pending double precision not null,
    id text not null,
    status text not null,
    category text,
    flow integer[] not null,
    services text[],
    resources text[],
    places text[],
    names_revision integer,
    known_since timestamptz,
    complete boolean not null default false,
    primary key (source_id, id)
) with (fillfactor = 90);
comment on table bridge.resolution is 'What report.resolution, report.open_problem and report.daily_flow say of a problem, as of bridge.summary';
comment on column bridge.resolution.source_id is 'Source';
comment on column bridge.resolution.id is 'Problem';
comment on column bridge.resolution.revision is 'Revision of the current row it was computed from; a scan finds rows that differ';
comment on column bridge.resolution.status is 'Status now';
comment on column bridge.resolution.category is 'Category';
comment on column bridge.resolution.priority is 'Priority';
comment on column bridge.resolution.created_at is 'When it was raised';
comment on column bridge.resolution.acknowledged_at is 'When it was first taken up';
comment on column bridge.resolution.resolved_at is 'When it was resolved; null while it is not';
comment on column bridge.resolution.closed_at is 'When it was closed; null while it is not';
comment on column bridge.resolution.seconds_held is 'How long it was held, without a hold that goes on (held_since)';
comment on column bridge.resolution.held_since is 'Since when it is held; null while it is not';
comment on column bridge.resolution.seconds_pending is 'How long it was pending, without a wait that goes on (pending_since)';
comment on column bridge.resolution.pending_since is 'Since when it is pending; null while it is not';
comment on column bridge.resolution.times_reopened is 'How often it went from resolved or closed back to work';
comment on column bridge.resolution.deleted_at is 'Since when it is gone at the source';
comment on column bridge.resolution.flow is
'What it adds to daily flow: quarters of an hour since 2000-01-01 (UTC), times 16, plus bridge.daily_flow_kind.kind';
comment on column bridge.resolution.known_since is 'Since when its statuses are known';
comment on column bridge.resolution.complete is 'All its statuses are known, from the first one on';
comment on column bridge.resolution.services is 'Names of the affected services of an open problem; null when it is not open';
comment on column bridge.resolution.resources is 'Names of the affected resources of an open problem; null when it is not open';
comment on column bridge.resolution.places is 'Names of the affected locations of an open problem; null when it is not open';
comment on column bridge.resolution.names_revision is 'Revision of the current row that these names were taken from';
create index resolution_open_idx on bridge.resolution (created_at)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected');
create index resolution_created_at_idx on bridge.resolution (created_at);
create index resolution_resolved_at_idx on bridge.resolution (resolved_at);
create index resolution_without_names_idx on bridge.resolution (source_id, id)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected') and names_revision is distinct from revision;

create table bridge.daily_flow (
    source_id smallint not null,
    day date not null,
    kind integer not null,
    times bigint not null,
    primary key (source_id, day, kind)
);
comment on table bridge.daily_flow is 'Sums of bridge.resolution.flow';
comment on column bridge.daily_flow.source_id is 'Source';
comment on column bridge.daily_flow.day is 'Day, in the time zone of bridge.summary';
comment on column bridge.daily_flow.kind is 'What happened: bridge.daily_flow_kind';
comment on column bridge.daily_flow.times is 'How often';

create table bridge.report_setting (
    singleton boolean primary key default true constraint report_setting_singleton_check check (singleton),
    time_zone text not null default 'UTC'
);
insert into bridge.report_setting default values;
comment on table bridge.report_setting is 'Settings of schema report; one row';
comment on column bridge.report_setting.singleton is 'There is one row';
comment on column bridge.report_setting.time_zone is 'Time zone of the days in reports; set by report.set_time_zone';

create table bridge.extra_column (
    source text not null,
    name text not null,
    path text not null,
    type text not null constraint extra_column_type_check check (type in ('text', 'numeric', 'boolean', 'timestamptz', 'jsonb')),
    primary key (source, name)
);
comment on table bridge.extra_column is 'Columns of report.service_problem_extra, as configured (sources.NAME.columns); written by bridge.set_extra_columns';
comment on column bridge.extra_column.source is 'Name of the source in the configuration; it need not have been read yet';
comment on column bridge.extra_column.name is 'Name of the column';
comment on column bridge.extra_column.path is 'Where its value stands in the body, as a JSON path of Postgres';
comment on column bridge.extra_column.type is 'Type of the column';
