-- The whole schema on one page, to be read: made by `make schema` out of sql/migrations, which is what is applied.
-- Roles bridge_reader and bridge_writer, to whom the last lines grant, are made by the migrations.

CREATE SCHEMA bridge;
COMMENT ON SCHEMA bridge IS 'Private tables of tmf656-bridge; read schema report instead';

CREATE SCHEMA bridge_migration;
COMMENT ON SCHEMA bridge_migration IS 'Which migrations of tmf656-bridge were applied';

CREATE SCHEMA report;
COMMENT ON SCHEMA report IS 'Public views of tmf656-bridge: stable names, every column commented, readable by role bridge_reader';

CREATE TYPE bridge.notification_row AS (
	source_id smallint,
	received_at timestamp with time zone,
	event_id text,
	event_type text,
	event_time timestamp with time zone,
	problem_id text,
	outcome text,
	effective_at timestamp with time zone,
	content_hash bytea,
	digest bytea,
	body jsonb
);
COMMENT ON TYPE bridge.notification_row IS 'A row of bridge.notification; digest: to be remembered, or null';

CREATE TYPE bridge.problem_row AS (
	source_id smallint,
	id text,
	revision integer,
	patched boolean,
	has_partials boolean,
	effective_at timestamp with time zone,
	observed_at timestamp with time zone,
	content_at timestamp with time zone,
	content_observed_at timestamp with time zone,
	confirmed_at timestamp with time zone,
	doubt_at timestamp with time zone,
	deleted_at timestamp with time zone,
	seen_at timestamp with time zone,
	created_at timestamp with time zone,
	updated_at timestamp with time zone,
	status_changed_at timestamp with time zone,
	resolved_at timestamp with time zone,
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
COMMENT ON TYPE bridge.problem_row IS 'A row of bridge.service_problem as decided; revision: the one the decision was made on, 0 for a new problem';

CREATE TYPE bridge.status_row AS (
	source_id smallint,
	problem_id text,
	effective_at timestamp with time zone,
	status text,
	status_raw text,
	stated_at timestamp with time zone,
	observed_at timestamp with time zone,
	confirmed_at timestamp with time zone,
	via text,
	partial boolean
);
COMMENT ON TYPE bridge.status_row IS 'A row of bridge.status_change';

CREATE TYPE bridge.version_row AS (
	source_id smallint,
	problem_id text,
	effective_at timestamp with time zone,
	content_hash bytea,
	kind text,
	observed_at timestamp with time zone,
	confirmed_at timestamp with time zone,
	via text,
	event_type text,
	status text,
	superseded boolean,
	body_hash bytea,
	patch jsonb,
	body jsonb
);
COMMENT ON TYPE bridge.version_row IS 'A row of bridge.service_problem_version';

CREATE FUNCTION bridge.announce_link() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform pg_notify('link_changed', '');
    return null;
end
$$;
COMMENT ON FUNCTION bridge.announce_link() IS 'Tell pages that show links that something changed';

CREATE FUNCTION bridge.changed_keys(before jsonb, after jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select coalesce(array_agg(coalesce(a.key, b.key) order by coalesce(a.key, b.key)), '{}')
    from jsonb_each(after) as a
    full join jsonb_each(before) as b on a.key = b.key
    where before is not null and a.value is distinct from b.value
$$;
COMMENT ON FUNCTION bridge.changed_keys(before jsonb, after jsonb) IS 'First-level attributes that differ between two bodies; empty when there is no earlier one';

CREATE FUNCTION bridge.daily_flow_code(at timestamp with time zone, kind integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (((floor(((EXTRACT(epoch FROM at) - (946684800)::numeric) / (900)::numeric)))::integer * 16) + kind);
END;
COMMENT ON FUNCTION bridge.daily_flow_code(at timestamp with time zone, kind integer) IS 'Time and kind as one number: quarters of an hour since 2000-01-01 (UTC), times 16, plus the kind. Days begin at a quarter in every time zone';

CREATE FUNCTION bridge.daily_flow_day(code integer, zone text) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT ((to_timestamp(((946684800)::double precision + (((code >> 4))::double precision * (900.0)::double precision))) AT TIME ZONE zone))::date AS timezone;
END;
COMMENT ON FUNCTION bridge.daily_flow_day(code integer, zone text) IS 'The day of a number that bridge.daily_flow_code made, in a time zone';

CREATE TABLE bridge.source (
    id smallint NOT NULL,
    name text NOT NULL,
    url text DEFAULT ''::text NOT NULL,
    version text,
    callback_secret text DEFAULT ''::text NOT NULL,
    mode text DEFAULT 'poll'::text NOT NULL,
    mode_since timestamp with time zone DEFAULT now() NOT NULL,
    last_push_at timestamp with time zone,
    last_error text,
    last_error_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    current_secret text,
    previous_secret text,
    retired_secrets bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    fallback_reason text,
    poll_requested_at timestamp with time zone,
    failing_jobs jsonb DEFAULT '{}'::jsonb NOT NULL,
    moved_at timestamp with time zone,
    passes_since_move smallint DEFAULT 0 NOT NULL,
    CONSTRAINT source_mode_check CHECK ((mode = ANY (ARRAY['push'::text, 'fallback'::text, 'poll'::text, 'disabled'::text])))
);
ALTER TABLE bridge.source ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.source_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.source
    ADD CONSTRAINT source_name_key UNIQUE (name);
ALTER TABLE ONLY bridge.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (id);
COMMENT ON TABLE bridge.source IS 'A TMF656 server we take service problems from, by its name in the configuration';
COMMENT ON COLUMN bridge.source.id IS 'Short key used in every other table';
COMMENT ON COLUMN bridge.source.name IS 'Name in the configuration, [sources.NAME]';
COMMENT ON COLUMN bridge.source.url IS 'API base path as last configured';
COMMENT ON COLUMN bridge.source.version IS 'Version of TMF656 it speaks, as its problems look; null while not known';
COMMENT ON COLUMN bridge.source.callback_secret IS 'Last part of the callback path when the configuration sets none; made once';
COMMENT ON COLUMN bridge.source.mode IS 'push: notifications arrive; fallback: they should but do not; poll: no push wanted or offered; disabled';
COMMENT ON COLUMN bridge.source.mode_since IS 'When the mode last changed';
COMMENT ON COLUMN bridge.source.last_push_at IS 'When a notification was last accepted (written at most every few seconds)';
COMMENT ON COLUMN bridge.source.last_error IS 'What last went wrong with this source, in words; null when it works';
COMMENT ON COLUMN bridge.source.last_error_at IS 'When it last went wrong';
COMMENT ON COLUMN bridge.source.created_at IS 'When the bridge first knew of this source';
COMMENT ON COLUMN bridge.source.current_secret IS 'Secret in the callback as last registered: the configured one, else callback_secret';
COMMENT ON COLUMN bridge.source.previous_secret IS 'The one before, still accepted; null when there was none';
COMMENT ON COLUMN bridge.source.retired_secrets IS 'Hashes of older ones, answered 410';
COMMENT ON COLUMN bridge.source.fallback_reason IS 'Why the mode is fallback, in words; null in any other';
COMMENT ON COLUMN bridge.source.poll_requested_at IS 'When a process that does not poll asked the leader for a poll, mostly because an event names no problem; null once the poll has begun';
COMMENT ON COLUMN bridge.source.failing_jobs IS 'Jobs that have failed since they last worked: name → failures (in a row), failed_at, error';
COMMENT ON COLUMN bridge.source.moved_at IS 'Since when its deletions wait, because its problems are read from another address than before; null: they do not wait';
COMMENT ON COLUMN bridge.source.passes_since_move IS 'Complete passes in a row since then that listed nearly all known problems';

CREATE TABLE bridge.summary (
    singleton boolean DEFAULT true NOT NULL,
    complete boolean DEFAULT false NOT NULL,
    committed xid8 DEFAULT '0'::xid8 NOT NULL,
    change_id bigint DEFAULT 0 NOT NULL,
    scanned_source_id smallint DEFAULT 0 NOT NULL,
    scanned_id text DEFAULT ''::text NOT NULL,
    scanned_at timestamp with time zone,
    maintained_at timestamp with time zone,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    CONSTRAINT summary_singleton_check CHECK (singleton)
);
ALTER TABLE ONLY bridge.summary
    ADD CONSTRAINT summary_pkey PRIMARY KEY (singleton);
COMMENT ON TABLE bridge.summary IS 'How far the summaries have come; one row';
COMMENT ON COLUMN bridge.summary.singleton IS 'There is one row';
COMMENT ON COLUMN bridge.summary.complete IS 'Every problem has been summarised once; false: compute reports from the facts';
COMMENT ON COLUMN bridge.summary.committed IS 'Changes up to here (bridge.change.committed) …';
COMMENT ON COLUMN bridge.summary.change_id IS '… and here (bridge.change.id) are in the summaries';
COMMENT ON COLUMN bridge.summary.scanned_source_id IS 'How far the scan of all problems has come: source …';
COMMENT ON COLUMN bridge.summary.scanned_id IS '… and problem';
COMMENT ON COLUMN bridge.summary.scanned_at IS 'When the last complete scan ended; null while one runs';
COMMENT ON COLUMN bridge.summary.maintained_at IS 'The leader''s clock: when the summaries were last maintained';
COMMENT ON COLUMN bridge.summary.time_zone IS 'Time zone of the days of bridge.daily_flow';

CREATE TABLE bridge.watermark (
    source_id smallint NOT NULL,
    kind text NOT NULL,
    changed_at timestamp with time zone,
    filter_style text,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    problems bigint DEFAULT 0 NOT NULL,
    CONSTRAINT watermark_kind_check CHECK ((kind = ANY (ARRAY['poll'::text, 'reconcile'::text])))
);
ALTER TABLE ONLY bridge.watermark
    ADD CONSTRAINT watermark_pkey PRIMARY KEY (source_id, kind);
COMMENT ON TABLE bridge.watermark IS 'How far polling and reconciling have come';
COMMENT ON COLUMN bridge.watermark.source_id IS 'Source';
COMMENT ON COLUMN bridge.watermark.kind IS 'poll: changes since; reconcile: everything';
COMMENT ON COLUMN bridge.watermark.changed_at IS 'Source''s clock: changes up to here have been read (poll only)';
COMMENT ON COLUMN bridge.watermark.filter_style IS 'The way of asking for changes this server honours; null while not known';
COMMENT ON COLUMN bridge.watermark.started_at IS 'Our clock: when the last complete pass began';
COMMENT ON COLUMN bridge.watermark.finished_at IS 'Our clock: when it ended';
COMMENT ON COLUMN bridge.watermark.problems IS 'How many different problems that pass returned';

CREATE FUNCTION bridge.summary_usable() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (m.complete AND (m.committed <= pg_snapshot_xmax(pg_current_snapshot())) AND (NOT (EXISTS ( SELECT
            FROM (bridge.source s
              LEFT JOIN bridge.watermark w ON ((s.id = w.source_id)))
           WHERE (GREATEST(s.last_push_at, w.finished_at) > (m.maintained_at + '00:05:00'::interval))))))
    FROM bridge.summary m;
END;
COMMENT ON FUNCTION bridge.summary_usable() IS 'Whether reports may use bridge.resolution together with bridge.unsummarised(). No before it is complete, no when the position counts transactions of another server (restored dump), and no when something was received five minutes after the summaries were last maintained';

CREATE TABLE bridge.report_setting (
    singleton boolean DEFAULT true NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    CONSTRAINT report_setting_singleton_check CHECK (singleton)
);
ALTER TABLE ONLY bridge.report_setting
    ADD CONSTRAINT report_setting_pkey PRIMARY KEY (singleton);
COMMENT ON TABLE bridge.report_setting IS 'Settings of schema report; one row';
COMMENT ON COLUMN bridge.report_setting.singleton IS 'There is one row';
COMMENT ON COLUMN bridge.report_setting.time_zone IS 'Time zone of the days in reports; set by report.set_time_zone';

CREATE FUNCTION report.time_zone() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    BEGIN ATOMIC
 SELECT COALESCE(NULLIF(current_setting('report.time_zone'::text, true), ''::text), ( SELECT s.time_zone
            FROM bridge.report_setting s)) AS "coalesce";
END;
COMMENT ON FUNCTION report.time_zone() IS 'Time zone of the days in reports: what `set report.time_zone = …` has set in this session, else what report.set_time_zone has set for all (UTC at first)';

CREATE FUNCTION bridge.daily_flow_usable() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (bridge.summary_usable() AND (m.time_zone = report.time_zone()))
    FROM bridge.summary m;
END;
COMMENT ON FUNCTION bridge.daily_flow_usable() IS 'Whether report.daily_flow may use the sums of bridge.daily_flow, which are those of one time zone';

CREATE FUNCTION bridge.drop_notification_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
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
COMMENT ON FUNCTION bridge.drop_notification_day(day date) IS 'Drop the partition of a day of the log that is a week old or older; in the owner''s name';

CREATE FUNCTION bridge.list_element(list jsonb, word text) RETURNS TABLE(ordinal integer, item jsonb)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (e.ordinality)::integer AS ordinal,
         CASE
             WHEN (jsonb_typeof(e.value) = 'object'::text) THEN e.value
             ELSE jsonb_build_object(list_element.word, e.value)
         END AS item
    FROM jsonb_array_elements(
         CASE
             WHEN (jsonb_typeof(list_element.list) = 'array'::text) THEN list_element.list
             WHEN (jsonb_typeof(list_element.list) <> 'null'::text) THEN jsonb_build_array(list_element.list)
             ELSE NULL::jsonb
         END) WITH ORDINALITY e(value, ordinality)
   WHERE (jsonb_typeof(e.value) <> 'null'::text);
END;
COMMENT ON FUNCTION bridge.list_element(list jsonb, word text) IS 'The elements of a list, as objects. What came without its list is a list of one; what is no object is the value of attribute `word`';

CREATE FUNCTION bridge.element_names(list jsonb, word text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT COALESCE(array_agg(DISTINCT (n.name COLLATE "C") ORDER BY (n.name COLLATE "C")), '{}'::text[]) AS "coalesce"
    FROM ( SELECT COALESCE((e.item ->> 'name'::text), (e.item ->> 'id'::text)) AS name
            FROM bridge.list_element(element_names.list, element_names.word) e(ordinal, item)) n
   WHERE (n.name IS NOT NULL);
END;
COMMENT ON FUNCTION bridge.element_names(list jsonb, word text) IS 'The names, else ids, of the elements of a list, each once; what is no object is the value of attribute `word`';

CREATE FUNCTION bridge.extra_value(body jsonb, path jsonpath) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT NULLIF(jsonb_path_query_first(body, path, '{}'::jsonb, true), 'null'::jsonb) AS "nullif";
END;
COMMENT ON FUNCTION bridge.extra_value(body jsonb, path jsonpath) IS 'The first value at a path, null when there is none';

CREATE FUNCTION bridge.extra_boolean(body jsonb, path jsonpath) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (lower(TRIM(BOTH FROM v.text)) = ANY (ARRAY['true'::text, 't'::text, 'yes'::text, 'y'::text, 'on'::text, '1'::text])) THEN true
             WHEN (lower(TRIM(BOTH FROM v.text)) = ANY (ARRAY['false'::text, 'f'::text, 'no'::text, 'n'::text, 'off'::text, '0'::text])) THEN false
             ELSE NULL::boolean
         END AS "case"
    FROM ( SELECT (bridge.extra_value(extra_boolean.body, extra_boolean.path) #>> '{}'::text[]) AS text) v;
END;
COMMENT ON FUNCTION bridge.extra_boolean(body jsonb, path jsonpath) IS 'The first value at a path as true or false, null when it is neither';

CREATE FUNCTION bridge.extra_numeric(body jsonb, path jsonpath) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (v.text ~ '^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$'::text) THEN (v.text)::numeric
             ELSE NULL::numeric
         END AS "case"
    FROM ( SELECT (bridge.extra_value(extra_numeric.body, extra_numeric.path) #>> '{}'::text[]) AS text) v;
END;
COMMENT ON FUNCTION bridge.extra_numeric(body jsonb, path jsonpath) IS 'The first value at a path as a number, null when it is none';

CREATE FUNCTION bridge.grant_links_to_front() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant select on bridge.request_state, bridge.console_rule, bridge.console_link, bridge.console_write, bridge.console_conflict to bridge_front;
    grant select on bridge.service_problem_with_body to bridge_front;
end
$$;
COMMENT ON FUNCTION bridge.grant_links_to_front() IS 'Grant role bridge_front what the pages about links need, where the role exists; repeated by `migrate`';

CREATE FUNCTION bridge.grant_lists_to_front() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if exists (select from pg_roles where rolname = 'bridge_front') then
        grant select, insert, update, delete on bridge.saved_view to bridge_front;
        grant select on bridge.console_counterpart to bridge_front;
    end if;
end
$$;
COMMENT ON FUNCTION bridge.grant_lists_to_front() IS 'Grant role bridge_front what saved views and columns of linked tickets need, where the role exists; repeated by `migrate`';

CREATE FUNCTION bridge.grant_login_to_front() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if exists (select from pg_roles where rolname = 'bridge_front') then
        grant select (moved_at, passes_since_move) on bridge.source to bridge_front;
    end if;
end
$$;
COMMENT ON FUNCTION bridge.grant_login_to_front() IS 'Grant role bridge_front what the page of sources needs to say that deletions wait, where the role exists; repeated by `migrate`';

CREATE FUNCTION bridge.grant_pages_to_front() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant select on bridge.problem_timeline, bridge.console_source, bridge.request, bridge.setting, bridge.setting_revision to bridge_front;
    grant insert on bridge.request, bridge.setting_revision to bridge_front;
    grant select on bridge.lease, bridge.dead_letter, bridge.unmapped_value to bridge_front;
end
$$;
COMMENT ON FUNCTION bridge.grant_pages_to_front() IS 'Grant role bridge_front what the pages about one problem, sources, dead letters and settings need, where the role exists; repeated by `migrate`';

CREATE FUNCTION bridge.grant_search_to_front() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant select on bridge.problem_search, bridge.search_state, bridge.console_facet to bridge_front;
end
$$;
COMMENT ON FUNCTION bridge.grant_search_to_front() IS 'Grant role bridge_front what searches need, where the role exists; repeated by `migrate`';

CREATE FUNCTION bridge.grant_to_front() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant usage on schema bridge, bridge_migration, report to bridge_front;
    grant select on bridge_migration.applied to bridge_front;
    grant select on all tables in schema report to bridge_front;
    alter default privileges in schema report grant select on tables to bridge_front;
    grant select on bridge.console_problem, bridge.audit to bridge_front;
    grant select (id, name) on bridge.source to bridge_front;
    grant insert on bridge.audit to bridge_front;
    grant select, insert, update, delete on bridge.console_session to bridge_front;
    grant select, update (password_hash) on bridge.console_user to bridge_front;
    begin
        -- the user that runs the bridge may take on this role
        if exists (select from pg_roles where rolname = 'bridge_writer') then
            grant bridge_front to bridge_writer;
        end if;
        execute format('grant bridge_front to %I', current_user);
    exception
        when insufficient_privilege then
            raise notice 'let an administrator "grant bridge_front to" the user of database.dsn, or the console has the rights of that user';
    end;
end
$$;
COMMENT ON FUNCTION bridge.grant_to_front() IS 'Grant role bridge_front what the console needs, where the role exists; repeated by `migrate`';

CREATE FUNCTION bridge.hour_of(at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT date_bin('01:00:00'::interval, at, '2000-01-01 00:00:00+00'::timestamp with time zone) AS date_bin;
END;
COMMENT ON FUNCTION bridge.hour_of(at timestamp with time zone) IS 'Start of the hour, in UTC';

CREATE FUNCTION bridge.make_notification_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION bridge.make_notification_day(day date) IS 'Make the partition of a day of the log, unless it is there; in the owner''s name';

CREATE FUNCTION bridge.notify_change(changed_source_id smallint, changed_ids text[]) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT pg_notify('service_problem_changed'::text,
         CASE
             WHEN (octet_length(t.payload) < 8000) THEN t.payload
             ELSE (json_build_object('source', t.name, 'more', true))::text
         END) AS pg_notify
    FROM ( SELECT s.name,
             (json_build_object('source', s.name, 'ids', notify_change.changed_ids))::text AS payload
            FROM bridge.source s
           WHERE ((s.id = notify_change.changed_source_id) AND (pg_notification_queue_usage() < (0.5)::double precision))) t;
END;
COMMENT ON FUNCTION bridge.notify_change(changed_source_id smallint, changed_ids text[]) IS 'Notifies listeners of changed problems: {"source", "ids"}, or {"source", "more": true} where that would exceed the 8,000 bytes of a notification. Nothing is sent while the queue of Postgres is half full (a listener does not fetch), because a full queue fails every commit; bridge.change has every change';

CREATE FUNCTION bridge.parse_integer(value jsonb) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((n.number = trunc(n.number)) AND ((n.number >= ('-2147483648'::integer)::numeric) AND (n.number <= (2147483647)::numeric))) THEN (n.number)::integer
             ELSE NULL::integer
         END AS "case"
    FROM ( SELECT
                 CASE
                     WHEN ((jsonb_typeof(parse_integer.value) = 'number'::text) OR ((jsonb_typeof(parse_integer.value) = 'string'::text) AND ((parse_integer.value #>> '{}'::text[]) ~ '^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$'::text))) THEN ((parse_integer.value #>> '{}'::text[]))::numeric
                     ELSE NULL::numeric
                 END AS number) n;
END;
COMMENT ON FUNCTION bridge.parse_integer(value jsonb) IS 'A whole number of 32 bits that may have been sent as text or as 1.0, else null';

CREATE FUNCTION bridge.parse_timestamp(value jsonb) RETURNS timestamp with time zone
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $_$
declare
    common constant text := '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?'
        || '(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$';
    form constant text := '^\s*([0-9]{4})-?([0-9]{2})-?([0-9]{2})'
        || '(?:(?:[T_]| +)([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]*))?)?)?)?'
        || ' *(?:(?:Z|UTC|GMT)|([+-])([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:\.[0-9]+)?)?)?)?\s*$';
    written constant text := value #>> '{}';
    part text[];
    clock integer[];
    month_begin timestamp;
    ahead interval;
    seconds numeric;
    at timestamptz;
begin
    -- what nearly all sources write, ten times faster
    if jsonb_typeof(value) = 'string' and written ~ common and written ~ '^(197[1-9]|19[89][0-9]|20[0-9]{2}|21[0-8])' then
        return written::timestamptz;
    end if;
    if jsonb_typeof(value) = 'string' then
        part := regexp_match(written, form, 'i');
    elsif jsonb_typeof(value) is distinct from 'number' then
        return null;
    end if;
    if part is null then
        if jsonb_typeof(value) = 'string' and written !~ '^\s*[+-]?[0-9]{9,16}(\.[0-9]{1,9})?\s*$' then
            return null;
        end if;
        seconds := written::numeric;
        -- milliseconds, but for 9999-12-31 in seconds
        if abs(seconds) >= 100000000000 and not (seconds >= 253402214400 and seconds < 253402300801) then
            seconds := seconds / 1000;
        end if;
        if seconds not between -62135596800 and 253402300800 then
            return null;
        end if;
        at := timestamptz '1970-01-01 00:00:00+00'
            + make_interval(days => div(seconds, 86400)::integer, secs => mod(seconds, 86400)::double precision);
    else
        -- year, month, day, hour, minute, second, microsecond
        clock := array[
            part[1], part[2], part[3], coalesce(part[4], '0'), coalesce(part[5], '0'), coalesce(part[6], '0'),
            rpad(left(coalesce(part[7], ''), 6), 6, '0')
        ]::integer[];
        if clock[1] = 0 or clock[2] not between 1 and 12 then
            return null;
        end if;
        month_begin := make_timestamp(clock[1], clock[2], 1, 0, 0, 0);
        if clock[3] not between 1 and extract(day from month_begin + interval '1 month - 1 day') then
            return null;
        end if;
        -- 24:00 ends a day, and a leap second is the 61st of its minute
        if clock[4] > 24 or clock[5] > 59 or clock[6] > 60 or (clock[6] = 60 and clock[5] <> 59)
            or (clock[4] = 24 and clock[5] + clock[6] + clock[7] > 0)
        then
            return null;
        end if;
        ahead := make_interval(
            hours => coalesce(part[9], '0')::integer,
            mins => coalesce(part[10], '0')::integer,
            secs => coalesce(part[11], '0')::integer
        );
        if ahead >= interval '24 hours' then
            return null;
        end if;
        at := (
            month_begin
            + make_interval(days => clock[3] - 1, hours => clock[4], mins => clock[5], secs => clock[6])
            + clock[7] * interval '1 microsecond'
            - case part[8] when '-' then -ahead else ahead end
        ) at time zone 'UTC';
    end if;
    -- what stands for no time: 0001-01-01, 1970-01-01, 9999-12-31
    if at < timestamptz '1970-01-02 00:00:00+00' or at >= timestamptz '2200-01-01 00:00:00+00' then
        return null;
    end if;
    return at;
end
$_$;
COMMENT ON FUNCTION bridge.parse_timestamp(value jsonb) IS 'An instant in any form that sources write (ISO 8601 and its relatives, UTC when no zone is given; epoch seconds or milliseconds), else null; null too for what stands for no time (before 1970-01-02, from 2200 on)';

CREATE FUNCTION bridge.plausible(at timestamp with time zone, received_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((at > to_timestamp((86400)::double precision)) AND (EXTRACT(epoch FROM at) <= (EXTRACT(epoch FROM received_at) + (86400)::numeric))) THEN at
             ELSE NULL::timestamp with time zone
         END AS "case";
END;
COMMENT ON FUNCTION bridge.plausible(at timestamp with time zone, received_at timestamp with time zone) IS 'The time, or null when it cannot be meant: before 2 January 1970 (programs write their epoch for "none") or more than a day after it was received';

CREATE FUNCTION bridge.raise_concurrent_update() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    raise serialization_failure using message = 'another writer changed the same problems first';
end
$$;
COMMENT ON FUNCTION bridge.raise_concurrent_update() IS 'Raises serialization_failure, which undoes the statement: another writer changed the same problems first';

CREATE TABLE bridge.change (
    committed xid8 DEFAULT pg_current_xact_id() NOT NULL,
    id bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    source_id smallint NOT NULL,
    problem_ids text[] NOT NULL
);
ALTER TABLE bridge.change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.change
    ADD CONSTRAINT change_pkey PRIMARY KEY (committed, id);
COMMENT ON TABLE bridge.change IS 'The problems that a transaction changed, one row for each transaction and source; kept for a day';
COMMENT ON COLUMN bridge.change.committed IS 'The transaction. Who reads only transactions below pg_snapshot_xmin(pg_current_snapshot()) misses none';
COMMENT ON COLUMN bridge.change.id IS 'Tells rows of one transaction apart';
COMMENT ON COLUMN bridge.change.changed_at IS 'When the transaction began';
COMMENT ON COLUMN bridge.change.source_id IS 'Source';
COMMENT ON COLUMN bridge.change.problem_ids IS 'Problems whose current row, versions or statuses changed or were pruned';

CREATE TABLE bridge.search_state (
    singleton boolean DEFAULT true NOT NULL,
    kept text DEFAULT 'off'::text NOT NULL,
    complete boolean DEFAULT false NOT NULL,
    committed xid8 DEFAULT '0'::xid8 NOT NULL,
    change_id bigint DEFAULT 0 NOT NULL,
    scanned_source_id smallint DEFAULT 0 NOT NULL,
    scanned_id text DEFAULT ''::text NOT NULL,
    scanned_problems bigint DEFAULT 0 NOT NULL,
    scanned_at timestamp with time zone,
    CONSTRAINT search_state_kept_check CHECK ((kept = ANY (ARRAY['off'::text, 'open'::text, 'all'::text]))),
    CONSTRAINT search_state_singleton_check CHECK (singleton)
);
ALTER TABLE ONLY bridge.search_state
    ADD CONSTRAINT search_state_pkey PRIMARY KEY (singleton);
COMMENT ON TABLE bridge.search_state IS 'How far bridge.problem_search has come; one row';
COMMENT ON COLUMN bridge.search_state.singleton IS 'There is one row';
COMMENT ON COLUMN bridge.search_state.kept IS 'Which problems have a row: all, open ones, or none (off); as the leader last took it from console.search';
COMMENT ON COLUMN bridge.search_state.complete IS 'Every problem that is to have a row was looked at; false: a scan goes on, and searches read the problems one by one';
COMMENT ON COLUMN bridge.search_state.committed IS 'Changes up to here (bridge.change.committed) …';
COMMENT ON COLUMN bridge.search_state.change_id IS '… and here (bridge.change.id) are in bridge.problem_search';
COMMENT ON COLUMN bridge.search_state.scanned_source_id IS 'How far the scan of all problems has come: source …';
COMMENT ON COLUMN bridge.search_state.scanned_id IS '… and problem';
COMMENT ON COLUMN bridge.search_state.scanned_problems IS 'How many problems the scan has looked at';
COMMENT ON COLUMN bridge.search_state.scanned_at IS 'When the last complete scan ended; null while one runs, and where none ever ran';

CREATE FUNCTION bridge.search_covers() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((NOT s.complete) OR (s.committed > pg_snapshot_xmax(pg_current_snapshot()))) THEN 'off'::text
             WHEN COALESCE(( SELECT ((c.id <> 1) AND (ROW(s.committed, s.change_id) < ROW(c.committed, c.id)))
                FROM bridge.change c
               ORDER BY c.committed, c.id
              LIMIT 1), false) THEN 'off'::text
             ELSE s.kept
         END AS kept
    FROM bridge.search_state s;
END;
COMMENT ON FUNCTION bridge.search_covers() IS 'Which problems bridge.problem_search can be asked about together with bridge.unsearched: all, open, or none (off)';

CREATE FUNCTION bridge.search_text(id text, body jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT regexp_replace(lower(concat_ws(' '::text, id, "left"((body ->> 'name'::text), 4000), "left"((body ->> 'description'::text), 4000), "left"((body ->> 'reason'::text), 4000), "left"((body ->> 'externalIdentifier'::text), 4000))), '[[:cntrl:]]'::text, ' '::text, 'g'::text) AS regexp_replace;
END;
COMMENT ON FUNCTION bridge.search_text(id text, body jsonb) IS 'What words are looked for in, in lower case: id, name, description, reason and external ids, of each the first 4,000 characters';

CREATE FUNCTION bridge.search_words(content text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT COALESCE(array_agg(DISTINCT ("left"(w.word, 40) COLLATE "C")), '{}'::text[]) AS "coalesce"
    FROM ( SELECT array_to_string(c.parts[p.place:(p.place + 40)], ''::text) AS word
            FROM (( SELECT string_to_array(t.chunk, chr(1)) AS parts
                    FROM unnest(string_to_array(regexp_replace(regexp_replace(search_words.content, '[[:alpha:]]+|[[:digit:]]+'::text, (chr(1) || '\&'::text), 'g'::text), (chr(1) || '0+(?=[1-9])'::text), ('\&'::text || chr(1)), 'g'::text), ' '::text)) t(chunk)) c
              CROSS JOIN LATERAL generate_series(1, cardinality(c.parts)) p(place))) w
   WHERE (w.word <> ''::text);
END;
COMMENT ON FUNCTION bridge.search_words(content text) IS 'What stands in a text from each place on where a word can begin, up to the next space and 40 characters: after a space, where letters or digits begin, and after leading zeros';

CREATE FUNCTION bridge.search_finds(id text, body jsonb, words text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (EXISTS ( SELECT
                FROM unnest(search_finds.words) q(word)
               WHERE (strpos(bridge.search_text(search_finds.id, search_finds.body), "left"(lower(q.word), 40)) = 0))) THEN false
             ELSE (NOT (EXISTS ( SELECT
                FROM unnest(search_finds.words) q(word)
               WHERE (NOT (EXISTS ( SELECT
                        FROM unnest(bridge.search_words(bridge.search_text(search_finds.id, search_finds.body))) t(word)
                       WHERE starts_with(t.word, "left"(lower(q.word), 40))))))))
         END AS "case";
END;
COMMENT ON FUNCTION bridge.search_finds(id text, body jsonb, words text[]) IS 'Does a word of this problem begin with each of these?';

CREATE FUNCTION bridge.search_lag(most integer) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    BEGIN ATOMIC
 SELECT count(*) AS count
    FROM ( SELECT u.id
            FROM ((bridge.search_state s
              JOIN bridge.change c ON ((ROW(c.committed, c.id) > ROW(s.committed, s.change_id))))
              CROSS JOIN LATERAL unnest(c.problem_ids) u(id))
          LIMIT search_lag.most) t;
END;
COMMENT ON FUNCTION bridge.search_lag(most integer) IS 'How many mentions of problems in changes wait for their words, counted up to so many';

CREATE FUNCTION bridge.search_query(words text[], refs text[]) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (string_agg(q.term, ' & '::text))::tsquery AS string_agg
    FROM ( SELECT ((''''::text || replace(replace("left"(lower(u.word), 40), '\'::text, '\\'::text), ''''::text, ''''''::text)) || ''':*'::text) AS term
            FROM unnest(search_query.words) u(word)
         UNION ALL
          SELECT ((''''::text || replace(replace(u.word, '\'::text, '\\'::text), ''''::text, ''''''::text)) || ''''::text) AS term
            FROM unnest(search_query.refs) u(word)) q;
END;
COMMENT ON FUNCTION bridge.search_query(words text[], refs text[]) IS 'The same question for bridge.problem_search.words: a word begins with each of the first, and each of the second is a reference';

CREATE FUNCTION bridge.search_references(body jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT COALESCE(array_agg(DISTINCT (r.word COLLATE "C")), '{}'::text[]) AS "coalesce"
    FROM ( SELECT ('service '::text || n.name) AS word
            FROM ((( SELECT search_references.body AS whole) b
              CROSS JOIN LATERAL bridge.list_element((b.whole -> 'affectedService'::text), 'id'::text) e(ordinal, item))
              CROSS JOIN LATERAL ( VALUES ((e.item ->> 'id'::text)), ((e.item ->> 'name'::text))) n(name))
           WHERE (length(n.name) <= 200)
         UNION ALL
          SELECT ('party '::text || n.name) AS word
            FROM ((( SELECT search_references.body AS whole) b
              CROSS JOIN LATERAL bridge.list_element((b.whole -> 'relatedParty'::text), 'name'::text) e(ordinal, item))
              CROSS JOIN LATERAL ( VALUES ((e.item ->> 'partyId'::text)), ((e.item ->> 'id'::text)), ((e.item ->> 'partyName'::text)), ((e.item ->> 'name'::text))) n(name))
           WHERE (length(n.name) <= 200)
         UNION ALL
          SELECT ('place '::text || n.name) AS word
            FROM ((( SELECT search_references.body AS whole) b
              CROSS JOIN LATERAL bridge.list_element((b.whole -> 'affectedLocation'::text), 'name'::text) e(ordinal, item))
              CROSS JOIN LATERAL ( VALUES ((e.item ->> 'id'::text)), ((e.item ->> 'name'::text))) n(name))
           WHERE (length(n.name) <= 200)) r;
END;
COMMENT ON FUNCTION bridge.search_references(body jsonb) IS 'Ids and names of affected services, related parties and affected locations, each after what it is; those above 200 characters cannot be asked for';

CREATE FUNCTION bridge.set_extra_columns(columns jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    AS $_$
declare
    made text[];
    wanted text[];
    fault text;
    definition text;
begin
    perform pg_advisory_xact_lock(656000003);
    create temporary table wanted_column on commit drop as
    select
        s.key as source,
        c.key as name,
        case
            when c.value like '$%' then split_part(c.value, '::', 1)
            else (select '$' || string_agg('.' || to_json(w.word)::text, '' order by w.n)
                from unnest(string_to_array(split_part(c.value, '::', 1), '.')) with ordinality as w (word, n))
        end as path,
        coalesce(nullif(substring(c.value from '::([a-z]+)$'), ''), 'text') as type
    from jsonb_each(columns) as s
    cross join lateral jsonb_each_text(s.value) as c;
    if not exists (
        (table wanted_column except select e.source, e.name, e.path, e.type from bridge.extra_column as e)
        union all
        (select e.source, e.name, e.path, e.type from bridge.extra_column as e except table wanted_column)
    ) then
        drop table wanted_column;
        return false;
    end if;
    select format('sources.%s.columns.%s: the name is taken by a column of the view; choose another', w.source, w.name) into fault
    from wanted_column as w where w.name in ('source', 'id', 'deleted_at') or w.name !~ '^[a-z_][a-z0-9_]{0,62}$' limit 1;
    if fault is null then
        select format('sources.*.columns.%s has several types (%s); give it the same everywhere', w.name, string_agg(distinct w.type, ', '))
        into fault
        from wanted_column as w group by w.name having count(distinct w.type) > 1 limit 1;
    end if;
    if fault is not null then
        raise invalid_parameter_value using message = fault;
    end if;
    delete from bridge.extra_column;
    insert into bridge.extra_column (source, name, path, type)
    select w.source, w.name, w.path, w.type from wanted_column as w;
    drop table wanted_column;

    -- columns that are there keep their place, so that the views of others on this one stay
    select array_agg(a.attname::text order by a.attnum) into made
    from pg_attribute as a
    where a.attrelid = 'report.service_problem_extra'::regclass and a.attnum > 3 and not a.attisdropped;
    select array_agg(e.name order by array_position(made, e.name), e.name) into wanted
    from (select distinct x.name from bridge.extra_column as x) as e;
    if exists (
        select from pg_attribute as a
        left join (select distinct x.name, x.type from bridge.extra_column as x) as e on a.attname = e.name
        where a.attrelid = 'report.service_problem_extra'::regclass and a.attnum > 3
            and format_type(a.atttypid, null) is distinct from case e.type when 'timestamptz' then 'timestamp with time zone' else e.type end
    ) then
        drop view report.service_problem_extra;
    end if;
    select string_agg(format(
        E',\n    case s.name %s end as %I',
        (
            select string_agg(format(
                'when %L then %s', e.source, case e.type
                    when 'numeric' then format('bridge.extra_numeric(p.body, %L)', e.path)
                    when 'boolean' then format('bridge.extra_boolean(p.body, %L)', e.path)
                    when 'timestamptz' then format('bridge.parse_timestamp(bridge.extra_value(p.body, %L))', e.path)
                    when 'jsonb' then format('bridge.extra_value(p.body, %L)', e.path)
                    else format('(bridge.extra_value(p.body, %L) #>> ''{}'')', e.path)
                end
            ), ' ' order by e.source)
            from bridge.extra_column as e where e.name = n.name
        ),
        n.name
    ), '' order by n.place) into definition
    from unnest(wanted) with ordinality as n (name, place);
    execute 'create or replace view report.service_problem_extra as select s.name as source, p.id, p.deleted_at' || coalesce(definition, '')
        || ' from bridge.service_problem_with_body as p inner join bridge.source as s on p.source_id = s.id';
    comment on view report.service_problem_extra is
    'Attributes that the configuration of a source names (sources.NAME.columns), a column each; of deleted problems too. Key: source, id. '
    'Joins: report.service_problem on source, id';
    comment on column report.service_problem_extra.source is 'Name of the source in the bridge''s configuration';
    comment on column report.service_problem_extra.id is 'Id of the problem at its source';
    comment on column report.service_problem_extra.deleted_at is 'Since when the problem is gone at its source; null while it exists';
    for definition in
        select format('comment on column report.service_problem_extra.%I is %L', e.name, string_agg(format('%s: %s', e.source, e.path), '; ' order by e.source))
        from bridge.extra_column as e group by e.name
    loop
        execute definition;
    end loop;
    return true;
end
$_$;
COMMENT ON FUNCTION bridge.set_extra_columns(columns jsonb) IS 'Make the columns of report.service_problem_extra those of the configuration, {source: {name: path}}; return whether anything changed. A path is dotted names or a JSON path from $ on, then ::numeric, ::boolean, ::timestamptz or ::jsonb where it is not text';

CREATE FUNCTION bridge.unsearched(most integer) RETURNS TABLE(source_id smallint, id text)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 PARALLEL SAFE
    BEGIN ATOMIC
 SELECT DISTINCT t.source_id,
     t.id
    FROM ( SELECT c.source_id,
             u.id
            FROM ((bridge.search_state s
              JOIN bridge.change c ON ((ROW(c.committed, c.id) > ROW(s.committed, s.change_id))))
              CROSS JOIN LATERAL unnest(c.problem_ids) u(id))
          LIMIT unsearched.most) t;
END;
COMMENT ON FUNCTION bridge.unsearched(most integer) IS 'Problems that changed after their words were computed, of the first so many mentions; null: all';

CREATE FUNCTION bridge.unsummarised() RETURNS TABLE(source_id smallint, id text)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 PARALLEL SAFE
    BEGIN ATOMIC
 SELECT DISTINCT c.source_id,
     u.id
    FROM ((bridge.summary m
      JOIN bridge.change c ON ((ROW(c.committed, c.id) > ROW(m.committed, m.change_id))))
      CROSS JOIN LATERAL unnest(c.problem_ids) u(id));
END;
COMMENT ON FUNCTION bridge.unsummarised() IS 'Problems that changed after the summaries were computed';

CREATE TABLE bridge.service_problem (
    source_id smallint NOT NULL,
    priority integer,
    affected_services integer,
    revision integer NOT NULL,
    patched boolean DEFAULT false NOT NULL,
    has_partials boolean DEFAULT false NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    content_at timestamp with time zone,
    content_observed_at timestamp with time zone,
    confirmed_at timestamp with time zone,
    doubt_at timestamp with time zone,
    missed_at timestamp with time zone,
    deleted_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    status_changed_at timestamp with time zone,
    resolved_at timestamp with time zone,
    id text NOT NULL,
    via text NOT NULL,
    content_via text,
    status text NOT NULL,
    status_raw text,
    category text,
    content_hash bytea,
    doubt_hash bytea,
    body jsonb,
    list_digest bytea
)
WITH (fillfactor='85');
ALTER TABLE ONLY bridge.service_problem
    ADD CONSTRAINT service_problem_pkey PRIMARY KEY (source_id, id);
CREATE INDEX service_problem_created_at_idx ON bridge.service_problem USING btree (created_at, status, source_id, priority);
CREATE INDEX service_problem_deleted_facet_idx ON bridge.service_problem USING btree (source_id, status, priority, category) WHERE ((deleted_at IS NOT NULL) AND (status <> ''::text));
CREATE INDEX service_problem_deleted_updated_at_idx ON bridge.service_problem USING btree (updated_at, source_id, id) WHERE (deleted_at IS NOT NULL);
CREATE INDEX service_problem_facet_idx ON bridge.service_problem USING btree (source_id, status, priority, category) WHERE ((deleted_at IS NULL) AND (status <> ''::text));
CREATE INDEX service_problem_missed_idx ON bridge.service_problem USING btree (source_id, id) WHERE (missed_at IS NOT NULL);
CREATE INDEX service_problem_open_status_age_idx ON bridge.service_problem USING btree (COALESCE(status_changed_at, created_at, first_seen_at), source_id, id) WHERE ((deleted_at IS NULL) AND (status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])));
CREATE INDEX service_problem_open_urgency_idx ON bridge.service_problem USING btree (COALESCE(priority, 2147483647), COALESCE(created_at, first_seen_at), source_id, id) WHERE ((deleted_at IS NULL) AND (status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])));
CREATE INDEX service_problem_undated_idx ON bridge.service_problem USING btree (COALESCE(GREATEST(content_at, deleted_at), 'infinity'::timestamp with time zone)) WHERE ((updated_at IS NULL) OR (content_at IS NULL) OR (content_at > updated_at) OR (deleted_at IS NOT NULL));
CREATE INDEX service_problem_updated_at_status_idx ON bridge.service_problem USING btree (updated_at, status, source_id, priority, created_at);
COMMENT ON TABLE bridge.service_problem IS 'A service problem as it is now: the newest whole statement with the patches since merged over it; with its body: bridge.service_problem_with_body';
COMMENT ON COLUMN bridge.service_problem.source_id IS 'Source';
COMMENT ON COLUMN bridge.service_problem.priority IS 'Priority, 1 highest';
COMMENT ON COLUMN bridge.service_problem.affected_services IS 'affectedNumberOfServices, else how many are listed';
COMMENT ON COLUMN bridge.service_problem.revision IS 'Counts writes of this row; a writer that read an older revision starts over';
COMMENT ON COLUMN bridge.service_problem.patched IS 'Patches stand on top of the last whole statement';
COMMENT ON COLUMN bridge.service_problem.has_partials IS 'Some version of this problem came as a patch';
COMMENT ON COLUMN bridge.service_problem.effective_at IS 'Latest time any current statement claims';
COMMENT ON COLUMN bridge.service_problem.observed_at IS 'Our clock: when what is current was received, or asked for';
COMMENT ON COLUMN bridge.service_problem.content_at IS 'Since when the last whole statement holds; null while only patches are known';
COMMENT ON COLUMN bridge.service_problem.content_observed_at IS 'Our clock: when that was received, or asked for';
COMMENT ON COLUMN bridge.service_problem.confirmed_at IS 'Our clock: when we asked and the source answered exactly that; null when only pushed';
COMMENT ON COLUMN bridge.service_problem.doubt_at IS 'When that answer was asked for';
COMMENT ON COLUMN bridge.service_problem.missed_at IS 'Start of the complete reconcile pass that did not return this problem; a second one in a row deletes it';
COMMENT ON COLUMN bridge.service_problem.deleted_at IS 'Since when the problem is gone at its source';
COMMENT ON COLUMN bridge.service_problem.first_seen_at IS 'Our clock: when the bridge first received it';
COMMENT ON COLUMN bridge.service_problem.last_seen_at IS 'Our clock: when it was last received, other than by a poll or a reconcile pass that found it word for word as it was';
COMMENT ON COLUMN bridge.service_problem.created_at IS 'creationDate (timeRaised)';
COMMENT ON COLUMN bridge.service_problem.updated_at IS 'lastUpdate (timeChanged)';
COMMENT ON COLUMN bridge.service_problem.status_changed_at IS 'statusChangeDate';
COMMENT ON COLUMN bridge.service_problem.resolved_at IS 'resolutionDate';
COMMENT ON COLUMN bridge.service_problem.id IS 'Id of the problem at its source';
COMMENT ON COLUMN bridge.service_problem.via IS 'Which way the last change came: push, poll, reconcile, refetch';
COMMENT ON COLUMN bridge.service_problem.content_via IS 'Which way it came';
COMMENT ON COLUMN bridge.service_problem.status IS 'Normalised status';
COMMENT ON COLUMN bridge.service_problem.status_raw IS 'Status as the source wrote it';
COMMENT ON COLUMN bridge.service_problem.category IS 'Category';
COMMENT ON COLUMN bridge.service_problem.content_hash IS 'Hash of the last whole statement';
COMMENT ON COLUMN bridge.service_problem.doubt_hash IS 'Hash of an answer that looked older than what is known; believed when it comes again';
COMMENT ON COLUMN bridge.service_problem.body IS 'The whole problem, v4 attribute names; null: it is as the last whole statement has it, in the version of content_at and content_hash';
COMMENT ON COLUMN bridge.service_problem.list_digest IS 'Digest of a row of the source''s list as received, salted with the code that reads rows, followed by the content_hash of what was read from it';

CREATE VIEW bridge.problem_change AS
 SELECT s.name AS source,
    p.id,
    p.updated_at AS changed_at
   FROM (bridge.service_problem p
     JOIN bridge.source s ON ((p.source_id = s.id)))
UNION ALL
 SELECT s.name AS source,
    p.id,
    COALESCE(GREATEST(p.content_at, p.deleted_at), 'infinity'::timestamp with time zone) AS changed_at
   FROM (bridge.service_problem p
     JOIN bridge.source s ON ((p.source_id = s.id)))
  WHERE ((p.updated_at IS NULL) OR (p.content_at IS NULL) OR (p.content_at > p.updated_at) OR (p.deleted_at IS NOT NULL));
COMMENT ON VIEW bridge.problem_change IS 'When problems changed last, for report.changed_since: by their update time, and where that does not say it by what is known';
COMMENT ON COLUMN bridge.problem_change.source IS 'Name of the source';
COMMENT ON COLUMN bridge.problem_change.id IS 'Problem; it may be there twice';
COMMENT ON COLUMN bridge.problem_change.changed_at IS 'When it changed; infinity while only patches are known';

CREATE FUNCTION report.changed_since(at timestamp with time zone) RETURNS TABLE(source text, id text)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT DISTINCT p.source,
     p.id
    FROM bridge.problem_change p
   WHERE (p.changed_at >= changed_since.at);
END;
COMMENT ON FUNCTION report.changed_since(at timestamp with time zone) IS 'The service problems that were raised, changed or deleted since that time, by the source''s clock; where a source states no time of a change, or one that stands still, by what notifications say and else since the bridge received it. Key: source, id. Joins: report.service_problem and others on source, id';

CREATE FUNCTION report.parameter(name text, fallback text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT COALESCE(NULLIF(current_setting(('report.'::text || name), true), ''::text), fallback) AS "coalesce";
END;
COMMENT ON FUNCTION report.parameter(name text, fallback text) IS 'A parameter of a ready-made query: what `set report.NAME = …` has set in this session, else the second argument';

CREATE VIEW bridge.known_problem AS
 SELECT p.source_id,
    p.id,
    s.name AS source,
    p.first_seen_at,
    bridge.plausible(p.created_at, p.observed_at) AS created_at,
    bridge.plausible(p.resolved_at, p.observed_at) AS resolved_at
   FROM (bridge.service_problem p
     JOIN bridge.source s ON ((p.source_id = s.id)));
COMMENT ON VIEW bridge.known_problem IS 'Problems ever received, with the name of their source, for report.service_problem_at';
COMMENT ON COLUMN bridge.known_problem.source_id IS 'Source';
COMMENT ON COLUMN bridge.known_problem.id IS 'Problem';
COMMENT ON COLUMN bridge.known_problem.source IS 'Name of the source';
COMMENT ON COLUMN bridge.known_problem.first_seen_at IS 'When the bridge first received it';
COMMENT ON COLUMN bridge.known_problem.created_at IS 'When it was raised; null when the source does not say, or not plausibly';
COMMENT ON COLUMN bridge.known_problem.resolved_at IS 'When it was resolved; null when the source does not say, or not plausibly';

CREATE TABLE bridge.service_problem_version (
    source_id smallint NOT NULL,
    superseded boolean DEFAULT false NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone,
    problem_id text NOT NULL,
    kind text NOT NULL,
    via text NOT NULL,
    event_type text,
    status text NOT NULL,
    content_hash bytea NOT NULL,
    body_hash bytea,
    patch jsonb,
    body jsonb NOT NULL,
    CONSTRAINT service_problem_version_kind_check CHECK ((kind = ANY (ARRAY['full'::text, 'partial'::text, 'tombstone'::text])))
);
ALTER TABLE ONLY bridge.service_problem_version
    ADD CONSTRAINT service_problem_version_pkey PRIMARY KEY (source_id, problem_id, effective_at, content_hash);
CREATE INDEX service_problem_version_hour_idx ON bridge.service_problem_version USING brin (bridge.hour_of(observed_at));
COMMENT ON TABLE bridge.service_problem_version IS 'Facts: since effective_at the problem was so. A set: order of arrival does not matter';
COMMENT ON COLUMN bridge.service_problem_version.source_id IS 'Source';
COMMENT ON COLUMN bridge.service_problem_version.superseded IS 'A patch that a later answer of the source has overtaken; not part of the timeline';
COMMENT ON COLUMN bridge.service_problem_version.effective_at IS 'Since when it was so';
COMMENT ON COLUMN bridge.service_problem_version.observed_at IS 'Our clock: when it was received, or asked for';
COMMENT ON COLUMN bridge.service_problem_version.confirmed_at IS 'Our clock: when we asked and got exactly this';
COMMENT ON COLUMN bridge.service_problem_version.problem_id IS 'Problem';
COMMENT ON COLUMN bridge.service_problem_version.kind IS 'full: the whole problem; partial: a merge patch; tombstone: deleted';
COMMENT ON COLUMN bridge.service_problem_version.via IS 'Which way it came first';
COMMENT ON COLUMN bridge.service_problem_version.event_type IS 'Event that brought it; null for answers';
COMMENT ON COLUMN bridge.service_problem_version.status IS 'Normalised status of body';
COMMENT ON COLUMN bridge.service_problem_version.content_hash IS 'Hash of the statement (16 zero bytes: deleted)';
COMMENT ON COLUMN bridge.service_problem_version.body_hash IS 'Hash of body where it differs from the statement (patches)';
COMMENT ON COLUMN bridge.service_problem_version.patch IS 'The merge patch as received (partial only)';
COMMENT ON COLUMN bridge.service_problem_version.body IS 'The problem as it was, v4 attribute names; that of the last whole statement is the current one too where bridge.service_problem has none';

CREATE VIEW bridge.service_problem_with_body AS
 SELECT p.source_id,
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
    p.observed_at,
    p.first_seen_at,
    p.last_seen_at,
    p.missed_at,
    p.deleted_at,
    p.via,
    COALESCE(p.body, v.body) AS body
   FROM (bridge.service_problem p
     LEFT JOIN bridge.service_problem_version v ON (((p.source_id = v.source_id) AND (p.id = v.problem_id) AND (p.content_at = v.effective_at) AND (p.content_hash = v.content_hash) AND (p.body IS NULL))));
COMMENT ON VIEW bridge.service_problem_with_body IS 'A service problem as it is now, with its body, which the table keeps only in its version';
COMMENT ON COLUMN bridge.service_problem_with_body.source_id IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.id IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.revision IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.status IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.status_raw IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.category IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.priority IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.affected_services IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.created_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.updated_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.status_changed_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.resolved_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.observed_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.first_seen_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.last_seen_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.missed_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.deleted_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.via IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.service_problem_with_body.body IS 'The whole problem, v4 attribute names';

CREATE TABLE bridge.status_change (
    source_id smallint NOT NULL,
    partial boolean DEFAULT false NOT NULL,
    superseded boolean DEFAULT false NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    stated_at timestamp with time zone NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone,
    problem_id text NOT NULL,
    status text NOT NULL,
    status_raw text,
    via text NOT NULL
);
ALTER TABLE ONLY bridge.status_change
    ADD CONSTRAINT status_change_pkey PRIMARY KEY (source_id, problem_id, effective_at, status);
COMMENT ON TABLE bridge.status_change IS 'Facts: since effective_at the problem had this status';
COMMENT ON COLUMN bridge.status_change.source_id IS 'Source';
COMMENT ON COLUMN bridge.status_change.partial IS 'Stated by patches only';
COMMENT ON COLUMN bridge.status_change.superseded IS 'A later answer of the source contradicts the patch that stated it';
COMMENT ON COLUMN bridge.status_change.effective_at IS 'statusChangeDate, else the time of the version that says so';
COMMENT ON COLUMN bridge.status_change.stated_at IS 'Time of the earliest version that says so';
COMMENT ON COLUMN bridge.status_change.observed_at IS 'Our clock: when it was first received, or asked for';
COMMENT ON COLUMN bridge.status_change.confirmed_at IS 'Our clock: when we asked and the source said so';
COMMENT ON COLUMN bridge.status_change.problem_id IS 'Problem';
COMMENT ON COLUMN bridge.status_change.status IS 'Normalised status';
COMMENT ON COLUMN bridge.status_change.status_raw IS 'As the source wrote it';
COMMENT ON COLUMN bridge.status_change.via IS 'Which way it came first';

CREATE VIEW bridge.valid_status AS
 SELECT source_id,
    problem_id,
    COALESCE(bridge.plausible(effective_at, observed_at), bridge.plausible(stated_at, observed_at), observed_at) AS since,
    stated_at,
    confirmed_at,
    status,
    status_raw
   FROM bridge.status_change c
  WHERE (NOT superseded);
COMMENT ON VIEW bridge.valid_status IS 'Statuses that no later answer contradicts, for report.service_problem_at';
COMMENT ON COLUMN bridge.valid_status.source_id IS 'As in bridge.status_change';
COMMENT ON COLUMN bridge.valid_status.problem_id IS 'As in bridge.status_change';
COMMENT ON COLUMN bridge.valid_status.since IS 'Since when the problem had it: the time the source states where that is plausible, else when it was received';
COMMENT ON COLUMN bridge.valid_status.stated_at IS 'As in bridge.status_change';
COMMENT ON COLUMN bridge.valid_status.confirmed_at IS 'As in bridge.status_change';
COMMENT ON COLUMN bridge.valid_status.status IS 'As in bridge.status_change';
COMMENT ON COLUMN bridge.valid_status.status_raw IS 'As in bridge.status_change';

CREATE VIEW bridge.valid_version AS
 SELECT source_id,
    problem_id,
    effective_at,
    kind,
    confirmed_at,
    (
        CASE
            WHEN (kind = 'full'::text) THEN status
            ELSE NULL::text
        END COLLATE "C") AS tie,
    content_hash,
    observed_at,
    via,
    status,
    body
   FROM bridge.service_problem_version v
  WHERE (NOT superseded);
COMMENT ON VIEW bridge.valid_version IS 'Versions that no later answer contradicts, for report.service_problem_at';
COMMENT ON COLUMN bridge.valid_version.source_id IS 'Source';
COMMENT ON COLUMN bridge.valid_version.problem_id IS 'Problem';
COMMENT ON COLUMN bridge.valid_version.effective_at IS 'Since when it was so';
COMMENT ON COLUMN bridge.valid_version.kind IS 'full, partial or tombstone; of equal times the later in the alphabet holds';
COMMENT ON COLUMN bridge.valid_version.confirmed_at IS 'Of equal times and kinds, the one confirmed last holds';
COMMENT ON COLUMN bridge.valid_version.tie IS 'Decides among whole statements that contradict each other until the source is asked';
COMMENT ON COLUMN bridge.valid_version.content_hash IS 'Decides when all else is equal';
COMMENT ON COLUMN bridge.valid_version.observed_at IS 'When the bridge received it, or sent the request that it answers';
COMMENT ON COLUMN bridge.valid_version.via IS 'Which way it came';
COMMENT ON COLUMN bridge.valid_version.status IS 'Normalised status';
COMMENT ON COLUMN bridge.valid_version.body IS 'The problem as it was';

CREATE VIEW report.service_problem AS
 SELECT s.name AS source,
    p.id,
    (p.body ->> 'href'::text) AS href,
    (p.body ->> 'name'::text) AS name,
    p.status,
    p.status_raw,
    p.category,
    p.priority,
    (p.body ->> 'description'::text) AS description,
    (p.body ->> 'reason'::text) AS reason,
    (p.body ->> 'originatingSystem'::text) AS originating_system,
    COALESCE(((p.body -> 'originatorParty'::text) ->> 'name'::text), ((p.body -> 'originatorParty'::text) ->> 'id'::text), (p.body ->> 'originatorParty'::text)) AS originator,
    COALESCE(((p.body -> 'responsibleParty'::text) ->> 'name'::text), ((p.body -> 'responsibleParty'::text) ->> 'id'::text), (p.body ->> 'responsibleParty'::text)) AS responsible,
    (((p.body -> 'externalIdentifier'::text) -> 0) ->> 'id'::text) AS external_id,
    p.created_at,
    p.updated_at,
    p.status_changed_at,
    p.resolved_at,
    p.affected_services,
    p.first_seen_at,
    GREATEST(p.last_seen_at,
        CASE
            WHEN ((p.missed_at IS NULL) AND (p.deleted_at IS NULL)) THEN w.started_at
            ELSE NULL::timestamp with time zone
        END) AS last_seen_at,
    p.via AS last_changed_via,
    p.deleted_at,
    p.body,
    ( SELECT min(v.effective_at) AS min
           FROM bridge.service_problem_version v
          WHERE ((v.source_id = p.source_id) AND (v.problem_id = p.id) AND (NOT v.superseded))) AS known_since
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     LEFT JOIN bridge.watermark w ON (((p.source_id = w.source_id) AND (w.kind = 'reconcile'::text))));
COMMENT ON VIEW report.service_problem IS 'A service problem as it is now; deleted ones too (deleted_at is set). Key: source, id. Joins: the other views of this schema on source, id';
COMMENT ON COLUMN report.service_problem.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.service_problem.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.service_problem.href IS 'Link to the problem at its source';
COMMENT ON COLUMN report.service_problem.name IS 'Short name';
COMMENT ON COLUMN report.service_problem.status IS 'submitted, acknowledged, rejected, pending, held, inProgress, resolved, cancelled, closed or unknown';
COMMENT ON COLUMN report.service_problem.status_raw IS 'The status as the source wrote it';
COMMENT ON COLUMN report.service_problem.category IS 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
COMMENT ON COLUMN report.service_problem.priority IS '1 (highest) to 10 (lowest)';
COMMENT ON COLUMN report.service_problem.description IS 'What is wrong, in words';
COMMENT ON COLUMN report.service_problem.reason IS 'Why, in words';
COMMENT ON COLUMN report.service_problem.originating_system IS 'System that raised it';
COMMENT ON COLUMN report.service_problem.originator IS 'Party that raised it (name, else id)';
COMMENT ON COLUMN report.service_problem.responsible IS 'Party that handles it (name, else id)';
COMMENT ON COLUMN report.service_problem.external_id IS 'First id in another system (correlationId in versions 2 and 3)';
COMMENT ON COLUMN report.service_problem.created_at IS 'When it was raised, by the source''s clock';
COMMENT ON COLUMN report.service_problem.updated_at IS 'When it last changed, by the source''s clock';
COMMENT ON COLUMN report.service_problem.status_changed_at IS 'When its status last changed, by the source''s clock';
COMMENT ON COLUMN report.service_problem.resolved_at IS 'When it was resolved, by the source''s clock';
COMMENT ON COLUMN report.service_problem.affected_services IS 'How many services are affected';
COMMENT ON COLUMN report.service_problem.first_seen_at IS 'When the bridge first received it';
COMMENT ON COLUMN report.service_problem.last_seen_at IS 'When the bridge last received it or saw it at the source';
COMMENT ON COLUMN report.service_problem.last_changed_via IS 'How the last change came: push, poll, reconcile, refetch, or write (the answer to a write of ours)';
COMMENT ON COLUMN report.service_problem.deleted_at IS 'Since when it is gone at the source; null while it exists';
COMMENT ON COLUMN report.service_problem.body IS 'All attributes, under their version 4 names, unknown ones included';
COMMENT ON COLUMN report.service_problem.known_since IS 'Since when the bridge knows what it was like: time of the oldest version that is kept';

CREATE FUNCTION report.service_problem_at(at timestamp with time zone) RETURNS SETOF report.service_problem
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT k.source,
     k.id,
     (t.body ->> 'href'::text) AS href,
     (t.body ->> 'name'::text) AS name,
         CASE
             WHEN ((COALESCE(c.status, 'unknown'::text) <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])) AND (k.resolved_at <= m.until) AND (k.resolved_at >= GREATEST(c.since, k.created_at, '-infinity'::timestamp with time zone)) AND ( SELECT (e.status = ANY (ARRAY['resolved'::text, 'closed'::text]))
                FROM bridge.valid_status e
               WHERE ((e.source_id = k.source_id) AND (e.problem_id = k.id) AND (e.since > m.until) AND (e.status <> 'unknown'::text))
               ORDER BY e.since, e.stated_at
              LIMIT 1)) THEN 'resolved'::text
             WHEN ((t.kind IS NULL) OR (c.since > t.effective_at)) THEN COALESCE(c.status, 'unknown'::text)
             ELSE t.status
         END AS status,
         CASE
             WHEN ((t.kind IS NULL) OR (c.since > t.effective_at)) THEN c.status_raw
             ELSE (t.body ->> 'status'::text)
         END AS status_raw,
     (t.body ->> 'category'::text) AS category,
     bridge.parse_integer((t.body -> 'priority'::text)) AS priority,
     (t.body ->> 'description'::text) AS description,
     (t.body ->> 'reason'::text) AS reason,
     (t.body ->> 'originatingSystem'::text) AS originating_system,
     COALESCE(((t.body -> 'originatorParty'::text) ->> 'name'::text), ((t.body -> 'originatorParty'::text) ->> 'id'::text), (t.body ->> 'originatorParty'::text)) AS originator,
     COALESCE(((t.body -> 'responsibleParty'::text) ->> 'name'::text), ((t.body -> 'responsibleParty'::text) ->> 'id'::text), (t.body ->> 'responsibleParty'::text)) AS responsible,
     (((t.body -> 'externalIdentifier'::text) -> 0) ->> 'id'::text) AS external_id,
     COALESCE(bridge.parse_timestamp((t.body -> 'creationDate'::text)),
         CASE
             WHEN (t.kind IS NULL) THEN k.created_at
             ELSE NULL::timestamp with time zone
         END) AS created_at,
     bridge.parse_timestamp((t.body -> 'lastUpdate'::text)) AS updated_at,
     bridge.parse_timestamp((t.body -> 'statusChangeDate'::text)) AS status_changed_at,
     bridge.parse_timestamp((t.body -> 'resolutionDate'::text)) AS resolved_at,
     COALESCE(bridge.parse_integer((t.body -> 'affectedNumberOfServices'::text)),
         CASE
             WHEN (jsonb_typeof((t.body -> 'affectedService'::text)) = 'array'::text) THEN jsonb_array_length((t.body -> 'affectedService'::text))
             ELSE NULL::integer
         END) AS affected_services,
     k.first_seen_at,
     t.observed_at AS last_seen_at,
     t.via AS last_changed_via,
     NULL::timestamp with time zone AS deleted_at,
     t.body,
     ( SELECT min(v.effective_at) AS min
            FROM bridge.valid_version v
           WHERE ((v.source_id = k.source_id) AND (v.problem_id = k.id))) AS known_since
    FROM (((( SELECT service_problem_at.at AS until) m
      CROSS JOIN bridge.known_problem k)
      LEFT JOIN LATERAL ( SELECT v.effective_at,
             v.kind,
             v.status,
             v.observed_at,
             v.via,
             v.body
            FROM bridge.valid_version v
           WHERE ((v.source_id = k.source_id) AND (v.problem_id = k.id) AND (v.effective_at <= m.until))
           ORDER BY v.effective_at DESC, v.kind DESC, v.confirmed_at DESC NULLS LAST, v.tie DESC NULLS LAST, v.content_hash DESC
          LIMIT 1) t ON (true))
      LEFT JOIN LATERAL ( SELECT e.since,
             e.status,
             e.status_raw
            FROM bridge.valid_status e
           WHERE ((e.source_id = k.source_id) AND (e.problem_id = k.id) AND (e.since <= m.until))
           ORDER BY e.since DESC, e.stated_at DESC, e.confirmed_at DESC NULLS LAST, (e.status COLLATE "C") DESC
          LIMIT 1) c ON (true))
   WHERE (((t.kind IS NULL) AND ((k.created_at <= m.until) OR (c.status IS NOT NULL))) OR (t.kind = 'full'::text) OR ((t.kind = 'partial'::text) AND (( SELECT v.kind
            FROM bridge.valid_version v
           WHERE ((v.source_id = k.source_id) AND (v.problem_id = k.id) AND (v.effective_at <= m.until) AND (v.kind <> 'partial'::text))
           ORDER BY v.effective_at DESC, v.kind DESC
          LIMIT 1) IS DISTINCT FROM 'tombstone'::text)));
END;
COMMENT ON FUNCTION report.service_problem_at(at timestamp with time zone) IS 'The service problems that existed at that time, as they were then by the source''s clock, with all that is known today about that time. Columns as in report.service_problem; but first_seen_at is when the bridge first received the problem, last_seen_at when it received what was so then, last_changed_via how, and deleted_at is always null. Where known_since is later than that time, the problem is known to have existed by its creation date alone: its status is the one that a status date names, else unknown, and the other attributes are null. As many are open (status not resolved, closed, cancelled or rejected) as report.daily_flow says';

CREATE FUNCTION report.set_time_zone(zone text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not exists (select from pg_timezone_names as n where n.name = zone) then
        raise invalid_parameter_value using
            message = format('there is no time zone %L', zone),
            hint = 'take a name of pg_timezone_names, Europe/Paris for example';
    end if;
    update bridge.report_setting set time_zone = zone;
    return zone;
end
$$;
COMMENT ON FUNCTION report.set_time_zone(zone text) IS 'Set the time zone of the days in reports, for everybody. Only the owner of the schema and bridge_writer may; the leader then sums up the days again';

CREATE TABLE bridge.audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    role text,
    address text NOT NULL,
    action text NOT NULL,
    object text DEFAULT ''::text NOT NULL,
    before jsonb,
    after jsonb,
    outcome text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT audit_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'refused'::text, 'failed'::text])))
);
ALTER TABLE bridge.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
CREATE INDEX audit_at_idx ON bridge.audit USING btree (at);
COMMENT ON TABLE bridge.audit IS 'What people did with the bridge and what they were refused; rows are only added, and kept 400 days';
COMMENT ON COLUMN bridge.audit.id IS 'Key';
COMMENT ON COLUMN bridge.audit.at IS 'When';
COMMENT ON COLUMN bridge.audit.actor IS 'Who: user of the console, or of the machine for commands; as given where a login was refused';
COMMENT ON COLUMN bridge.audit.role IS 'Role at that time; null when not logged in';
COMMENT ON COLUMN bridge.audit.address IS 'Address it came from; cli for commands';
COMMENT ON COLUMN bridge.audit.action IS 'What: login, logout, user.add, …';
COMMENT ON COLUMN bridge.audit.object IS 'On what: a user, source/problem, a key of the configuration';
COMMENT ON COLUMN bridge.audit.before IS 'What it was; never a secret';
COMMENT ON COLUMN bridge.audit.after IS 'What it became; never a secret';
COMMENT ON COLUMN bridge.audit.outcome IS 'done; refused: not allowed; failed: tried, without effect';
COMMENT ON COLUMN bridge.audit.reason IS 'Why it was refused or failed, or the reason given for it';

CREATE TABLE bridge.awaited_notification (
    source_id smallint NOT NULL,
    stamped boolean NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    found_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    arrived_at timestamp with time zone,
    problem_id text NOT NULL,
    content_hash bytea NOT NULL
);
ALTER TABLE ONLY bridge.awaited_notification
    ADD CONSTRAINT awaited_notification_pkey PRIMARY KEY (source_id, problem_id, effective_at, content_hash);
COMMENT ON TABLE bridge.awaited_notification IS 'Changes that a poll or reconcile pass found before their notification; deleted when it arrives or is overdue';
COMMENT ON COLUMN bridge.awaited_notification.source_id IS 'Source';
COMMENT ON COLUMN bridge.awaited_notification.stamped IS 'The source states the time of the change; else any notification about the problem counts as this one';
COMMENT ON COLUMN bridge.awaited_notification.effective_at IS 'Time of the change as stored; a notification with this time counts as this one';
COMMENT ON COLUMN bridge.awaited_notification.changed_at IS 'Time of the change by our clock';
COMMENT ON COLUMN bridge.awaited_notification.found_at IS 'Our clock: when the request that found it was sent';
COMMENT ON COLUMN bridge.awaited_notification.due_at IS 'Our clock: the notification is missed when it has not arrived until then';
COMMENT ON COLUMN bridge.awaited_notification.arrived_at IS 'When the notification arrived';
COMMENT ON COLUMN bridge.awaited_notification.problem_id IS 'Problem';
COMMENT ON COLUMN bridge.awaited_notification.content_hash IS 'Hash of what was found; a notification with this content counts as this one';

CREATE VIEW bridge.computed_open_problem AS
 SELECT source_id,
    id,
    revision,
    status,
    priority,
    category,
    bridge.plausible(created_at, observed_at) AS created_at,
    bridge.element_names((body -> 'affectedService'::text), 'id'::text) AS services,
    bridge.element_names((body -> 'affectedResource'::text), 'id'::text) AS resources,
    bridge.element_names((body -> 'affectedLocation'::text), 'name'::text) AS places
   FROM bridge.service_problem_with_body p
  WHERE ((deleted_at IS NULL) AND (status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])));
COMMENT ON VIEW bridge.computed_open_problem IS 'A row of report.open_problem as it follows from the current row now';
COMMENT ON COLUMN bridge.computed_open_problem.source_id IS 'Source';
COMMENT ON COLUMN bridge.computed_open_problem.id IS 'Problem';
COMMENT ON COLUMN bridge.computed_open_problem.revision IS 'Revision of the current row';
COMMENT ON COLUMN bridge.computed_open_problem.status IS 'As in report.open_problem';
COMMENT ON COLUMN bridge.computed_open_problem.priority IS 'As in report.open_problem';
COMMENT ON COLUMN bridge.computed_open_problem.category IS 'As in report.open_problem';
COMMENT ON COLUMN bridge.computed_open_problem.created_at IS 'As in report.open_problem';
COMMENT ON COLUMN bridge.computed_open_problem.services IS 'As in report.open_problem';
COMMENT ON COLUMN bridge.computed_open_problem.resources IS 'As in report.open_problem';
COMMENT ON COLUMN bridge.computed_open_problem.places IS 'As in report.open_problem';

CREATE VIEW report.status_interval AS
 WITH fact AS (
         SELECT s.name AS source,
            c.problem_id AS id,
            c.status,
            c.stated_at,
            c.confirmed_at,
            p.deleted_at,
            COALESCE(bridge.plausible(c.effective_at, c.observed_at), bridge.plausible(c.stated_at, c.observed_at), c.observed_at) AS effective_at
           FROM ((bridge.status_change c
             JOIN bridge.source s ON ((c.source_id = s.id)))
             JOIN bridge.service_problem p ON (((c.source_id = p.source_id) AND (c.problem_id = p.id))))
          WHERE (NOT c.superseded)
        ), stated AS (
         SELECT f.source,
            f.id,
            f.status,
            f.stated_at,
            f.confirmed_at,
            f.deleted_at,
                CASE
                    WHEN (lag(f.effective_at) OVER history = f.effective_at) THEN GREATEST(f.effective_at, f.stated_at)
                    ELSE f.effective_at
                END AS entered_at
           FROM fact f
          WINDOW history AS (PARTITION BY f.source, f.id ORDER BY f.effective_at, f.stated_at, f.confirmed_at NULLS FIRST, (f.status COLLATE "C"))
        ), stated_or_current AS (
         SELECT t.source,
            t.id,
            t.status,
            t.stated_at,
            t.confirmed_at,
            t.deleted_at,
            t.entered_at,
            false AS current
           FROM stated t
        UNION ALL
         SELECT s.name AS source,
            p.id,
            p.status,
            p.effective_at AS stated_at,
            NULL::timestamp with time zone AS confirmed_at,
            p.deleted_at,
            COALESCE(bridge.plausible(p.effective_at, p.observed_at), p.observed_at) AS entered_at,
            true AS current
           FROM (bridge.service_problem p
             JOIN bridge.source s ON ((p.source_id = s.id)))
          WHERE (p.status_raw IS NOT NULL)
        ), entered AS (
         SELECT t.source,
            t.id,
            t.status,
            t.deleted_at,
                CASE
                    WHEN t.current THEN GREATEST(t.entered_at, lag(t.entered_at) OVER history)
                    ELSE t.entered_at
                END AS entered_at,
            lag(t.status) OVER history AS status_before,
            row_number() OVER history AS place
           FROM stated_or_current t
          WINDOW history AS (PARTITION BY t.source, t.id ORDER BY t.current, t.entered_at, t.stated_at, t.confirmed_at NULLS FIRST, (t.status COLLATE "C"))
        ), bounded AS (
         SELECT e.source,
            e.id,
            e.status,
            e.entered_at,
            COALESCE(lead(e.entered_at) OVER (PARTITION BY e.source, e.id ORDER BY e.place),
                CASE
                    WHEN (e.deleted_at IS NOT NULL) THEN GREATEST(e.deleted_at, e.entered_at)
                    ELSE NULL::timestamp with time zone
                END) AS left_at
           FROM entered e
          WHERE (e.status IS DISTINCT FROM e.status_before)
        )
 SELECT source,
    id,
    status,
    entered_at,
    left_at,
    (EXTRACT(epoch FROM (COALESCE(left_at, now()) - entered_at)))::double precision AS seconds
   FROM bounded b;
COMMENT ON VIEW report.status_interval IS 'A time a service problem spent in one status without leaving it. Key: source, id, entered_at, status. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.status_interval.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.status_interval.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.status_interval.status IS 'The status';
COMMENT ON COLUMN report.status_interval.entered_at IS 'When it came into this status, by the source''s clock';
COMMENT ON COLUMN report.status_interval.left_at IS 'When it left it (also by being deleted); null while it is in it';
COMMENT ON COLUMN report.status_interval.seconds IS 'How long it was, or has been, in it';

CREATE VIEW bridge.status_entry AS
 SELECT s.name AS source,
    p.id,
    l.status,
    l.phase,
    l.status_before,
    l.phase_before,
    l.is_last,
    l.known_at,
    l.seconds,
    GREATEST(l.entered_at, p.created_at) AS entered_at,
    GREATEST(
        CASE
            WHEN ((l.phase = 'done'::text) AND (l.phase_before <> 'done'::text) AND (p.resolved_at < l.entered_at) AND (p.resolved_at >= GREATEST(l.entered_before, p.created_at, '-infinity'::timestamp with time zone))) THEN p.resolved_at
            ELSE l.entered_at
        END, p.created_at) AS phase_entered_at,
        CASE
            WHEN (l.left_at IS NULL) THEN l.began_at
            ELSE NULL::timestamp with time zone
        END AS lasting_since,
    l.is_first
   FROM ((( SELECT n.source_id,
            n.id,
            bridge.plausible(n.created_at, n.observed_at) AS created_at,
            bridge.plausible(n.resolved_at, n.observed_at) AS resolved_at
           FROM bridge.service_problem n) p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL ( SELECT k.status,
            k.phase,
            k.entered_at,
            k.left_at,
            k.entered_at AS began_at,
            k.known_at,
            k.seconds,
            lag(k.status) OVER history AS status_before,
            lag(k.entered_at) OVER history AS entered_before,
            lag(k.phase, 1, 'open'::text) OVER history AS phase_before,
            (lead(k.phase) OVER history IS NULL) AS is_last,
            (lag(k.phase) OVER history IS NULL) AS is_first
           FROM ( SELECT i.status,
                    i.entered_at,
                    i.left_at,
                    i.seconds,
                    min(i.entered_at) OVER () AS known_at,
                        CASE
                            WHEN (i.status = ANY (ARRAY['resolved'::text, 'closed'::text])) THEN 'done'::text
                            WHEN (i.status = ANY (ARRAY['cancelled'::text, 'rejected'::text])) THEN 'dropped'::text
                            WHEN (i.status <> 'unknown'::text) THEN 'open'::text
                            ELSE NULL::text
                        END AS phase
                   FROM report.status_interval i
                  WHERE ((i.source = s.name) AND (i.id = p.id))) k
          WHERE (k.phase IS NOT NULL)
          WINDOW history AS (ORDER BY k.entered_at, k.left_at)) l);
COMMENT ON VIEW bridge.status_entry IS 'Each status a problem entered, with the one before. Status unknown is left out: the status before it goes on';
COMMENT ON COLUMN bridge.status_entry.source IS 'Source';
COMMENT ON COLUMN bridge.status_entry.id IS 'Problem';
COMMENT ON COLUMN bridge.status_entry.status IS 'The status it came into';
COMMENT ON COLUMN bridge.status_entry.phase IS 'open; done: resolved or closed; dropped: cancelled or rejected';
COMMENT ON COLUMN bridge.status_entry.status_before IS 'The status it came from; null at first';
COMMENT ON COLUMN bridge.status_entry.phase_before IS 'The phase it came from; a problem begins open';
COMMENT ON COLUMN bridge.status_entry.is_last IS 'No later status is known';
COMMENT ON COLUMN bridge.status_entry.known_at IS 'Since when anything is known of its status';
COMMENT ON COLUMN bridge.status_entry.seconds IS 'How long it was, or has been, in this status';
COMMENT ON COLUMN bridge.status_entry.entered_at IS 'When it came into this status, by the source''s clock; never before it was raised';
COMMENT ON COLUMN bridge.status_entry.phase_entered_at IS 'When it came into this phase: as entered_at, but resolutionDate where that fits';
COMMENT ON COLUMN bridge.status_entry.lasting_since IS 'Since when, as its source says, while it is still in this status; else null';
COMMENT ON COLUMN bridge.status_entry.is_first IS 'No earlier status is known';

CREATE VIEW bridge.computed_resolution AS
 SELECT p.source_id,
    p.id,
    p.revision,
    p.status,
    p.category,
    p.priority,
    p.created_at,
        CASE
            WHEN t.complete THEN t.acknowledged_at
            ELSE NULL::timestamp with time zone
        END AS acknowledged_at,
    t.resolved_at,
    t.closed_at,
    t.seconds_held,
    t.held_since,
    t.seconds_pending,
    t.pending_since,
    t.times_reopened,
    p.deleted_at,
    ((COALESCE(t.flow, '{}'::integer[]) || bridge.daily_flow_code(t.raised_at, 0)) ||
        CASE
            WHEN ((p.deleted_at IS NOT NULL) AND (COALESCE(t.last_phase, 'open'::text) = 'open'::text)) THEN ARRAY[bridge.daily_flow_code(GREATEST(bridge.plausible(p.deleted_at, p.observed_at), t.raised_at, t.last_entered_at), 8)]
            ELSE NULL::integer[]
        END) AS flow,
        CASE
            WHEN t.complete THEN t.raised_at
            ELSE t.known_at
        END AS known_since,
    t.complete
   FROM ((( SELECT n.source_id,
            n.id,
            n.revision,
            n.status,
            n.category,
            n.priority,
            bridge.plausible(n.created_at, n.observed_at) AS created_at,
            n.deleted_at,
            n.observed_at,
            n.first_seen_at
           FROM bridge.service_problem n) p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL ( SELECT COALESCE(p.created_at, min(u.known_at), p.first_seen_at) AS raised_at,
            COALESCE(((p.created_at >= s.created_at) OR bool_or(((u.status = ANY (ARRAY['submitted'::text, 'acknowledged'::text])) OR (u.known_at <= p.created_at))) FILTER (WHERE u.is_first)), false) AS complete,
            min(u.phase_entered_at) FILTER (WHERE ((u.phase <> 'dropped'::text) AND (u.status <> 'submitted'::text))) AS acknowledged_at,
                CASE
                    WHEN bool_or((u.phase = 'done'::text)) FILTER (WHERE u.is_last) THEN max(u.phase_entered_at) FILTER (WHERE ((u.phase = 'done'::text) AND (u.phase_before <> 'done'::text)))
                    ELSE NULL::timestamp with time zone
                END AS resolved_at,
                CASE
                    WHEN bool_or((u.status = 'closed'::text)) FILTER (WHERE u.is_last) THEN max(u.entered_at) FILTER (WHERE ((u.status = 'closed'::text) AND (u.status_before IS DISTINCT FROM 'closed'::text)))
                    ELSE NULL::timestamp with time zone
                END AS closed_at,
            COALESCE(sum(u.seconds) FILTER (WHERE ((u.status = 'held'::text) AND (u.lasting_since IS NULL))), (0)::double precision) AS seconds_held,
            min(u.lasting_since) FILTER (WHERE (u.status = 'held'::text)) AS held_since,
            COALESCE(sum(u.seconds) FILTER (WHERE ((u.status = 'pending'::text) AND (u.lasting_since IS NULL))), (0)::double precision) AS seconds_pending,
            min(u.lasting_since) FILTER (WHERE (u.status = 'pending'::text)) AS pending_since,
            (count(*) FILTER (WHERE ((u.phase = 'open'::text) AND (u.phase_before = 'done'::text))))::integer AS times_reopened,
            min(u.known_at) AS known_at,
            max(u.phase) FILTER (WHERE u.is_last) AS last_phase,
            max(u.entered_at) FILTER (WHERE u.is_last) AS last_entered_at,
            (array_agg(bridge.daily_flow_code(u.phase_entered_at,
                CASE u.phase
                    WHEN 'done'::text THEN
                    CASE u.phase_before
                        WHEN 'open'::text THEN 1
                        ELSE 2
                    END
                    WHEN 'open'::text THEN
                    CASE u.phase_before
                        WHEN 'done'::text THEN 4
                        ELSE 5
                    END
                    ELSE
                    CASE u.phase_before
                        WHEN 'open'::text THEN 6
                        ELSE 7
                    END
                END)) FILTER (WHERE (u.phase <> u.phase_before)) || array_agg(bridge.daily_flow_code(u.entered_at, 3)) FILTER (WHERE ((u.status = 'closed'::text) AND (u.status_before IS DISTINCT FROM 'closed'::text)))) AS flow
           FROM bridge.status_entry u
          WHERE ((u.source = s.name) AND (u.id = p.id))) t);
COMMENT ON VIEW bridge.computed_resolution IS 'A row of bridge.resolution as it follows from the facts now';
COMMENT ON COLUMN bridge.computed_resolution.source_id IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.id IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.revision IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.status IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.category IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.priority IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.created_at IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.acknowledged_at IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.resolved_at IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.closed_at IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.seconds_held IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.held_since IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.seconds_pending IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.pending_since IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.times_reopened IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.deleted_at IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.flow IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.known_since IS 'As in bridge.resolution';
COMMENT ON COLUMN bridge.computed_resolution.complete IS 'As in bridge.resolution';

CREATE TABLE bridge.conflict (
    id bigint NOT NULL,
    link_id bigint NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    left_at timestamp with time zone,
    right_at timestamp with time zone,
    decided_at timestamp with time zone,
    settled_at timestamp with time zone,
    field text NOT NULL,
    kind text NOT NULL,
    outcome text DEFAULT 'waiting'::text NOT NULL,
    decided_by text,
    left_value text,
    right_value text,
    left_base text,
    right_base text,
    CONSTRAINT conflict_kind_check CHECK ((kind = ANY (ARRAY['both_changed'::text, 'overruled'::text, 'overwritten'::text, 'refused'::text, 'unmapped'::text, 'uncertain'::text, 'oscillating'::text, 'duplicate'::text, 'ambiguous'::text]))),
    CONSTRAINT conflict_outcome_check CHECK ((outcome = ANY (ARRAY['waiting'::text, 'left'::text, 'right'::text, 'dismissed'::text, 'agreed'::text])))
);
ALTER TABLE bridge.conflict ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.conflict_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.conflict
    ADD CONSTRAINT conflict_pkey PRIMARY KEY (id);
CREATE INDEX conflict_link_id_idx ON bridge.conflict USING btree (link_id, id);
CREATE INDEX conflict_open_idx ON bridge.conflict USING btree (link_id) WHERE (settled_at IS NULL);
CREATE INDEX conflict_settled_at_idx ON bridge.conflict USING brin (settled_at);
CREATE UNIQUE INDEX conflict_waiting_key ON bridge.conflict USING btree (link_id, field) WHERE (outcome = 'waiting'::text);
COMMENT ON TABLE bridge.conflict IS 'Values that need a person, and values that were overruled: nothing that a person wrote is lost';
COMMENT ON COLUMN bridge.conflict.id IS 'Key';
COMMENT ON COLUMN bridge.conflict.link_id IS 'Link';
COMMENT ON COLUMN bridge.conflict.opened_at IS 'When it was found';
COMMENT ON COLUMN bridge.conflict.left_at IS 'Since when the left said so, where it is known';
COMMENT ON COLUMN bridge.conflict.right_at IS 'The same of the right';
COMMENT ON COLUMN bridge.conflict.decided_at IS 'When it was decided';
COMMENT ON COLUMN bridge.conflict.settled_at IS 'When the decision was carried out, or both sides agreed; null: it is open';
COMMENT ON COLUMN bridge.conflict.field IS 'Field of the rule; empty when it is about the link itself';
COMMENT ON COLUMN bridge.conflict.kind IS 'both_changed: a person is to choose; overruled: one side lost; overwritten: changed between our read and our write; refused: the target did not keep what was written; unmapped: no row of the map says what to write; uncertain: a write without an answer; oscillating, duplicate, ambiguous';
COMMENT ON COLUMN bridge.conflict.outcome IS 'waiting: for a person; left, right: whose value won; dismissed: a person left it so; agreed: both sides mean the same now';
COMMENT ON COLUMN bridge.conflict.decided_by IS 'Who chose: a person, or policy';
COMMENT ON COLUMN bridge.conflict.left_value IS 'What the left said';
COMMENT ON COLUMN bridge.conflict.right_value IS 'What the right said';
COMMENT ON COLUMN bridge.conflict.left_base IS 'What the left said when the field was last settled';
COMMENT ON COLUMN bridge.conflict.right_base IS 'The same of the right';

CREATE VIEW bridge.console_conflict AS
 SELECT id,
    link_id,
    field,
    kind,
    outcome,
    decided_by,
    left_value,
    right_value,
    left_base,
    right_base,
    left_at,
    right_at,
    opened_at,
    decided_at,
    settled_at
   FROM bridge.conflict c;
COMMENT ON VIEW bridge.console_conflict IS 'A conflict as the console filters and shows it';
COMMENT ON COLUMN bridge.console_conflict.id IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.link_id IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.field IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.kind IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.outcome IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.decided_by IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.left_value IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.right_value IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.left_base IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.right_base IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.left_at IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.right_at IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.opened_at IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.decided_at IS 'As in bridge.conflict';
COMMENT ON COLUMN bridge.console_conflict.settled_at IS 'As in bridge.conflict';

CREATE TABLE bridge.link (
    id bigint NOT NULL,
    rule_id smallint CONSTRAINT link_rule_id_not_null1 NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    left_revision integer,
    right_revision integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    state_since timestamp with time zone DEFAULT now() NOT NULL,
    linked_at timestamp with time zone,
    checked_at timestamp with time zone,
    behind_since timestamp with time zone,
    unsure_until timestamp with time zone,
    origin text NOT NULL,
    state text NOT NULL,
    key text NOT NULL,
    left_id text,
    right_id text,
    state_reason text,
    base jsonb DEFAULT '{}'::jsonb NOT NULL,
    left_mark jsonb,
    right_mark jsonb,
    intent jsonb,
    CONSTRAINT link_origin_check CHECK ((origin = ANY (ARRAY['left'::text, 'right'::text, 'match'::text, 'operator'::text]))),
    CONSTRAINT link_state_check CHECK ((state = ANY (ARRAY['wanted'::text, 'creating'::text, 'unsure'::text, 'linked'::text, 'blocked'::text, 'ended'::text, 'orphaned'::text, 'unlinked'::text]))),
    CONSTRAINT link_ticket_check CHECK (((left_id IS NOT NULL) OR (right_id IS NOT NULL)))
)
WITH (fillfactor='85');
ALTER TABLE bridge.link ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.link_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.link
    ADD CONSTRAINT link_key_key UNIQUE (key);
ALTER TABLE ONLY bridge.link
    ADD CONSTRAINT link_pkey PRIMARY KEY (id);
CREATE INDEX link_attention_idx ON bridge.link USING btree (rule_id, state, id) WHERE (state = ANY (ARRAY['wanted'::text, 'creating'::text, 'unsure'::text, 'blocked'::text, 'orphaned'::text]));
CREATE INDEX link_behind_since_idx ON bridge.link USING btree (behind_since) WHERE (behind_since IS NOT NULL);
CREATE UNIQUE INDEX link_left_id_key ON bridge.link USING btree (rule_id, left_id) WHERE (state <> 'unlinked'::text);
CREATE UNIQUE INDEX link_right_id_key ON bridge.link USING btree (rule_id, right_id) WHERE (state <> 'unlinked'::text);
CREATE INDEX link_undecided_idx ON bridge.link USING btree (rule_id, id) WHERE ((checked_at IS NULL) AND (state = 'linked'::text));
CREATE INDEX link_unlinked_left_id_idx ON bridge.link USING btree (rule_id, left_id) WHERE (state = 'unlinked'::text);
CREATE INDEX link_unlinked_right_id_idx ON bridge.link USING btree (rule_id, right_id) WHERE (state = 'unlinked'::text);
COMMENT ON TABLE bridge.link IS 'Two tickets that are kept in step, or one that has no counterpart yet';
COMMENT ON COLUMN bridge.link.id IS 'Number used by tmf656-bridge links';
COMMENT ON COLUMN bridge.link.rule_id IS 'Rule';
COMMENT ON COLUMN bridge.link.generation IS 'Counts counterparts that were made on purpose after the first';
COMMENT ON COLUMN bridge.link.revision IS 'Counts writes of this row; a writer that read an older revision starts over';
COMMENT ON COLUMN bridge.link.left_revision IS 'Revision of the ticket on the left that was last decided on';
COMMENT ON COLUMN bridge.link.right_revision IS 'Revision of the ticket on the right that was last decided on';
COMMENT ON COLUMN bridge.link.created_at IS 'When the bridge began to look for a counterpart';
COMMENT ON COLUMN bridge.link.state_since IS 'Since when it is in this state';
COMMENT ON COLUMN bridge.link.linked_at IS 'When both tickets were known';
COMMENT ON COLUMN bridge.link.checked_at IS 'When it was last decided';
COMMENT ON COLUMN bridge.link.behind_since IS 'Since when something waits to be written; null when both sides are in step';
COMMENT ON COLUMN bridge.link.unsure_until IS 'Before that the target may still be working on the create that was sent';
COMMENT ON COLUMN bridge.link.origin IS 'How it began: a ticket on the left or right wanted a counterpart, both were matched, or a person joined them';
COMMENT ON COLUMN bridge.link.state IS 'wanted: no counterpart yet; creating: to be made; unsure: sent, outcome not known; linked; blocked: needs a person; ended: both sides ended and quiet; orphaned: a side was deleted; unlinked: separated by a person';
COMMENT ON COLUMN bridge.link.key IS 'Key of the counterpart in its own system: it is looked up by it before it is made again';
COMMENT ON COLUMN bridge.link.left_id IS 'Ticket on the left; null until it is made';
COMMENT ON COLUMN bridge.link.right_id IS 'Ticket on the right; null until it is made';
COMMENT ON COLUMN bridge.link.state_reason IS 'Why it is wanted, blocked, orphaned or unlinked, in words';
COMMENT ON COLUMN bridge.link.base IS 'What both sides said when a field was last settled: {field: [left, right]}';
COMMENT ON COLUMN bridge.link.left_mark IS 'After a write to the left: {"updated_at", "version", "answered_at"}; what is older is no change';
COMMENT ON COLUMN bridge.link.right_mark IS 'The same of the right';
COMMENT ON COLUMN bridge.link.intent IS 'The write that was sent and of which no outcome is known yet; nothing is decided for this link until it is settled';

CREATE TABLE bridge.link_rule (
    id smallint NOT NULL,
    left_source_id smallint NOT NULL,
    right_source_id smallint NOT NULL,
    walked_source_id smallint DEFAULT 0 NOT NULL,
    state text NOT NULL,
    committed xid8 DEFAULT '0'::xid8 NOT NULL,
    change_id bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    state_since timestamp with time zone DEFAULT now() NOT NULL,
    walked_at timestamp with time zone,
    name text NOT NULL,
    state_reason text,
    settings_hash text NOT NULL,
    walked_id text DEFAULT ''::text NOT NULL,
    settings jsonb NOT NULL,
    CONSTRAINT link_rule_state_check CHECK ((state = ANY (ARRAY['on'::text, 'plan'::text, 'off'::text, 'paused'::text, 'held'::text, 'gone'::text])))
);
ALTER TABLE bridge.link_rule ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.link_rule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.link_rule
    ADD CONSTRAINT link_rule_name_key UNIQUE (name);
ALTER TABLE ONLY bridge.link_rule
    ADD CONSTRAINT link_rule_pkey PRIMARY KEY (id);
CREATE INDEX link_rule_left_source_id_idx ON bridge.link_rule USING btree (left_source_id);
CREATE INDEX link_rule_right_source_id_idx ON bridge.link_rule USING btree (right_source_id);
COMMENT ON TABLE bridge.link_rule IS 'A rule of the configuration, [links.NAME], and how far its decisions have come';
COMMENT ON COLUMN bridge.link_rule.id IS 'Short key used in the other tables';
COMMENT ON COLUMN bridge.link_rule.left_source_id IS 'Source of the tickets on the left';
COMMENT ON COLUMN bridge.link_rule.right_source_id IS 'Source of the tickets on the right';
COMMENT ON COLUMN bridge.link_rule.walked_source_id IS 'How far the walk over all tickets has come: source …';
COMMENT ON COLUMN bridge.link_rule.state IS 'on: decides and writes; plan: mode = "plan", nothing is written; off: enabled = false; paused: by a person; held: by the circuit breaker; gone: no longer configured';
COMMENT ON COLUMN bridge.link_rule.committed IS 'Changes up to here (bridge.change.committed) …';
COMMENT ON COLUMN bridge.link_rule.change_id IS '… and here (bridge.change.id) are decided';
COMMENT ON COLUMN bridge.link_rule.created_at IS 'When the bridge first knew of this rule: counterparts are made after a complete pass since';
COMMENT ON COLUMN bridge.link_rule.state_since IS 'Since when it is in this state';
COMMENT ON COLUMN bridge.link_rule.walked_at IS 'When the last complete walk ended; null while one runs';
COMMENT ON COLUMN bridge.link_rule.name IS 'Name in the configuration';
COMMENT ON COLUMN bridge.link_rule.state_reason IS 'Why it is paused or held; null otherwise';
COMMENT ON COLUMN bridge.link_rule.settings_hash IS 'Hash of the settings; after a change all tickets are looked at again';
COMMENT ON COLUMN bridge.link_rule.walked_id IS '… and ticket';
COMMENT ON COLUMN bridge.link_rule.settings IS 'The settings as last read, with those of the preset';

CREATE VIEW bridge.console_counterpart AS
 SELECT r.left_source_id AS source_id,
    l.left_id AS id,
    l.id AS link_id,
    r.right_source_id AS other_source_id,
    l.right_id AS other_id
   FROM (bridge.link_rule r
     JOIN bridge.link l ON ((r.id = l.rule_id)))
  WHERE ((l.state <> 'unlinked'::text) AND (l.right_id IS NOT NULL))
UNION ALL
 SELECT r.right_source_id AS source_id,
    l.right_id AS id,
    l.id AS link_id,
    r.left_source_id AS other_source_id,
    l.left_id AS other_id
   FROM (bridge.link_rule r
     JOIN bridge.link l ON ((r.id = l.rule_id)))
  WHERE ((l.state <> 'unlinked'::text) AND (l.left_id IS NOT NULL));
COMMENT ON VIEW bridge.console_counterpart IS 'Each ticket that is linked, with the one on the other side';
COMMENT ON COLUMN bridge.console_counterpart.source_id IS 'Source of the ticket';
COMMENT ON COLUMN bridge.console_counterpart.id IS 'Ticket';
COMMENT ON COLUMN bridge.console_counterpart.link_id IS 'Link';
COMMENT ON COLUMN bridge.console_counterpart.other_source_id IS 'Source on the other side';
COMMENT ON COLUMN bridge.console_counterpart.other_id IS 'Ticket on the other side';

CREATE VIEW bridge.console_facet AS
 SELECT source_id,
    status,
    priority,
    category,
    deleted_at
   FROM bridge.service_problem p;
COMMENT ON VIEW bridge.console_facet IS 'What the console sums problems by';
COMMENT ON COLUMN bridge.console_facet.source_id IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_facet.status IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_facet.priority IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_facet.category IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_facet.deleted_at IS 'As in bridge.service_problem';

CREATE VIEW bridge.console_link AS
 SELECT id,
    rule_id,
    origin,
    state,
    state_reason,
    state_since,
    key,
    left_id,
    right_id,
    base,
    (intent IS NOT NULL) AS under_way,
    created_at,
    linked_at,
    checked_at,
    behind_since,
    unsure_until
   FROM bridge.link l;
COMMENT ON VIEW bridge.console_link IS 'A link as the console filters and shows it';
COMMENT ON COLUMN bridge.console_link.id IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.rule_id IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.origin IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.state IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.state_reason IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.state_since IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.key IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.left_id IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.right_id IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.base IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.under_way IS 'A write was sent and no outcome of it is known yet';
COMMENT ON COLUMN bridge.console_link.created_at IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.linked_at IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.checked_at IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.behind_since IS 'As in bridge.link';
COMMENT ON COLUMN bridge.console_link.unsure_until IS 'As in bridge.link';

CREATE VIEW bridge.console_problem AS
 SELECT p.source_id,
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
    p.deleted_at,
    p.via,
    ((p.deleted_at IS NULL) AND (p.status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text]))) AS open,
    COALESCE(p.body, v.body) AS body
   FROM (bridge.service_problem p
     LEFT JOIN bridge.service_problem_version v ON (((p.source_id = v.source_id) AND (p.id = v.problem_id) AND (p.content_at = v.effective_at) AND (p.content_hash = v.content_hash) AND (p.body IS NULL))));
COMMENT ON VIEW bridge.console_problem IS 'A service problem as the list of the console filters and sorts it';
COMMENT ON COLUMN bridge.console_problem.source_id IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.id IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.revision IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.status IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.status_raw IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.category IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.priority IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.affected_services IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.created_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.updated_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.status_changed_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.resolved_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.first_seen_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.deleted_at IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.via IS 'As in bridge.service_problem';
COMMENT ON COLUMN bridge.console_problem.open IS 'It exists at the source and is neither resolved, closed, cancelled nor rejected';
COMMENT ON COLUMN bridge.console_problem.body IS 'As in bridge.service_problem_with_body; where it is not asked for, versions are not read';

CREATE VIEW bridge.console_rule AS
 SELECT r.id,
    r.name,
    r.left_source_id,
    r.right_source_id,
    ls.name AS left_source,
    rs.name AS right_source,
    r.state,
    r.state_reason,
    r.state_since,
    r.walked_at
   FROM ((bridge.link_rule r
     JOIN bridge.source ls ON ((r.left_source_id = ls.id)))
     JOIN bridge.source rs ON ((r.right_source_id = rs.id)));
COMMENT ON VIEW bridge.console_rule IS 'A rule as the console shows it';
COMMENT ON COLUMN bridge.console_rule.id IS 'As in bridge.link_rule';
COMMENT ON COLUMN bridge.console_rule.name IS 'As in bridge.link_rule';
COMMENT ON COLUMN bridge.console_rule.left_source_id IS 'As in bridge.link_rule';
COMMENT ON COLUMN bridge.console_rule.right_source_id IS 'As in bridge.link_rule';
COMMENT ON COLUMN bridge.console_rule.left_source IS 'Name of the source on the left';
COMMENT ON COLUMN bridge.console_rule.right_source IS 'Name of the source on the right';
COMMENT ON COLUMN bridge.console_rule.state IS 'As in bridge.link_rule';
COMMENT ON COLUMN bridge.console_rule.state_reason IS 'As in bridge.link_rule';
COMMENT ON COLUMN bridge.console_rule.state_since IS 'As in bridge.link_rule';
COMMENT ON COLUMN bridge.console_rule.walked_at IS 'As in bridge.link_rule';

CREATE TABLE bridge.console_session (
    token_hash bytea NOT NULL,
    user_name text NOT NULL,
    role text NOT NULL,
    login text NOT NULL,
    address text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT console_session_login_check CHECK ((login = ANY (ARRAY['token'::text, 'password'::text, 'proxy'::text, 'oidc'::text]))),
    CONSTRAINT console_session_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'admin'::text])))
);
ALTER TABLE ONLY bridge.console_session
    ADD CONSTRAINT console_session_pkey PRIMARY KEY (token_hash);
CREATE INDEX console_session_user_name_idx ON bridge.console_session USING btree (user_name);
COMMENT ON TABLE bridge.console_session IS 'Who is logged in to the console; a row goes when its session ends';
COMMENT ON COLUMN bridge.console_session.token_hash IS 'SHA-256 of the token in the cookie';
COMMENT ON COLUMN bridge.console_session.user_name IS 'Who';
COMMENT ON COLUMN bridge.console_session.role IS 'Role at the login; a change of role ends the session';
COMMENT ON COLUMN bridge.console_session.login IS 'Way of login';
COMMENT ON COLUMN bridge.console_session.address IS 'Address the login came from';
COMMENT ON COLUMN bridge.console_session.made_at IS 'When it began';
COMMENT ON COLUMN bridge.console_session.seen_at IS 'When it was last used, to the minute';
COMMENT ON COLUMN bridge.console_session.ends_at IS 'When it ends at the latest, used or not';
COMMENT ON COLUMN bridge.console_session.confirmed_at IS 'When the password was last given: at the login, or again since';

CREATE TABLE bridge.dead_letter (
    id bigint NOT NULL,
    source_id smallint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    last_received_at timestamp with time zone NOT NULL,
    times integer DEFAULT 1 NOT NULL,
    via text DEFAULT 'push'::text NOT NULL,
    event_hint text,
    problem_id text,
    reason text NOT NULL,
    detail text NOT NULL,
    hint text DEFAULT ''::text NOT NULL,
    digest bytea NOT NULL,
    raw bytea NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    settled_at timestamp with time zone,
    CONSTRAINT dead_letter_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'replayed'::text, 'discarded'::text])))
);
ALTER TABLE bridge.dead_letter ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (id);
CREATE INDEX dead_letter_source_id_idx ON bridge.dead_letter USING btree (source_id);
CREATE UNIQUE INDEX dead_letter_waiting_key ON bridge.dead_letter USING btree (source_id, digest) WHERE (state = 'waiting'::text);
COMMENT ON TABLE bridge.dead_letter IS 'What could not be understood or stored, with its bytes, until it is replayed or discarded';
COMMENT ON COLUMN bridge.dead_letter.id IS 'Number used by tmf656-bridge dead-letters';
COMMENT ON COLUMN bridge.dead_letter.source_id IS 'Source';
COMMENT ON COLUMN bridge.dead_letter.received_at IS 'When it first arrived';
COMMENT ON COLUMN bridge.dead_letter.last_received_at IS 'When the same bytes last arrived';
COMMENT ON COLUMN bridge.dead_letter.times IS 'How often the same bytes arrived';
COMMENT ON COLUMN bridge.dead_letter.via IS 'push, or the kind of pass that met it';
COMMENT ON COLUMN bridge.dead_letter.event_hint IS 'Last part of the path it was posted to';
COMMENT ON COLUMN bridge.dead_letter.problem_id IS 'Problem it is about, when that much could be read';
COMMENT ON COLUMN bridge.dead_letter.reason IS 'Short fixed word';
COMMENT ON COLUMN bridge.dead_letter.detail IS 'What was found';
COMMENT ON COLUMN bridge.dead_letter.hint IS 'What a person can do';
COMMENT ON COLUMN bridge.dead_letter.digest IS 'Hash of raw';
COMMENT ON COLUMN bridge.dead_letter.raw IS 'The bytes as received';
COMMENT ON COLUMN bridge.dead_letter.state IS 'waiting, replayed, discarded';
COMMENT ON COLUMN bridge.dead_letter.settled_at IS 'When it was replayed or discarded';

CREATE TABLE bridge.last_pass (
    source_id smallint NOT NULL,
    kind text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    complete_at timestamp with time zone,
    problems bigint NOT NULL,
    held_back bigint DEFAULT 0 NOT NULL,
    gap text,
    held_back_reason text,
    filtered text,
    CONSTRAINT last_pass_kind_check CHECK ((kind = ANY (ARRAY['poll'::text, 'reconcile'::text])))
);
ALTER TABLE ONLY bridge.last_pass
    ADD CONSTRAINT last_pass_pkey PRIMARY KEY (source_id, kind);
COMMENT ON TABLE bridge.last_pass IS 'The last pass of each kind over a source that reached its end, complete or not';
COMMENT ON COLUMN bridge.last_pass.source_id IS 'Source';
COMMENT ON COLUMN bridge.last_pass.kind IS 'poll: changes since; reconcile: everything';
COMMENT ON COLUMN bridge.last_pass.started_at IS 'Our clock: when it began';
COMMENT ON COLUMN bridge.last_pass.finished_at IS 'Our clock: when it ended';
COMMENT ON COLUMN bridge.last_pass.complete_at IS 'Our clock: when a complete pass of this kind last ended; null: none ever was';
COMMENT ON COLUMN bridge.last_pass.problems IS 'How many rows it returned; pages may overlap';
COMMENT ON COLUMN bridge.last_pass.held_back IS 'Problems that are missing from the list and not recorded as deleted';
COMMENT ON COLUMN bridge.last_pass.gap IS 'Why it may have missed problems; null: it was complete';
COMMENT ON COLUMN bridge.last_pass.held_back_reason IS 'Why they are not recorded as deleted; null: there are none';
COMMENT ON COLUMN bridge.last_pass.filtered IS 'What of the source''s filter the server applies, or why not; null: there is none that a server could apply';

CREATE TABLE bridge.push_outcome (
    source_id smallint NOT NULL,
    hour timestamp with time zone NOT NULL,
    missed bigint NOT NULL,
    late bigint NOT NULL
);
ALTER TABLE ONLY bridge.push_outcome
    ADD CONSTRAINT push_outcome_pkey PRIMARY KEY (source_id, hour);
COMMENT ON TABLE bridge.push_outcome IS 'How many awaited notifications were missed or late, by hour';
COMMENT ON COLUMN bridge.push_outcome.source_id IS 'Source';
COMMENT ON COLUMN bridge.push_outcome.hour IS 'Hour (UTC) in which the changes were found';
COMMENT ON COLUMN bridge.push_outcome.missed IS 'Changes whose notification did not come';
COMMENT ON COLUMN bridge.push_outcome.late IS 'Changes whose notification came after they had been found';

CREATE TABLE bridge.refetch (
    source_id smallint NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    problem_id text NOT NULL,
    reason text NOT NULL
);
ALTER TABLE ONLY bridge.refetch
    ADD CONSTRAINT refetch_pkey PRIMARY KEY (source_id, problem_id);
COMMENT ON TABLE bridge.refetch IS 'Problems to be fetched by id, because what is known of them is partial or contradicts itself';
COMMENT ON COLUMN bridge.refetch.source_id IS 'Source';
COMMENT ON COLUMN bridge.refetch.attempts IS 'Tries that failed';
COMMENT ON COLUMN bridge.refetch.requested_at IS 'Our clock: an answer to a question asked later settles it';
COMMENT ON COLUMN bridge.refetch.due_at IS 'Not before';
COMMENT ON COLUMN bridge.refetch.problem_id IS 'Problem';
COMMENT ON COLUMN bridge.refetch.reason IS 'partial, tie, regression, unstamped, task, deleted, …';

CREATE TABLE bridge.subscription (
    id bigint NOT NULL,
    source_id smallint NOT NULL,
    hub_id text,
    url text NOT NULL,
    callback text NOT NULL,
    query text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT subscription_state_check CHECK ((state = ANY (ARRAY['active'::text, 'retired'::text])))
);
ALTER TABLE bridge.subscription ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.subscription_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.subscription
    ADD CONSTRAINT subscription_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX subscription_active_key ON bridge.subscription USING btree (source_id) WHERE (state = 'active'::text);
CREATE INDEX subscription_source_id_idx ON bridge.subscription USING btree (source_id);
COMMENT ON TABLE bridge.subscription IS 'Registrations at a source''s hub; kept because no version of the standard can list them';
COMMENT ON COLUMN bridge.subscription.id IS 'Key';
COMMENT ON COLUMN bridge.subscription.source_id IS 'Whose hub';
COMMENT ON COLUMN bridge.subscription.hub_id IS 'Id the hub gave; null when it gave none';
COMMENT ON COLUMN bridge.subscription.url IS 'API base path it was registered at';
COMMENT ON COLUMN bridge.subscription.callback IS 'Callback URL as registered';
COMMENT ON COLUMN bridge.subscription.query IS 'Query as registered; empty asks for every event';
COMMENT ON COLUMN bridge.subscription.state IS 'active: in use (one a source); retired: replaced, still to be deleted at the hub while retired_at is null';
COMMENT ON COLUMN bridge.subscription.registered_at IS 'When the hub accepted it';
COMMENT ON COLUMN bridge.subscription.retired_at IS 'When it was deleted at the hub, or found gone';

CREATE VIEW bridge.console_source AS
 SELECT s.id,
    s.name,
    s.url,
    s.version,
    s.mode,
    s.mode_since,
    s.last_push_at,
    s.last_error,
    s.last_error_at,
    s.fallback_reason,
    s.failing_jobs,
    w.finished_at AS last_poll_at,
    r.finished_at AS last_reconcile_at,
    lp.finished_at AS last_poll_pass_at,
    lp.started_at AS last_poll_started_at,
    lp.gap AS poll_gap,
    lr.finished_at AS last_reconcile_pass_at,
    lr.started_at AS last_reconcile_started_at,
    lr.gap AS reconcile_gap,
    lr.complete_at AS reconcile_complete_at,
    COALESCE(lr.held_back, (0)::bigint) AS held_back,
    lr.held_back_reason,
    u.hub_id,
    u.registered_at,
    regexp_replace(u.callback, '[^/]*$'::text, '••••'::text) AS callback,
    q.missed_24h,
    q.late_24h,
    ( SELECT count(*) AS count
           FROM bridge.dead_letter d
          WHERE ((d.source_id = s.id) AND (d.state = 'waiting'::text))) AS dead_letters,
    ( SELECT count(*) AS count
           FROM bridge.refetch f
          WHERE (f.source_id = s.id)) AS refetch_waiting
   FROM ((((((bridge.source s
     LEFT JOIN bridge.watermark w ON (((s.id = w.source_id) AND (w.kind = 'poll'::text))))
     LEFT JOIN bridge.watermark r ON (((s.id = r.source_id) AND (r.kind = 'reconcile'::text))))
     LEFT JOIN bridge.last_pass lp ON (((s.id = lp.source_id) AND (lp.kind = 'poll'::text))))
     LEFT JOIN bridge.last_pass lr ON (((s.id = lr.source_id) AND (lr.kind = 'reconcile'::text))))
     LEFT JOIN bridge.subscription u ON (((s.id = u.source_id) AND (u.state = 'active'::text))))
     LEFT JOIN LATERAL ( SELECT (COALESCE(sum(h.missed), (0)::numeric))::bigint AS missed_24h,
            (COALESCE(sum(h.late), (0)::numeric))::bigint AS late_24h
           FROM bridge.push_outcome h
          WHERE ((h.source_id = s.id) AND (h.hour > (now() - '24:00:00'::interval)))) q ON (true));
COMMENT ON VIEW bridge.console_source IS 'How each source is, as the console shows it: no secret';
COMMENT ON COLUMN bridge.console_source.id IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.name IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.url IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.version IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.mode IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.mode_since IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.last_push_at IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.last_error IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.last_error_at IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.fallback_reason IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.failing_jobs IS 'As in bridge.source';
COMMENT ON COLUMN bridge.console_source.last_poll_at IS 'When the last complete poll ended';
COMMENT ON COLUMN bridge.console_source.last_reconcile_at IS 'When the last complete reconcile pass ended';
COMMENT ON COLUMN bridge.console_source.last_poll_pass_at IS 'When the last poll ended, complete or not';
COMMENT ON COLUMN bridge.console_source.last_poll_started_at IS 'When the last poll began';
COMMENT ON COLUMN bridge.console_source.poll_gap IS 'Why the last poll may have missed problems; null: it was complete';
COMMENT ON COLUMN bridge.console_source.last_reconcile_pass_at IS 'When the last reconcile pass ended, complete or not';
COMMENT ON COLUMN bridge.console_source.last_reconcile_started_at IS 'When the last reconcile pass began';
COMMENT ON COLUMN bridge.console_source.reconcile_gap IS 'Why the last reconcile pass may have missed problems; null: it was complete';
COMMENT ON COLUMN bridge.console_source.reconcile_complete_at IS 'When a complete reconcile pass last ended';
COMMENT ON COLUMN bridge.console_source.held_back IS 'Problems that are missing from the list and not recorded as deleted';
COMMENT ON COLUMN bridge.console_source.held_back_reason IS 'Why they are not; null: there are none';
COMMENT ON COLUMN bridge.console_source.hub_id IS 'Id of the registration in use';
COMMENT ON COLUMN bridge.console_source.registered_at IS 'Since when it is registered; null: it is not';
COMMENT ON COLUMN bridge.console_source.callback IS 'Callback as registered, without its secret';
COMMENT ON COLUMN bridge.console_source.missed_24h IS 'Changes of 24 hours whose notification did not come';
COMMENT ON COLUMN bridge.console_source.late_24h IS 'Changes of 24 hours whose notification came after they had been found';
COMMENT ON COLUMN bridge.console_source.dead_letters IS 'Dead letters that wait';
COMMENT ON COLUMN bridge.console_source.refetch_waiting IS 'Problems that wait to be fetched by id';

CREATE TABLE bridge.console_user (
    name text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    password_set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT console_user_name_check CHECK (((name <> ''::text) AND (length(name) <= 100))),
    CONSTRAINT console_user_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'admin'::text])))
);
ALTER TABLE ONLY bridge.console_user
    ADD CONSTRAINT console_user_pkey PRIMARY KEY (name);
COMMENT ON TABLE bridge.console_user IS 'People who log in to the console with a password; made by `tmf656-bridge user`';
COMMENT ON COLUMN bridge.console_user.name IS 'Name to log in with';
COMMENT ON COLUMN bridge.console_user.password_hash IS 'Argon2id hash of the password';
COMMENT ON COLUMN bridge.console_user.role IS 'viewer: reads; operator: also has things done; admin: also changes settings and people';
COMMENT ON COLUMN bridge.console_user.created_at IS 'When the user was added';
COMMENT ON COLUMN bridge.console_user.password_set_at IS 'When the password was last set';

CREATE TABLE bridge.outbox (
    id bigint NOT NULL,
    link_id bigint NOT NULL,
    token bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    ended_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    status integer,
    rule_id smallint NOT NULL,
    source_id smallint NOT NULL,
    ends_ticket boolean DEFAULT false NOT NULL,
    side text NOT NULL,
    kind text NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    item text DEFAULT ''::text NOT NULL,
    outcome text,
    error text,
    fields jsonb DEFAULT '{}'::jsonb NOT NULL,
    cause jsonb,
    CONSTRAINT outbox_kind_check CHECK ((kind = ANY (ARRAY['create'::text, 'update'::text, 'note'::text, 'end_duplicate'::text]))),
    CONSTRAINT outbox_side_check CHECK ((side = ANY (ARRAY['left'::text, 'right'::text]))),
    CONSTRAINT outbox_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sending'::text, 'blocked'::text, 'done'::text, 'dropped'::text])))
);
ALTER TABLE bridge.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);
CREATE INDEX outbox_blocked_idx ON bridge.outbox USING btree (rule_id, id) WHERE (state = 'blocked'::text);
CREATE INDEX outbox_created_at_idx ON bridge.outbox USING btree (rule_id, created_at) WHERE (kind = 'create'::text);
CREATE INDEX outbox_due_at_idx ON bridge.outbox USING btree (source_id, due_at, id) WHERE (state = 'waiting'::text);
CREATE INDEX outbox_ended_at_idx ON bridge.outbox USING brin (ended_at);
CREATE INDEX outbox_link_id_idx ON bridge.outbox USING btree (link_id, id);
CREATE UNIQUE INDEX outbox_open_key ON bridge.outbox USING btree (link_id, side, kind, item) WHERE (state = ANY (ARRAY['waiting'::text, 'sending'::text, 'blocked'::text]));
CREATE INDEX outbox_sending_idx ON bridge.outbox USING btree (source_id, id) WHERE (state = 'sending'::text);
COMMENT ON TABLE bridge.outbox IS 'What is to be written to a source, and what was written; the row of an update says what was last missing, for people: what is sent is decided again right before';
COMMENT ON COLUMN bridge.outbox.id IS 'Key; older rows of a kind go first';
COMMENT ON COLUMN bridge.outbox.link_id IS 'Link';
COMMENT ON COLUMN bridge.outbox.token IS 'Token of the lease under which it is being sent; under an older one its outcome has to be found out';
COMMENT ON COLUMN bridge.outbox.created_at IS 'When it was first missing';
COMMENT ON COLUMN bridge.outbox.due_at IS 'Not before';
COMMENT ON COLUMN bridge.outbox.sent_at IS 'When the request was last about to be sent';
COMMENT ON COLUMN bridge.outbox.ended_at IS 'When it was done or dropped';
COMMENT ON COLUMN bridge.outbox.attempts IS 'Tries that failed and count; a target that is away or asks for a pause does not';
COMMENT ON COLUMN bridge.outbox.status IS 'HTTP status of the last answer';
COMMENT ON COLUMN bridge.outbox.rule_id IS 'Rule of the link';
COMMENT ON COLUMN bridge.outbox.source_id IS 'Source that is written to';
COMMENT ON COLUMN bridge.outbox.ends_ticket IS 'It ends the ticket there: waiting notes go first, because ended tickets often take none';
COMMENT ON COLUMN bridge.outbox.side IS 'Side of the link that is written to';
COMMENT ON COLUMN bridge.outbox.kind IS 'create: make the counterpart; update: change fields; note: copy a note; end_duplicate: end a second counterpart';
COMMENT ON COLUMN bridge.outbox.state IS 'waiting; sending: an intent is stored and the request may have been sent; blocked: needs a person; done; dropped: nothing was missing any more';
COMMENT ON COLUMN bridge.outbox.item IS 'Code of the note, or id of the duplicate; empty for other kinds';
COMMENT ON COLUMN bridge.outbox.outcome IS 'How it ended: done, unchanged (the target said so already), refused, dropped; null while it is open';
COMMENT ON COLUMN bridge.outbox.error IS 'Why it is blocked or was last put off, in words of the target where there are any';
COMMENT ON COLUMN bridge.outbox.fields IS 'What was last missing: {field: {"from", "to"}}';
COMMENT ON COLUMN bridge.outbox.cause IS 'The observation that it follows from: {"source", "id", "revision", "via", "changed_at", "observed_at"}';

CREATE VIEW bridge.console_write AS
 SELECT id,
    link_id,
    rule_id,
    source_id,
    side,
    kind,
    item,
    state,
    outcome,
    attempts,
    fields,
    cause,
    status,
    error,
    created_at,
    due_at,
    sent_at,
    ended_at
   FROM bridge.outbox o;
COMMENT ON VIEW bridge.console_write IS 'A write, open or ended, as the console filters and shows it';
COMMENT ON COLUMN bridge.console_write.id IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.link_id IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.rule_id IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.source_id IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.side IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.kind IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.item IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.state IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.outcome IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.attempts IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.fields IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.cause IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.status IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.error IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.created_at IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.due_at IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.sent_at IS 'As in bridge.outbox';
COMMENT ON COLUMN bridge.console_write.ended_at IS 'As in bridge.outbox';

CREATE TABLE bridge.daily_flow (
    source_id smallint NOT NULL,
    day date NOT NULL,
    kind integer NOT NULL,
    times bigint NOT NULL
);
ALTER TABLE ONLY bridge.daily_flow
    ADD CONSTRAINT daily_flow_pkey PRIMARY KEY (source_id, day, kind);
COMMENT ON TABLE bridge.daily_flow IS 'Sums of bridge.resolution.flow';
COMMENT ON COLUMN bridge.daily_flow.source_id IS 'Source';
COMMENT ON COLUMN bridge.daily_flow.day IS 'Day, in the time zone of bridge.summary';
COMMENT ON COLUMN bridge.daily_flow.kind IS 'What happened: bridge.daily_flow_kind';
COMMENT ON COLUMN bridge.daily_flow.times IS 'How often';

CREATE VIEW bridge.daily_flow_kind AS
 SELECT kind,
    created,
    resolved,
    closed,
    reopened,
    cancelled,
    deleted,
    opened
   FROM ( VALUES (0,1,0,0,0,0,0,1), (1,0,1,0,0,0,0,'-1'::integer), (2,0,1,0,0,0,0,0), (3,0,0,1,0,0,0,0), (4,0,0,0,1,0,0,1), (5,0,0,0,0,0,0,1), (6,0,0,0,0,1,0,'-1'::integer), (7,0,0,0,0,1,0,0), (8,0,0,0,0,0,1,'-1'::integer)) k(kind, created, resolved, closed, reopened, cancelled, deleted, opened);
COMMENT ON VIEW bridge.daily_flow_kind IS 'What can happen to a problem on a day, and what each adds to the columns of report.daily_flow';
COMMENT ON COLUMN bridge.daily_flow_kind.kind IS 'Its number in bridge.resolution.flow';
COMMENT ON COLUMN bridge.daily_flow_kind.created IS 'Counts as created';
COMMENT ON COLUMN bridge.daily_flow_kind.resolved IS 'Counts as resolved';
COMMENT ON COLUMN bridge.daily_flow_kind.closed IS 'Counts as closed';
COMMENT ON COLUMN bridge.daily_flow_kind.reopened IS 'Counts as reopened';
COMMENT ON COLUMN bridge.daily_flow_kind.cancelled IS 'Counts as cancelled';
COMMENT ON COLUMN bridge.daily_flow_kind.deleted IS 'Counts as deleted';
COMMENT ON COLUMN bridge.daily_flow_kind.opened IS 'How many more are open after it';

CREATE TABLE bridge.extra_column (
    source text NOT NULL,
    name text NOT NULL,
    path text NOT NULL,
    type text NOT NULL,
    CONSTRAINT extra_column_type_check CHECK ((type = ANY (ARRAY['text'::text, 'numeric'::text, 'boolean'::text, 'timestamptz'::text, 'jsonb'::text])))
);
ALTER TABLE ONLY bridge.extra_column
    ADD CONSTRAINT extra_column_pkey PRIMARY KEY (source, name);
COMMENT ON TABLE bridge.extra_column IS 'Columns of report.service_problem_extra, as configured (sources.NAME.columns); written by bridge.set_extra_columns';
COMMENT ON COLUMN bridge.extra_column.source IS 'Name of the source in the configuration; it need not have been read yet';
COMMENT ON COLUMN bridge.extra_column.name IS 'Name of the column';
COMMENT ON COLUMN bridge.extra_column.path IS 'Where its value stands in the body, as a JSON path of Postgres';
COMMENT ON COLUMN bridge.extra_column.type IS 'Type of the column';

CREATE TABLE bridge.lease (
    name text NOT NULL,
    holder text NOT NULL,
    token bigint NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    renewed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY bridge.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (name);
COMMENT ON TABLE bridge.lease IS 'Work that only one process does at a time';
COMMENT ON COLUMN bridge.lease.name IS 'The work';
COMMENT ON COLUMN bridge.lease.holder IS 'Process that holds it: host, process id and a random part';
COMMENT ON COLUMN bridge.lease.token IS 'Grows with every change of holder; what is written under an older one is refused';
COMMENT ON COLUMN bridge.lease.taken_at IS 'Since when this holder has it';
COMMENT ON COLUMN bridge.lease.expires_at IS 'Postgres'' clock: when any process may take it';
COMMENT ON COLUMN bridge.lease.renewed_at IS 'Postgres'' clock: when its holder last took or renewed it; how long ago a bridge last worked';

CREATE TABLE bridge.link_audit (
    id bigint NOT NULL,
    rule_id smallint NOT NULL,
    links integer DEFAULT 0 NOT NULL,
    last_link_id bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone
);
ALTER TABLE bridge.link_audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.link_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.link_audit
    ADD CONSTRAINT link_audit_pkey PRIMARY KEY (id);
CREATE INDEX link_audit_rule_id_idx ON bridge.link_audit USING btree (rule_id, id);
COMMENT ON TABLE bridge.link_audit IS 'A comparison of all linked tickets of a rule with what their sources say (tmf656-bridge links audit)';
COMMENT ON COLUMN bridge.link_audit.id IS 'Key';
COMMENT ON COLUMN bridge.link_audit.rule_id IS 'Rule';
COMMENT ON COLUMN bridge.link_audit.links IS 'Links compared so far';
COMMENT ON COLUMN bridge.link_audit.last_link_id IS 'Links up to here are compared: an audit that was interrupted goes on after it';
COMMENT ON COLUMN bridge.link_audit.started_at IS 'When it began';
COMMENT ON COLUMN bridge.link_audit.finished_at IS 'When all links were compared; null: it runs, or was interrupted';

CREATE TABLE bridge.link_drift (
    id bigint NOT NULL,
    audit_id bigint NOT NULL,
    link_id bigint NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    field text NOT NULL,
    left_value text,
    right_value text
);
ALTER TABLE bridge.link_drift ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.link_drift_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.link_drift
    ADD CONSTRAINT link_drift_field_key UNIQUE (audit_id, link_id, field);
ALTER TABLE ONLY bridge.link_drift
    ADD CONSTRAINT link_drift_pkey PRIMARY KEY (id);
CREATE INDEX link_drift_link_id_idx ON bridge.link_drift USING btree (link_id);
COMMENT ON TABLE bridge.link_drift IS 'A field that an audit found different on both sides without a known reason';
COMMENT ON COLUMN bridge.link_drift.id IS 'Key';
COMMENT ON COLUMN bridge.link_drift.audit_id IS 'Audit that found it';
COMMENT ON COLUMN bridge.link_drift.link_id IS 'Link';
COMMENT ON COLUMN bridge.link_drift.found_at IS 'When it was found';
COMMENT ON COLUMN bridge.link_drift.field IS 'Field of the rule; empty: a ticket is gone at its source, and the tables do not know it';
COMMENT ON COLUMN bridge.link_drift.left_value IS 'What the left said; null with an empty field: that ticket is gone';
COMMENT ON COLUMN bridge.link_drift.right_value IS 'What the right said; null with an empty field: that ticket is gone';

CREATE TABLE bridge.link_note (
    link_id bigint NOT NULL,
    noted_at timestamp with time zone,
    copied_at timestamp with time zone,
    side text NOT NULL,
    state text NOT NULL,
    note text NOT NULL,
    code text NOT NULL,
    copy_of text,
    author text,
    text_hash bytea,
    CONSTRAINT link_note_side_check CHECK ((side = ANY (ARRAY['left'::text, 'right'::text]))),
    CONSTRAINT link_note_state_check CHECK ((state = ANY (ARRAY['origin'::text, 'copy'::text, 'skipped'::text])))
);
ALTER TABLE ONLY bridge.link_note
    ADD CONSTRAINT link_note_pkey PRIMARY KEY (link_id, side, note);
CREATE INDEX link_note_code_idx ON bridge.link_note USING btree (link_id, code);
COMMENT ON TABLE bridge.link_note IS 'Notes of linked tickets, so that each stands once on the other side';
COMMENT ON COLUMN bridge.link_note.link_id IS 'Link';
COMMENT ON COLUMN bridge.link_note.noted_at IS 'When it was written, where its system says so';
COMMENT ON COLUMN bridge.link_note.copied_at IS 'Of an original: when its copy was confirmed on the other side';
COMMENT ON COLUMN bridge.link_note.side IS 'Side on which the note stands';
COMMENT ON COLUMN bridge.link_note.state IS 'origin: written there; copy: written by us; skipped: not to be copied';
COMMENT ON COLUMN bridge.link_note.note IS 'Id of the note in its system, else a hash of author, time and text';
COMMENT ON COLUMN bridge.link_note.code IS 'Code in the first line of the copy; of a copy, that of its original';
COMMENT ON COLUMN bridge.link_note.copy_of IS 'Of a copy: the original note on the other side, where it is known';
COMMENT ON COLUMN bridge.link_note.author IS 'Who wrote it';
COMMENT ON COLUMN bridge.link_note.text_hash IS 'Hash of the text; another one: it was edited';

CREATE TABLE bridge.missing_problem (
    source_id smallint NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    missing_since timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    asked_at timestamp with time zone,
    problem_id text NOT NULL,
    answer text,
    CONSTRAINT missing_problem_answer_check CHECK ((answer = ANY (ARRAY['given'::text, 'refused'::text, 'failed'::text])))
);
ALTER TABLE ONLY bridge.missing_problem
    ADD CONSTRAINT missing_problem_pkey PRIMARY KEY (source_id, problem_id);
COMMENT ON TABLE bridge.missing_problem IS 'Problems that two complete passes in a row did not return, until GET by id has said what became of them';
COMMENT ON COLUMN bridge.missing_problem.source_id IS 'Source';
COMMENT ON COLUMN bridge.missing_problem.attempts IS 'How often GET by id was asked';
COMMENT ON COLUMN bridge.missing_problem.missing_since IS 'Our clock: start of the second pass that did not return it';
COMMENT ON COLUMN bridge.missing_problem.due_at IS 'Our clock: GET by id is not asked before';
COMMENT ON COLUMN bridge.missing_problem.asked_at IS 'Our clock: when GET by id was last asked';
COMMENT ON COLUMN bridge.missing_problem.problem_id IS 'Problem';
COMMENT ON COLUMN bridge.missing_problem.answer IS 'What GET by id last answered: given (only the list hides it), refused (nothing about the problem), failed (the source was away)';

CREATE TABLE bridge.notification (
    received_at timestamp with time zone NOT NULL,
    event_time timestamp with time zone,
    source_id smallint NOT NULL,
    outcome text NOT NULL,
    event_type text,
    event_id text,
    problem_id text,
    body jsonb,
    effective_at timestamp with time zone,
    content_hash bytea,
    CONSTRAINT notification_outcome_check CHECK ((outcome = ANY (ARRAY['applied'::text, 'unchanged'::text, 'duplicate'::text, 'stale'::text, 'filtered'::text, 'dead_letter'::text])))
)
PARTITION BY RANGE (received_at);
CREATE INDEX notification_hour_idx ON ONLY bridge.notification USING brin (bridge.hour_of(received_at));
CREATE INDEX notification_received_at_idx ON ONLY bridge.notification USING btree (source_id, received_at);
COMMENT ON TABLE bridge.notification IS 'Everything that was received and answered; a partition a day, made ahead and dropped whole';
COMMENT ON COLUMN bridge.notification.received_at IS 'Our clock: when it arrived';
COMMENT ON COLUMN bridge.notification.event_time IS 'eventTime, in UTC';
COMMENT ON COLUMN bridge.notification.source_id IS 'Source';
COMMENT ON COLUMN bridge.notification.outcome IS 'applied, unchanged, duplicate, stale (older than what was known), filtered (not to be kept), dead_letter (kept, not understood)';
COMMENT ON COLUMN bridge.notification.event_type IS 'Event in v5''s spelling, or the source''s word';
COMMENT ON COLUMN bridge.notification.event_id IS 'eventId as sent';
COMMENT ON COLUMN bridge.notification.problem_id IS 'Problem it is about';
COMMENT ON COLUMN bridge.notification.body IS 'The event as received, without its problem where a version has that; null for a duplicate and for what is not JSON';
COMMENT ON COLUMN bridge.notification.effective_at IS 'Time of the version that holds the problem of this event word for word; null where body has all of it';
COMMENT ON COLUMN bridge.notification.content_hash IS 'Hash of that version';

CREATE TABLE bridge.notification_digest (
    received_at timestamp with time zone NOT NULL,
    source_id smallint NOT NULL,
    digest bytea NOT NULL
);
ALTER TABLE ONLY bridge.notification_digest
    ADD CONSTRAINT notification_digest_pkey PRIMARY KEY (source_id, digest);
CREATE INDEX notification_digest_received_at_idx ON bridge.notification_digest USING brin (received_at);
COMMENT ON TABLE bridge.notification_digest IS 'Digests of stored events, to recognise a duplicate; without events of which an equal one may be new';
COMMENT ON COLUMN bridge.notification_digest.received_at IS 'When it first arrived';
COMMENT ON COLUMN bridge.notification_digest.source_id IS 'Source';
COMMENT ON COLUMN bridge.notification_digest.digest IS 'Hash of the whole event';

CREATE TABLE bridge.problem_search (
    source_id smallint NOT NULL,
    complete boolean NOT NULL,
    digest bigint NOT NULL,
    id text NOT NULL,
    words tsvector NOT NULL
);
ALTER TABLE ONLY bridge.problem_search
    ADD CONSTRAINT problem_search_pkey PRIMARY KEY (source_id, id);
CREATE INDEX problem_search_incomplete_idx ON bridge.problem_search USING btree (source_id, id) WHERE (NOT complete);
CREATE INDEX problem_search_words_idx ON bridge.problem_search USING gin (words) WITH (gin_pending_list_limit='1024');
COMMENT ON TABLE bridge.problem_search IS 'Words and references of problems, as of bridge.search_state';
COMMENT ON COLUMN bridge.problem_search.source_id IS 'Source';
COMMENT ON COLUMN bridge.problem_search.complete IS 'All of them are here; false: they are too many, and the problem itself is looked at';
COMMENT ON COLUMN bridge.problem_search.digest IS 'Hash of what they were made of; the same: nothing to write';
COMMENT ON COLUMN bridge.problem_search.id IS 'Problem';
COMMENT ON COLUMN bridge.problem_search.words IS 'bridge.search_words and bridge.search_references of it; only a reference has a space';

CREATE VIEW bridge.version_with_previous AS
 WITH fact AS (
         SELECT s.name AS source,
            v.problem_id AS id,
            v.effective_at,
            v.kind,
            v.via,
            v.event_type,
            v.status,
            v.body,
            COALESCE(v.body_hash, v.content_hash) AS body_hash,
            row_number() OVER history AS place,
            lead(v.effective_at) OVER history AS next_at,
            max(v.effective_at) FILTER (WHERE (v.kind = 'full'::text)) OVER history AS whole_at,
            max(v.effective_at) FILTER (WHERE (v.kind = 'tombstone'::text)) OVER history AS gone_at
           FROM (bridge.service_problem_version v
             JOIN bridge.source s ON ((v.source_id = s.id)))
          WHERE (NOT v.superseded)
          WINDOW history AS (PARTITION BY s.name, v.problem_id ORDER BY v.effective_at, (v.kind COLLATE "C"), v.confirmed_at NULLS FIRST, (
                CASE
                    WHEN (v.kind = 'full'::text) THEN v.status
                    ELSE NULL::text
                END COLLATE "C"), v.content_hash)
        ), effective AS (
         SELECT d.source,
            d.id,
            d.effective_at,
            d.kind,
            d.via,
            d.event_type,
            d.status,
            d.body,
            d.body_hash,
            d.place,
            d.next_at,
            d.whole_at,
            d.gone_at,
            lag(d.body_hash) OVER (PARTITION BY d.source, d.id ORDER BY d.place) AS body_hash_before
           FROM fact d
          WHERE ((d.next_at IS DISTINCT FROM d.effective_at) AND ((d.kind <> 'partial'::text) OR (d.gone_at IS NULL) OR (d.whole_at > d.gone_at)))
        ), version AS (
         SELECT h.source,
            h.id,
            h.effective_at,
            h.kind,
            h.via,
            h.event_type,
            h.status,
            h.body,
            h.body_hash,
            h.place,
            h.next_at,
            h.whole_at,
            h.gone_at,
            h.body_hash_before,
            lead(h.effective_at) OVER history AS valid_to,
            lag(
                CASE
                    WHEN (h.kind <> 'tombstone'::text) THEN h.body
                    ELSE NULL::jsonb
                END) OVER history AS body_before
           FROM effective h
          WHERE (h.body_hash IS DISTINCT FROM h.body_hash_before)
          WINDOW history AS (PARTITION BY h.source, h.id ORDER BY h.place)
        )
 SELECT source,
    id,
    effective_at AS valid_from,
    valid_to,
    via,
    event_type,
    status,
    body_before,
    body
   FROM version l
  WHERE (kind <> 'tombstone'::text);
COMMENT ON VIEW bridge.version_with_previous IS 'Versions as report.service_problem_version has them, with the body of the version before';
COMMENT ON COLUMN bridge.version_with_previous.source IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.version_with_previous.id IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.version_with_previous.valid_from IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.version_with_previous.valid_to IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.version_with_previous.via IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.version_with_previous.event_type IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.version_with_previous.status IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.version_with_previous.body_before IS 'All attributes of the version before; null for the first one and after a deletion';
COMMENT ON COLUMN bridge.version_with_previous.body IS 'As in report.service_problem_version';

CREATE VIEW bridge.problem_timeline AS
 SELECT v.source,
    v.id,
    v.valid_from,
    v.valid_to,
    v.via,
    v.event_type,
    v.status,
    v.body_before,
    v.body,
    o.observed_at
   FROM ((bridge.version_with_previous v
     JOIN bridge.source s ON ((v.source = s.name)))
     LEFT JOIN LATERAL ( SELECT min(f.observed_at) AS observed_at
           FROM bridge.service_problem_version f
          WHERE ((f.source_id = s.id) AND (f.problem_id = v.id) AND (f.effective_at = v.valid_from) AND (NOT f.superseded))) o ON (true));
COMMENT ON VIEW bridge.problem_timeline IS 'Versions as report.service_problem_version has them, with the body before and when each was first known here';
COMMENT ON COLUMN bridge.problem_timeline.source IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.id IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.valid_from IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.valid_to IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.via IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.event_type IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.status IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.body_before IS 'All attributes of the version before; null for the first one and after a deletion';
COMMENT ON COLUMN bridge.problem_timeline.body IS 'As in report.service_problem_version';
COMMENT ON COLUMN bridge.problem_timeline.observed_at IS 'Our clock: when it was first received, or asked for';

CREATE TABLE bridge.request (
    id bigint NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    taken_at timestamp with time zone,
    ended_at timestamp with time zone,
    progress_done bigint,
    progress_total bigint,
    source_id smallint,
    attempts smallint DEFAULT 0 NOT NULL,
    kind text NOT NULL,
    asked_by text NOT NULL,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    outcome text,
    detail text,
    subject text DEFAULT ''::text NOT NULL,
    CONSTRAINT request_ended_check CHECK (((ended_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT request_kind_check CHECK ((kind = ANY (ARRAY['poll'::text, 'reconcile'::text, 'register'::text, 'rotate_secret'::text, 'replay'::text, 'discard'::text, 'retry_link'::text, 'retry_writes'::text, 'separate_link'::text, 'join_tickets'::text, 'resolve_conflict'::text, 'give_up_write'::text, 'pause_rule'::text, 'resume_rule'::text, 'release_rule'::text]))),
    CONSTRAINT request_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'incomplete'::text, 'failed'::text])))
);
ALTER TABLE bridge.request ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.request
    ADD CONSTRAINT request_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX request_open_key ON bridge.request USING btree (source_id, kind, subject) NULLS NOT DISTINCT WHERE (ended_at IS NULL);
CREATE INDEX request_source_id_idx ON bridge.request USING btree (source_id, id);
CREATE INDEX request_subject_idx ON bridge.request USING btree (subject, id) WHERE (subject <> ''::text);
COMMENT ON TABLE bridge.request IS 'What an operator asked of the bridge. The process that leads takes it; when that process ends, the next one takes it again';
COMMENT ON COLUMN bridge.request.id IS 'Key';
COMMENT ON COLUMN bridge.request.asked_at IS 'When it was asked';
COMMENT ON COLUMN bridge.request.taken_at IS 'When a process last began with it; null: none has yet';
COMMENT ON COLUMN bridge.request.ended_at IS 'When it ended, whatever came of it; null while it is open';
COMMENT ON COLUMN bridge.request.progress_done IS 'How many problems, dead letters or writes were dealt with so far';
COMMENT ON COLUMN bridge.request.progress_total IS 'Of how many; null where that is not known';
COMMENT ON COLUMN bridge.request.source_id IS 'Source; null: dead letters of every source, and what is about links';
COMMENT ON COLUMN bridge.request.attempts IS 'How often a process began with it';
COMMENT ON COLUMN bridge.request.kind IS 'poll, reconcile, register, rotate_secret (of the callback), replay or discard (dead letters), retry_link, retry_writes, separate_link, join_tickets, resolve_conflict, give_up_write, pause_rule, resume_rule or release_rule';
COMMENT ON COLUMN bridge.request.asked_by IS 'Who asked';
COMMENT ON COLUMN bridge.request.arguments IS 'Which dead letters: numbers, or reason (null: any) and up_to (the newest number when it was asked); which link, field or rule, and what is to be done';
COMMENT ON COLUMN bridge.request.outcome IS 'done; incomplete (a pass may have missed problems, some letters are still not understood); failed';
COMMENT ON COLUMN bridge.request.detail IS 'What came of it, in words';
COMMENT ON COLUMN bridge.request.subject IS 'What exactly it is about, where one of a kind and source is not enough: a link, a field of it, a rule; else empty';

CREATE VIEW bridge.request_state AS
 SELECT r.id,
    s.name AS source,
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
        CASE
            WHEN (r.outcome IS NOT NULL) THEN r.outcome
            WHEN ((NOT (EXISTS ( SELECT
               FROM bridge.lease l
              WHERE ((l.name = 'jobs'::text) AND (l.expires_at > clock_timestamp()))))) AND (COALESCE(r.taken_at, r.asked_at) < (clock_timestamp() - '00:01:00'::interval))) THEN 'no_leader'::text
            WHEN (r.taken_at IS NOT NULL) THEN 'running'::text
            WHEN (r.asked_at < (clock_timestamp() - '00:01:00'::interval)) THEN 'no_leader'::text
            ELSE 'asked'::text
        END AS state
   FROM (bridge.request r
     LEFT JOIN bridge.source s ON ((r.source_id = s.id)));
COMMENT ON VIEW bridge.request_state IS 'A request as the console shows it';
COMMENT ON COLUMN bridge.request_state.id IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.source IS 'Name of the source';
COMMENT ON COLUMN bridge.request_state.kind IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.subject IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.asked_by IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.asked_at IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.taken_at IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.ended_at IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.progress_done IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.progress_total IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.attempts IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.outcome IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.detail IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.arguments IS 'As in bridge.request';
COMMENT ON COLUMN bridge.request_state.state IS 'asked, running, no_leader (nobody has taken it for a minute), or how it ended';

CREATE TABLE bridge.resolution (
    source_id smallint NOT NULL,
    priority integer,
    revision integer NOT NULL,
    times_reopened integer NOT NULL,
    created_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    resolved_at timestamp with time zone,
    closed_at timestamp with time zone,
    held_since timestamp with time zone,
    pending_since timestamp with time zone,
    deleted_at timestamp with time zone,
    seconds_held double precision NOT NULL,
    seconds_pending double precision NOT NULL,
    id text NOT NULL,
    status text NOT NULL,
    category text,
    flow integer[] NOT NULL,
    services text[],
    resources text[],
    places text[],
    names_revision integer,
    known_since timestamp with time zone,
    complete boolean DEFAULT false NOT NULL
)
WITH (fillfactor='90');
ALTER TABLE ONLY bridge.resolution
    ADD CONSTRAINT resolution_pkey PRIMARY KEY (source_id, id);
CREATE INDEX resolution_created_at_idx ON bridge.resolution USING btree (created_at);
CREATE INDEX resolution_open_idx ON bridge.resolution USING btree (created_at) WHERE ((deleted_at IS NULL) AND (status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])));
CREATE INDEX resolution_resolved_at_idx ON bridge.resolution USING btree (resolved_at);
CREATE INDEX resolution_without_names_idx ON bridge.resolution USING btree (source_id, id) WHERE ((deleted_at IS NULL) AND (status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])) AND (names_revision IS DISTINCT FROM revision));
COMMENT ON TABLE bridge.resolution IS 'What report.resolution, report.open_problem and report.daily_flow say of a problem, as of bridge.summary';
COMMENT ON COLUMN bridge.resolution.source_id IS 'Source';
COMMENT ON COLUMN bridge.resolution.priority IS 'Priority';
COMMENT ON COLUMN bridge.resolution.revision IS 'Revision of the current row it was computed from; a scan finds rows that differ';
COMMENT ON COLUMN bridge.resolution.times_reopened IS 'How often it went from resolved or closed back to work';
COMMENT ON COLUMN bridge.resolution.created_at IS 'When it was raised';
COMMENT ON COLUMN bridge.resolution.acknowledged_at IS 'When it was first taken up';
COMMENT ON COLUMN bridge.resolution.resolved_at IS 'When it was resolved; null while it is not';
COMMENT ON COLUMN bridge.resolution.closed_at IS 'When it was closed; null while it is not';
COMMENT ON COLUMN bridge.resolution.held_since IS 'Since when it is held; null while it is not';
COMMENT ON COLUMN bridge.resolution.pending_since IS 'Since when it is pending; null while it is not';
COMMENT ON COLUMN bridge.resolution.deleted_at IS 'Since when it is gone at the source';
COMMENT ON COLUMN bridge.resolution.seconds_held IS 'How long it was held, without a hold that goes on (held_since)';
COMMENT ON COLUMN bridge.resolution.seconds_pending IS 'How long it was pending, without a wait that goes on (pending_since)';
COMMENT ON COLUMN bridge.resolution.id IS 'Problem';
COMMENT ON COLUMN bridge.resolution.status IS 'Status now';
COMMENT ON COLUMN bridge.resolution.category IS 'Category';
COMMENT ON COLUMN bridge.resolution.flow IS 'What it adds to daily flow: quarters of an hour since 2000-01-01 (UTC), times 16, plus bridge.daily_flow_kind.kind';
COMMENT ON COLUMN bridge.resolution.services IS 'Names of the affected services of an open problem; null when it is not open';
COMMENT ON COLUMN bridge.resolution.resources IS 'Names of the affected resources of an open problem; null when it is not open';
COMMENT ON COLUMN bridge.resolution.places IS 'Names of the affected locations of an open problem; null when it is not open';
COMMENT ON COLUMN bridge.resolution.names_revision IS 'Revision of the current row that these names were taken from';
COMMENT ON COLUMN bridge.resolution.known_since IS 'Since when its statuses are known';
COMMENT ON COLUMN bridge.resolution.complete IS 'All its statuses are known, from the first one on';

CREATE TABLE bridge.saved_view (
    id bigint NOT NULL,
    owner text NOT NULL,
    name text NOT NULL,
    parameters text NOT NULL,
    shared boolean DEFAULT false NOT NULL,
    saved_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT saved_view_name_check CHECK (((name <> ''::text) AND (length(name) <= 60))),
    CONSTRAINT saved_view_parameters_check CHECK ((length(parameters) <= 8000))
);
ALTER TABLE bridge.saved_view ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME bridge.saved_view_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY bridge.saved_view
    ADD CONSTRAINT saved_view_owner_name_key UNIQUE (owner, name);
ALTER TABLE ONLY bridge.saved_view
    ADD CONSTRAINT saved_view_pkey PRIMARY KEY (id);
COMMENT ON TABLE bridge.saved_view IS 'Lists of problems that people of the console keep under a name';
COMMENT ON COLUMN bridge.saved_view.id IS 'Key';
COMMENT ON COLUMN bridge.saved_view.owner IS 'Who keeps it: a name as in bridge.audit.actor';
COMMENT ON COLUMN bridge.saved_view.name IS 'Name; one owner has each once';
COMMENT ON COLUMN bridge.saved_view.parameters IS 'The list, as the query of its address';
COMMENT ON COLUMN bridge.saved_view.shared IS 'Everybody sees it; false: its owner does';
COMMENT ON COLUMN bridge.saved_view.saved_at IS 'When it was last saved';

CREATE TABLE bridge.setting_revision (
    id bigint NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    via text NOT NULL,
    made_by text NOT NULL,
    reason text NOT NULL,
    changes jsonb NOT NULL,
    sealed jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT setting_revision_id_check CHECK ((id > 0)),
    CONSTRAINT setting_revision_via_check CHECK ((via = ANY (ARRAY['console'::text, 'cli'::text, 'api'::text])))
);
ALTER TABLE ONLY bridge.setting_revision
    ADD CONSTRAINT setting_revision_pkey PRIMARY KEY (id);
COMMENT ON TABLE bridge.setting_revision IS 'What was changed in the console, one row a save; rows are only added. Of two who save at the same time one gets the number, the other a conflict';
COMMENT ON COLUMN bridge.setting_revision.id IS 'Number of the revision, one more than that it was made from';
COMMENT ON COLUMN bridge.setting_revision.made_at IS 'When';
COMMENT ON COLUMN bridge.setting_revision.via IS 'console, cli or api';
COMMENT ON COLUMN bridge.setting_revision.made_by IS 'Who';
COMMENT ON COLUMN bridge.setting_revision.reason IS 'Why, in their words';
COMMENT ON COLUMN bridge.setting_revision.changes IS 'Key of the configuration → before (what was in force; of a secret whether it was set), and value, or secret, or reset (no longer set here)';
COMMENT ON COLUMN bridge.setting_revision.sealed IS 'Key → secret, encrypted with a key that is not in the database';

CREATE VIEW bridge.setting AS
 WITH latest AS (
         SELECT DISTINCT ON (c.key) c.key,
            c.value AS change,
            (r.sealed ->> c.key) AS sealed,
            r.id AS revision,
            r.made_by,
            r.made_at
           FROM (bridge.setting_revision r
             CROSS JOIN LATERAL jsonb_each(r.changes) c(key, value))
          ORDER BY c.key, r.id DESC
        )
 SELECT key,
    (change -> 'value'::text) AS value,
    sealed,
    revision,
    made_by,
    made_at
   FROM latest l
  WHERE (NOT (change ? 'reset'::text));
COMMENT ON VIEW bridge.setting IS 'What is set in the console now: the newest change of each key';
COMMENT ON COLUMN bridge.setting.key IS 'Key of the configuration, with dots';
COMMENT ON COLUMN bridge.setting.value IS 'Value; null for a secret';
COMMENT ON COLUMN bridge.setting.sealed IS 'Secret, encrypted; null for anything else';
COMMENT ON COLUMN bridge.setting.revision IS 'Revision that set it';
COMMENT ON COLUMN bridge.setting.made_by IS 'Who set it';
COMMENT ON COLUMN bridge.setting.made_at IS 'When it was set';

CREATE TABLE bridge.unmapped_value (
    source_id smallint NOT NULL,
    attribute text NOT NULL,
    example text NOT NULL,
    times bigint NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY bridge.unmapped_value
    ADD CONSTRAINT unmapped_value_pkey PRIMARY KEY (source_id, attribute, example);
COMMENT ON TABLE bridge.unmapped_value IS 'Values of a source that could not be read: times in unknown forms, words for a status or priority that mean none';
COMMENT ON COLUMN bridge.unmapped_value.source_id IS 'Source';
COMMENT ON COLUMN bridge.unmapped_value.attribute IS 'Attribute, by its name in version 4';
COMMENT ON COLUMN bridge.unmapped_value.example IS 'The value as the source wrote it, shortened';
COMMENT ON COLUMN bridge.unmapped_value.times IS 'How often it came';
COMMENT ON COLUMN bridge.unmapped_value.first_seen_at IS 'Our clock: when it first came';
COMMENT ON COLUMN bridge.unmapped_value.last_seen_at IS 'Our clock: when it last came';

CREATE TABLE bridge.vocabulary_walk (
    source_id smallint NOT NULL,
    digest bytea NOT NULL,
    walked_id text DEFAULT ''::text NOT NULL,
    changed bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone
);
ALTER TABLE ONLY bridge.vocabulary_walk
    ADD CONSTRAINT vocabulary_walk_pkey PRIMARY KEY (source_id);
COMMENT ON TABLE bridge.vocabulary_walk IS 'With which words of its own what is stored of a source was read; a source without a row never had any';
COMMENT ON COLUMN bridge.vocabulary_walk.source_id IS 'Source';
COMMENT ON COLUMN bridge.vocabulary_walk.digest IS 'Of status_map and priority_map';
COMMENT ON COLUMN bridge.vocabulary_walk.walked_id IS 'Problems up to this one were read again: a walk that was interrupted goes on after it';
COMMENT ON COLUMN bridge.vocabulary_walk.changed IS 'Problems of which something changed so far';
COMMENT ON COLUMN bridge.vocabulary_walk.started_at IS 'When the walk over the problems began';
COMMENT ON COLUMN bridge.vocabulary_walk.finished_at IS 'When all were read again; null: it is under way';

CREATE TABLE bridge_migration.applied (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    breaking boolean DEFAULT false NOT NULL
);
ALTER TABLE ONLY bridge_migration.applied
    ADD CONSTRAINT applied_pkey PRIMARY KEY (version);
COMMENT ON TABLE bridge_migration.applied IS 'A migration that was applied';
COMMENT ON COLUMN bridge_migration.applied.version IS 'Number of the file';
COMMENT ON COLUMN bridge_migration.applied.name IS 'Name of the file';
COMMENT ON COLUMN bridge_migration.applied.checksum IS 'SHA-256 of the file as applied';
COMMENT ON COLUMN bridge_migration.applied.applied_at IS 'When';
COMMENT ON COLUMN bridge_migration.applied.breaking IS 'Programs that do not know this migration cannot run on it';

CREATE VIEW report.affected_location AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS location_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'role'::text) AS role,
    (e.item ->> 'href'::text) AS href,
    COALESCE((e.item ->> '@referredType'::text), (e.item ->> '@type'::text)) AS type,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'affectedLocation'::text), 'name'::text) e(ordinal, item));
COMMENT ON VIEW report.affected_location IS 'A place that a problem affects; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.affected_location.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.affected_location.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.affected_location."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.affected_location.location_id IS 'Id of the place';
COMMENT ON COLUMN report.affected_location.name IS 'Name of the place';
COMMENT ON COLUMN report.affected_location.role IS 'What the place is to the problem';
COMMENT ON COLUMN report.affected_location.href IS 'Link to the place';
COMMENT ON COLUMN report.affected_location.type IS 'Kind of place, as the source puts it';
COMMENT ON COLUMN report.affected_location.body IS 'Everything the source says of it; a bare text stands under name';
COMMENT ON COLUMN report.affected_location.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.affected_resource AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS resource_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'href'::text) AS href,
    COALESCE((e.item ->> '@referredType'::text), (e.item ->> '@type'::text)) AS type,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'affectedResource'::text), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.affected_resource IS 'A resource (a device, a line, a site) that a problem affects; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.affected_resource.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.affected_resource.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.affected_resource."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.affected_resource.resource_id IS 'Id of the resource';
COMMENT ON COLUMN report.affected_resource.name IS 'Name of the resource';
COMMENT ON COLUMN report.affected_resource.href IS 'Link to the resource';
COMMENT ON COLUMN report.affected_resource.type IS 'Kind of resource, as the source puts it';
COMMENT ON COLUMN report.affected_resource.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.affected_resource.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.affected_service AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS service_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'href'::text) AS href,
    COALESCE((e.item ->> '@referredType'::text), (e.item ->> '@type'::text)) AS type,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'affectedService'::text), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.affected_service IS 'A service that a problem affects; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.affected_service.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.affected_service.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.affected_service."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.affected_service.service_id IS 'Id of the service';
COMMENT ON COLUMN report.affected_service.name IS 'Name of the service';
COMMENT ON COLUMN report.affected_service.href IS 'Link to the service';
COMMENT ON COLUMN report.affected_service.type IS 'Kind of service, as the source puts it';
COMMENT ON COLUMN report.affected_service.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.affected_service.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.change AS
 SELECT v.source,
    v.id,
    v.valid_from AS changed_at,
    c.attribute,
    c.old,
    c.new,
    v.via
   FROM (bridge.version_with_previous v
     CROSS JOIN LATERAL ( SELECT COALESCE(a.key, b.key) AS attribute,
            b.value AS old,
            a.value AS new
           FROM (jsonb_each(v.body) a(key, value)
             FULL JOIN jsonb_each(v.body_before) b(key, value) ON ((a.key = b.key)))
          WHERE (a.value IS DISTINCT FROM b.value)) c)
  WHERE (v.body_before IS NOT NULL);
COMMENT ON VIEW report.change IS 'One attribute of a service problem that changed, with its value before and after; the first version of a problem is no change. Key: source, id, changed_at, attribute. Joins: report.service_problem on source, id; report.service_problem_version on source, id, valid_from = changed_at';
COMMENT ON COLUMN report.change.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.change.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.change.changed_at IS 'When it changed, by the source''s clock';
COMMENT ON COLUMN report.change.attribute IS 'Name of the attribute, in version 4 spelling';
COMMENT ON COLUMN report.change.old IS 'Its value before, as JSON (old #>> ''{}'' is it as text); null when it had none';
COMMENT ON COLUMN report.change.new IS 'Its value after, as JSON; null when it was taken away';
COMMENT ON COLUMN report.change.via IS 'How the change came first: push, poll, reconcile or refetch';

CREATE VIEW report.characteristic AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS characteristic_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'value'::text) AS value,
    (e.item ->> 'valueType'::text) AS value_type,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'characteristic'::text), 'name'::text) e(ordinal, item));
COMMENT ON VIEW report.characteristic IS 'An additional, named value of a problem; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.characteristic.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.characteristic.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.characteristic."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.characteristic.characteristic_id IS 'Id of the characteristic';
COMMENT ON COLUMN report.characteristic.name IS 'Its name';
COMMENT ON COLUMN report.characteristic.value IS 'Its value as text; null where it is kept otherwise (see body)';
COMMENT ON COLUMN report.characteristic.value_type IS 'Type of the value, as the source puts it';
COMMENT ON COLUMN report.characteristic.body IS 'Everything the source says of it; a bare text stands under name';
COMMENT ON COLUMN report.characteristic.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.conflict AS
 SELECT r.name AS rule,
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
    c.id AS conflict_id
   FROM ((bridge.conflict c
     JOIN bridge.link l ON ((c.link_id = l.id)))
     JOIN bridge.link_rule r ON ((l.rule_id = r.id)));
COMMENT ON VIEW report.conflict IS 'Values that wait for a person, and values that were overruled. Key: conflict_id. Joins: report.link on link_id';
COMMENT ON COLUMN report.conflict.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.conflict.link_id IS 'Link';
COMMENT ON COLUMN report.conflict.field IS 'Field of the rule; empty when it is about the link itself';
COMMENT ON COLUMN report.conflict.kind IS 'both_changed, overruled, overwritten (changed between our read and our write), refused (the target did not keep it), unmapped (no row of the map says what to write), uncertain (a write without an answer), oscillating, duplicate (a second counterpart), ambiguous (several tickets match)';
COMMENT ON COLUMN report.conflict.left_value IS 'What the left said';
COMMENT ON COLUMN report.conflict.right_value IS 'What the right said';
COMMENT ON COLUMN report.conflict.left_at IS 'Since when the left said so, where it is known';
COMMENT ON COLUMN report.conflict.right_at IS 'Since when the right said so, where it is known';
COMMENT ON COLUMN report.conflict.outcome IS 'waiting, left or right (whose value won), dismissed, agreed';
COMMENT ON COLUMN report.conflict.decided_by IS 'Who chose: a person, or policy';
COMMENT ON COLUMN report.conflict.opened_at IS 'When it was found';
COMMENT ON COLUMN report.conflict.decided_at IS 'When it was decided';
COMMENT ON COLUMN report.conflict.settled_at IS 'When the decision was carried out, or both sides agreed; null: it is open';
COMMENT ON COLUMN report.conflict.conflict_id IS 'Number of the conflict';

CREATE VIEW report.daily_flow AS
 WITH happened AS (
         SELECT f.source_id,
            f.day,
            f.kind,
            f.times
           FROM bridge.daily_flow f
          WHERE ( SELECT bridge.daily_flow_usable() AS daily_flow_usable)
        UNION ALL
         SELECT a.source_id,
            bridge.daily_flow_day(a.code, ( SELECT report.time_zone() AS time_zone)) AS day,
            (a.code & 15) AS kind,
            a.times
           FROM ( SELECT r.source_id,
                    u.code,
                    1 AS times
                   FROM (bridge.resolution r
                     CROSS JOIN LATERAL unnest(r.flow) u(code))
                  WHERE (( SELECT bridge.summary_usable() AS summary_usable) AND (NOT ( SELECT bridge.daily_flow_usable() AS daily_flow_usable)))
                UNION ALL
                 SELECT r.source_id,
                    u.code,
                    '-1'::integer AS times
                   FROM ((bridge.unsummarised() c_1(source_id, id)
                     JOIN bridge.resolution r ON (((c_1.source_id = r.source_id) AND (c_1.id = r.id))))
                     CROSS JOIN LATERAL unnest(r.flow) u(code))
                  WHERE ( SELECT bridge.summary_usable() AS summary_usable)
                UNION ALL
                 SELECT n.source_id,
                    u.code,
                    1 AS times
                   FROM ((bridge.unsummarised() c_1(source_id, id)
                     JOIN bridge.computed_resolution n ON (((c_1.source_id = n.source_id) AND (c_1.id = n.id))))
                     CROSS JOIN LATERAL unnest(n.flow) u(code))
                  WHERE ( SELECT bridge.summary_usable() AS summary_usable)
                UNION ALL
                 SELECT n.source_id,
                    u.code,
                    1 AS times
                   FROM (bridge.computed_resolution n
                     CROSS JOIN LATERAL unnest(n.flow) u(code))
                  WHERE (NOT ( SELECT bridge.summary_usable() AS summary_usable))) a
        ), summed AS (
         SELECT h.source_id,
            h.day,
            h.kind,
            sum(h.times) AS times
           FROM happened h
          GROUP BY h.source_id, h.day, h.kind
         HAVING (sum(h.times) <> (0)::numeric)
        ), eventful AS (
         SELECT s.name AS source,
            s.created_at AS known_since,
            m.day,
            (sum((m.times * (k.created)::numeric)))::bigint AS created,
            (sum((m.times * (k.resolved)::numeric)))::bigint AS resolved,
            (sum((m.times * (k.closed)::numeric)))::bigint AS closed,
            (sum((m.times * (k.reopened)::numeric)))::bigint AS reopened,
            (sum((m.times * (k.cancelled)::numeric)))::bigint AS cancelled,
            (sum((m.times * (k.deleted)::numeric)))::bigint AS deleted,
            (sum((m.times * (k.opened)::numeric)))::bigint AS opened
           FROM ((summed m
             JOIN bridge.daily_flow_kind k ON ((m.kind = k.kind)))
             JOIN bridge.source s ON ((m.source_id = s.id)))
          GROUP BY s.name, s.created_at, m.day
        ), carried AS (
         SELECT f.source,
            f.known_since,
            f.day,
            f.created,
            f.resolved,
            f.closed,
            f.reopened,
            f.cancelled,
            f.deleted,
            f.opened,
            sum(f.opened) OVER history AS open,
            COALESCE(lead(f.day) OVER history, (GREATEST(f.day, ((now() AT TIME ZONE ( SELECT report.time_zone() AS time_zone)))::date) + 1)) AS next_day
           FROM eventful f
          WINDOW history AS (PARTITION BY f.source ORDER BY f.day)
        )
 SELECT c.source,
    (c.day + g.later) AS day,
        CASE g.later
            WHEN 0 THEN c.created
            ELSE (0)::bigint
        END AS created,
        CASE g.later
            WHEN 0 THEN c.resolved
            ELSE (0)::bigint
        END AS resolved,
        CASE g.later
            WHEN 0 THEN c.closed
            ELSE (0)::bigint
        END AS closed,
        CASE g.later
            WHEN 0 THEN c.reopened
            ELSE (0)::bigint
        END AS reopened,
        CASE g.later
            WHEN 0 THEN c.cancelled
            ELSE (0)::bigint
        END AS cancelled,
        CASE g.later
            WHEN 0 THEN c.deleted
            ELSE (0)::bigint
        END AS deleted,
    (c.open)::bigint AS open,
    c.known_since
   FROM (carried c
     CROSS JOIN LATERAL generate_series(0, ((c.next_day - c.day) - 1)) g(later));
COMMENT ON VIEW report.daily_flow IS 'How many problems came, went and were open, per source and day, from the first day to today; days on which nothing happened too. Of the days before known_since only what problems say of themselves is known: a problem counts as open from its creation to its first known end. Key: source, day';
COMMENT ON COLUMN report.daily_flow.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.daily_flow.day IS 'The day, in the time zone of report.time_zone(), by the source''s clock';
COMMENT ON COLUMN report.daily_flow.created IS 'Problems raised; where the source does not say when, the day on which something was first known of them';
COMMENT ON COLUMN report.daily_flow.resolved IS 'Times a problem was resolved (or closed, when no status resolved is known)';
COMMENT ON COLUMN report.daily_flow.closed IS 'Times a problem was closed; most were resolved on an earlier day and counted there as well';
COMMENT ON COLUMN report.daily_flow.reopened IS 'Times a problem went from resolved or closed back to work';
COMMENT ON COLUMN report.daily_flow.cancelled IS 'Times a problem was cancelled or rejected';
COMMENT ON COLUMN report.daily_flow.deleted IS 'Problems that went from the source while they were open';
COMMENT ON COLUMN report.daily_flow.open IS 'Problems open at the end of the day: raised, and not resolved, closed, cancelled, rejected or deleted; an unknown status changes nothing';
COMMENT ON COLUMN report.daily_flow.known_since IS 'When the bridge first read the source';

CREATE VIEW report.external_identifier AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS external_id,
    (e.item ->> 'owner'::text) AS owner,
    (e.item ->> 'externalIdentifierType'::text) AS type,
    (e.item ->> 'href'::text) AS href,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'externalIdentifier'::text), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.external_identifier IS 'An id that a problem has in another system; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.external_identifier.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.external_identifier.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.external_identifier."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.external_identifier.external_id IS 'Id in another system';
COMMENT ON COLUMN report.external_identifier.owner IS 'The other system, as the source names it';
COMMENT ON COLUMN report.external_identifier.type IS 'Kind of identifier; correlationId where versions 2 and 3 have one';
COMMENT ON COLUMN report.external_identifier.href IS 'Link to it';
COMMENT ON COLUMN report.external_identifier.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.external_identifier.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.hourly_change AS
 SELECT s.name AS source,
    c.hour,
    (COALESCE(sum(c.times) FILTER (WHERE (c.via = 'push'::text)), (0)::numeric))::bigint AS by_push,
    (COALESCE(sum(c.times) FILTER (WHERE (c.via = 'poll'::text)), (0)::numeric))::bigint AS by_poll,
    (COALESCE(sum(c.times) FILTER (WHERE (c.via = 'reconcile'::text)), (0)::numeric))::bigint AS by_reconcile,
    (COALESCE(sum(c.times) FILTER (WHERE (c.via = 'refetch'::text)), (0)::numeric))::bigint AS by_refetch
   FROM (( SELECT v.source_id,
            bridge.hour_of(v.observed_at) AS hour,
            v.via,
            count(*) AS times
           FROM (bridge.service_problem_version v
             JOIN bridge.source b ON ((v.source_id = b.id)))
          WHERE ((v.kind <> 'tombstone'::text) AND ((v.effective_at >= b.created_at) IS TRUE))
          GROUP BY v.source_id, (bridge.hour_of(v.observed_at)), v.via) c
     JOIN bridge.source s ON ((c.source_id = s.id)))
  GROUP BY s.name, c.hour;
COMMENT ON VIEW report.hourly_change IS 'Which way changes were found, per source and hour (UTC, the bridge''s clock): the counts of report.push_quality alone, which are quicker to compute. Hours in which nothing was found are left out. Key: source, hour. Joins: report.push_quality on source, hour';
COMMENT ON COLUMN report.hourly_change.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.hourly_change.hour IS 'Start of the hour in which the bridge found the changes';
COMMENT ON COLUMN report.hourly_change.by_push IS 'Changes that a notification brought';
COMMENT ON COLUMN report.hourly_change.by_poll IS 'Changes that a poll found first';
COMMENT ON COLUMN report.hourly_change.by_reconcile IS 'Changes that only a pass over everything found';
COMMENT ON COLUMN report.hourly_change.by_refetch IS 'Answers to questions about a single problem; mostly the rest of a change that a notification brought in part';

CREATE VIEW report.link AS
 SELECT r.name AS rule,
    l.id AS link_id,
    l.key,
    l.state,
    ls.name AS left_source,
    l.left_id,
    rs.name AS right_source,
    l.right_id,
    lp.status AS left_status,
    rp.status AS right_status,
    l.linked_at,
    l.behind_since,
    (EXTRACT(epoch FROM (now() - l.behind_since)))::double precision AS seconds_behind,
    COALESCE(o.open_writes, (0)::bigint) AS open_writes,
    ( SELECT count(*) AS count
           FROM bridge.conflict c
          WHERE ((c.link_id = l.id) AND (c.outcome = 'waiting'::text))) AS waiting_conflicts,
    ( SELECT count(*) AS count
           FROM bridge.link_note n
          WHERE ((n.link_id = l.id) AND (n.state = 'origin'::text))) AS notes,
    o.last_write_at,
    COALESCE(o.last_error, l.state_reason) AS last_error
   FROM ((((((bridge.link l
     JOIN bridge.link_rule r ON ((l.rule_id = r.id)))
     JOIN bridge.source ls ON ((r.left_source_id = ls.id)))
     JOIN bridge.source rs ON ((r.right_source_id = rs.id)))
     LEFT JOIN bridge.service_problem lp ON (((r.left_source_id = lp.source_id) AND (l.left_id = lp.id))))
     LEFT JOIN bridge.service_problem rp ON (((r.right_source_id = rp.source_id) AND (l.right_id = rp.id))))
     LEFT JOIN LATERAL ( SELECT count(*) FILTER (WHERE (w.state = ANY (ARRAY['waiting'::text, 'sending'::text, 'blocked'::text]))) AS open_writes,
            max(w.ended_at) FILTER (WHERE (w.outcome = 'done'::text)) AS last_write_at,
            (array_agg(w.error ORDER BY w.id DESC) FILTER (WHERE ((w.state = ANY (ARRAY['waiting'::text, 'sending'::text, 'blocked'::text])) AND (w.error IS NOT NULL))))[1] AS last_error
           FROM bridge.outbox w
          WHERE (w.link_id = l.id)) o ON (true));
COMMENT ON VIEW report.link IS 'Two tickets that are kept in step, or one without a counterpart yet. Key: link_id. Joins: report.service_problem on (left_source, left_id) or (right_source, right_id)';
COMMENT ON COLUMN report.link.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.link.link_id IS 'Number of the link, as tmf656-bridge links shows it';
COMMENT ON COLUMN report.link.key IS 'Key that the counterpart carries in its own system';
COMMENT ON COLUMN report.link.state IS 'wanted (no counterpart yet), creating, unsure (sent, outcome not known), linked, blocked (needs a person), ended, orphaned (a side was deleted), unlinked';
COMMENT ON COLUMN report.link.left_source IS 'Source of the ticket on the left';
COMMENT ON COLUMN report.link.left_id IS 'Ticket on the left; null until it is made';
COMMENT ON COLUMN report.link.right_source IS 'Source of the ticket on the right';
COMMENT ON COLUMN report.link.right_id IS 'Ticket on the right; null until it is made';
COMMENT ON COLUMN report.link.left_status IS 'Status of the ticket on the left, as in report.service_problem';
COMMENT ON COLUMN report.link.right_status IS 'Status of the ticket on the right, as in report.service_problem';
COMMENT ON COLUMN report.link.linked_at IS 'When both tickets were known';
COMMENT ON COLUMN report.link.behind_since IS 'Since when something waits to be written; null when both sides are in step';
COMMENT ON COLUMN report.link.seconds_behind IS 'How long something has been waiting to be written; null when both sides are in step';
COMMENT ON COLUMN report.link.open_writes IS 'Writes that wait, are under way or are blocked';
COMMENT ON COLUMN report.link.waiting_conflicts IS 'Conflicts that wait for a person';
COMMENT ON COLUMN report.link.notes IS 'Notes written on either side, without copies';
COMMENT ON COLUMN report.link.last_write_at IS 'When the bridge last wrote to either side';
COMMENT ON COLUMN report.link.last_error IS 'What holds it up, in words; null when nothing does';

CREATE VIEW report.link_drift AS
 SELECT r.name AS rule,
    d.link_id,
    d.field,
    d.left_value,
    d.right_value,
    d.found_at,
    a.started_at AS audit_started_at,
    a.finished_at AS audit_finished_at,
    d.id AS drift_id
   FROM ((bridge.link_drift d
     JOIN bridge.link_audit a ON ((d.audit_id = a.id)))
     JOIN bridge.link_rule r ON ((a.rule_id = r.id)));
COMMENT ON VIEW report.link_drift IS 'A field that tmf656-bridge links audit found different without a known reason. Key: drift_id. Joins: report.link on link_id';
COMMENT ON COLUMN report.link_drift.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.link_drift.link_id IS 'Link';
COMMENT ON COLUMN report.link_drift.field IS 'Field of the rule; empty: a ticket is gone at its source, and the tables do not know it';
COMMENT ON COLUMN report.link_drift.left_value IS 'What the left said; null with an empty field: that ticket is gone';
COMMENT ON COLUMN report.link_drift.right_value IS 'What the right said; null with an empty field: that ticket is gone';
COMMENT ON COLUMN report.link_drift.found_at IS 'When it was found';
COMMENT ON COLUMN report.link_drift.audit_started_at IS 'When the audit began';
COMMENT ON COLUMN report.link_drift.audit_finished_at IS 'When the audit had compared all links; null: it runs, or was interrupted';
COMMENT ON COLUMN report.link_drift.drift_id IS 'Number of the finding';

CREATE VIEW report.link_note AS
 SELECT r.name AS rule,
    n.link_id,
    n.side,
    n.author,
    n.noted_at,
    n.copied_at,
    n.state,
    n.note AS note_id,
    n.code
   FROM ((bridge.link_note n
     JOIN bridge.link l ON ((n.link_id = l.id)))
     JOIN bridge.link_rule r ON ((l.rule_id = r.id)));
COMMENT ON VIEW report.link_note IS 'A note of a linked ticket. Key: link_id, side, note_id. Joins: report.link on link_id';
COMMENT ON COLUMN report.link_note.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.link_note.link_id IS 'Link';
COMMENT ON COLUMN report.link_note.side IS 'Side on which it stands: left or right';
COMMENT ON COLUMN report.link_note.author IS 'Who wrote it';
COMMENT ON COLUMN report.link_note.noted_at IS 'When it was written, where its system says so';
COMMENT ON COLUMN report.link_note.copied_at IS 'When its copy was confirmed on the other side; null for copies and what is not copied yet';
COMMENT ON COLUMN report.link_note.state IS 'origin, copy or skipped';
COMMENT ON COLUMN report.link_note.note_id IS 'Id of the note in its system, else a hash of author, time and text';
COMMENT ON COLUMN report.link_note.code IS 'Code in the first line of the copy';

CREATE VIEW report.linked_problem AS
 SELECT r.name AS rule,
    l.id AS link_id,
    l.key,
        CASE
            WHEN ((l.state = 'linked'::text) AND (l.left_id IS NOT NULL) AND (l.right_id IS NOT NULL)) THEN 'linked'::text
            WHEN (l.state = ANY (ARRAY['wanted'::text, 'creating'::text, 'unsure'::text])) THEN 'pending'::text
            WHEN (l.state = 'blocked'::text) THEN 'failed'::text
            ELSE l.state
        END AS creation_status,
    ls.name AS left_source,
    l.left_id,
    lp.status AS left_status,
    (lb.body ->> 'name'::text) AS left_name,
    (lb.body ->> 'href'::text) AS left_href,
    lp.updated_at AS left_updated_at,
    rs.name AS right_source,
    l.right_id,
    rp.status AS right_status,
    (rb.body ->> 'name'::text) AS right_name,
    (rb.body ->> 'href'::text) AS right_href,
    rp.updated_at AS right_updated_at,
    l.linked_at,
    l.behind_since,
    ( SELECT (e.item ->> 'value'::text)
           FROM bridge.list_element((lb.body -> 'characteristic'::text), 'name'::text) e(ordinal, item)
          WHERE ((e.item ->> 'name'::text) = 'number'::text)
         LIMIT 1) AS left_number,
    ( SELECT (e.item ->> 'value'::text)
           FROM bridge.list_element((rb.body -> 'characteristic'::text), 'name'::text) e(ordinal, item)
          WHERE ((e.item ->> 'name'::text) = 'number'::text)
         LIMIT 1) AS right_number
   FROM (((((((bridge.link l
     JOIN bridge.link_rule r ON ((l.rule_id = r.id)))
     JOIN bridge.source ls ON ((r.left_source_id = ls.id)))
     JOIN bridge.source rs ON ((r.right_source_id = rs.id)))
     LEFT JOIN bridge.service_problem lp ON (((r.left_source_id = lp.source_id) AND (l.left_id = lp.id))))
     LEFT JOIN bridge.service_problem rp ON (((r.right_source_id = rp.source_id) AND (l.right_id = rp.id))))
     LEFT JOIN bridge.service_problem_with_body lb ON (((r.left_source_id = lb.source_id) AND (l.left_id = lb.id))))
     LEFT JOIN bridge.service_problem_with_body rb ON (((r.right_source_id = rb.source_id) AND (l.right_id = rb.id))))
  WHERE (l.state <> 'unlinked'::text);
COMMENT ON VIEW report.linked_problem IS 'Both tickets of a link in one row. Key: link_id. Joins: report.link on link_id; report.service_problem on (left_source, left_id) or (right_source, right_id)';
COMMENT ON COLUMN report.linked_problem.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.linked_problem.link_id IS 'Link';
COMMENT ON COLUMN report.linked_problem.key IS 'Key that the counterpart carries in its own system';
COMMENT ON COLUMN report.linked_problem.creation_status IS 'linked, pending (the counterpart is not made yet), failed (needs a person), ended, orphaned';
COMMENT ON COLUMN report.linked_problem.left_source IS 'Source of the ticket on the left';
COMMENT ON COLUMN report.linked_problem.left_id IS 'Ticket on the left';
COMMENT ON COLUMN report.linked_problem.left_status IS 'Its status, as in report.service_problem';
COMMENT ON COLUMN report.linked_problem.left_name IS 'Its short name';
COMMENT ON COLUMN report.linked_problem.left_href IS 'Link to it at its source';
COMMENT ON COLUMN report.linked_problem.left_updated_at IS 'When it last changed, by the clock of its source';
COMMENT ON COLUMN report.linked_problem.right_source IS 'Source of the ticket on the right';
COMMENT ON COLUMN report.linked_problem.right_id IS 'Ticket on the right';
COMMENT ON COLUMN report.linked_problem.right_status IS 'Its status, as in report.service_problem';
COMMENT ON COLUMN report.linked_problem.right_name IS 'Its short name';
COMMENT ON COLUMN report.linked_problem.right_href IS 'Link to it at its source';
COMMENT ON COLUMN report.linked_problem.right_updated_at IS 'When it last changed, by the clock of its source';
COMMENT ON COLUMN report.linked_problem.linked_at IS 'When both tickets were known';
COMMENT ON COLUMN report.linked_problem.behind_since IS 'Since when something waits to be written; null when both sides are in step';
COMMENT ON COLUMN report.linked_problem.left_number IS 'Number for people of the ticket on the left, where its system has one (ServiceNow)';
COMMENT ON COLUMN report.linked_problem.right_number IS 'Number for people of the ticket on the right, where its system has one (ServiceNow)';

CREATE VIEW report.note AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS note_id,
    bridge.parse_timestamp((e.item -> 'date'::text)) AS written_at,
    COALESCE(((e.item -> 'author'::text) ->> 'name'::text), ((e.item -> 'author'::text) ->> 'id'::text), (e.item ->> 'author'::text)) AS author,
    (e.item ->> 'system'::text) AS system,
    (e.item ->> 'text'::text) AS text,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'note'::text), 'text'::text) e(ordinal, item));
COMMENT ON VIEW report.note IS 'A note or comment on a problem; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.note.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.note.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.note."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.note.note_id IS 'Id of the note';
COMMENT ON COLUMN report.note.written_at IS 'When it was written, by the source''s clock; null when it does not say, or not readably';
COMMENT ON COLUMN report.note.author IS 'Who wrote it (name, else id)';
COMMENT ON COLUMN report.note.system IS 'System it was written in';
COMMENT ON COLUMN report.note.text IS 'What it says';
COMMENT ON COLUMN report.note.body IS 'Everything the source says of it; a bare text stands under text';
COMMENT ON COLUMN report.note.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.notification AS
 SELECT s.name AS source,
    n.received_at,
    n.event_id,
    n.event_type,
    n.event_time,
    n.problem_id,
    n.outcome,
    COALESCE(jsonb_set(n.body, '{event,serviceProblem}'::text[], v.body), n.body) AS body,
    n.problem_id AS id
   FROM ((bridge.notification n
     JOIN bridge.source s ON ((n.source_id = s.id)))
     LEFT JOIN bridge.service_problem_version v ON (((n.source_id = v.source_id) AND (n.problem_id = v.problem_id) AND (n.effective_at = v.effective_at) AND (n.content_hash = v.content_hash))));
COMMENT ON VIEW report.notification IS 'Every notification that was answered. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.notification.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.notification.received_at IS 'When it arrived, by the bridge''s clock';
COMMENT ON COLUMN report.notification.event_id IS 'Id the sender gave it; null when it gave none';
COMMENT ON COLUMN report.notification.event_type IS 'Kind of event, in version 5 spelling where it is a known one';
COMMENT ON COLUMN report.notification.event_time IS 'When it happened, by the sender''s clock';
COMMENT ON COLUMN report.notification.problem_id IS 'Problem it is about; null when it names none';
COMMENT ON COLUMN report.notification.outcome IS 'applied; unchanged: nothing new in it; duplicate; stale: older than what was known; filtered: of a problem that the source''s filter does not keep; dead_letter: kept, not understood';
COMMENT ON COLUMN report.notification.body IS 'The event as received; null for a duplicate and for what is not JSON. The problem in it goes when its version is pruned';
COMMENT ON COLUMN report.notification.id IS 'The same as problem_id: what the other views call the problem';

CREATE VIEW report.open_problem AS
 WITH problem AS (
         SELECT k.source_id,
            k.id,
            k.status,
            k.priority,
            k.category,
            k.created_at,
            k.services,
            k.resources,
            k.places
           FROM bridge.resolution k
          WHERE (( SELECT bridge.summary_usable() AS summary_usable) AND (k.deleted_at IS NULL) AND (k.status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])) AND (k.names_revision = k.revision) AND (NOT (EXISTS ( SELECT
                   FROM bridge.unsummarised() c(source_id, id)
                  WHERE ((c.source_id = k.source_id) AND (c.id = k.id))))))
        UNION ALL
         SELECT n.source_id,
            n.id,
            n.status,
            n.priority,
            n.category,
            n.created_at,
            n.services,
            n.resources,
            n.places
           FROM (bridge.resolution k
             JOIN bridge.computed_open_problem n ON (((k.source_id = n.source_id) AND (k.id = n.id))))
          WHERE (( SELECT bridge.summary_usable() AS summary_usable) AND (k.deleted_at IS NULL) AND (k.status <> ALL (ARRAY['resolved'::text, 'closed'::text, 'cancelled'::text, 'rejected'::text])) AND (k.names_revision IS DISTINCT FROM k.revision) AND (NOT (EXISTS ( SELECT
                   FROM bridge.unsummarised() c(source_id, id)
                  WHERE ((c.source_id = k.source_id) AND (c.id = k.id))))))
        UNION ALL
         SELECT n.source_id,
            n.id,
            n.status,
            n.priority,
            n.category,
            n.created_at,
            n.services,
            n.resources,
            n.places
           FROM (bridge.unsummarised() c(source_id, id)
             JOIN bridge.computed_open_problem n ON (((c.source_id = n.source_id) AND (c.id = n.id))))
          WHERE ( SELECT bridge.summary_usable() AS summary_usable)
        UNION ALL
         SELECT n.source_id,
            n.id,
            n.status,
            n.priority,
            n.category,
            n.created_at,
            n.services,
            n.resources,
            n.places
           FROM bridge.computed_open_problem n
          WHERE (NOT ( SELECT bridge.summary_usable() AS summary_usable))
        )
 SELECT s.name AS source,
    t.id,
    t.status,
    t.priority,
    t.category,
    t.created_at,
    t.services,
    t.resources,
    t.places
   FROM (problem t
     JOIN bridge.source s ON ((t.source_id = s.id)));
COMMENT ON VIEW report.open_problem IS 'The open service problems, and what each affects, in a narrow row that is quick to count; report.service_problem has all that is known of each. Key: source, id. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.open_problem.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.open_problem.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.open_problem.status IS 'submitted, acknowledged, inProgress, pending, held or unknown';
COMMENT ON COLUMN report.open_problem.priority IS '1 (highest) to 10 (lowest)';
COMMENT ON COLUMN report.open_problem.category IS 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
COMMENT ON COLUMN report.open_problem.created_at IS 'When it was raised; null when the source does not say, or says what cannot be';
COMMENT ON COLUMN report.open_problem.services IS 'Affected services, each once: by name, or else by id';
COMMENT ON COLUMN report.open_problem.resources IS 'Affected resources, each once: by name, or else by id';
COMMENT ON COLUMN report.open_problem.places IS 'Affected locations, each once: by name, or else by id';

CREATE VIEW report.outbox AS
 SELECT r.name AS rule,
    o.link_id,
    s.name AS target,
    o.kind,
    o.state,
    o.fields,
    o.cause,
    o.attempts,
    o.due_at,
    o.sent_at,
    o.error,
    (EXTRACT(epoch FROM (now() - o.created_at)))::double precision AS seconds_waiting,
    o.side,
    o.id AS write_id
   FROM ((bridge.outbox o
     JOIN bridge.link_rule r ON ((o.rule_id = r.id)))
     JOIN bridge.source s ON ((o.source_id = s.id)))
  WHERE (o.state = ANY (ARRAY['waiting'::text, 'sending'::text, 'blocked'::text]));
COMMENT ON VIEW report.outbox IS 'A write to a source that waits, is under way or is blocked. Key: write_id. Joins: report.link on link_id';
COMMENT ON COLUMN report.outbox.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.outbox.link_id IS 'Link that it belongs to';
COMMENT ON COLUMN report.outbox.target IS 'Source that is written to';
COMMENT ON COLUMN report.outbox.kind IS 'create, update, note or end_duplicate';
COMMENT ON COLUMN report.outbox.state IS 'waiting, sending or blocked (needs a person)';
COMMENT ON COLUMN report.outbox.fields IS 'What is missing there: {field: {"from", "to"}}';
COMMENT ON COLUMN report.outbox.cause IS 'What it follows from: source, ticket, revision, way, time of the change';
COMMENT ON COLUMN report.outbox.attempts IS 'Tries that failed';
COMMENT ON COLUMN report.outbox.due_at IS 'When it may be sent';
COMMENT ON COLUMN report.outbox.sent_at IS 'When a request was last sent';
COMMENT ON COLUMN report.outbox.error IS 'Why it is blocked or was put off';
COMMENT ON COLUMN report.outbox.seconds_waiting IS 'How long it has been open';
COMMENT ON COLUMN report.outbox.side IS 'Side of the link that is written to: left or right';
COMMENT ON COLUMN report.outbox.write_id IS 'Number of the write';

CREATE VIEW report.parent_problem AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS parent_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'href'::text) AS href,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'parentProblem'::text), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.parent_problem IS 'A problem that another one belongs to: join parent_id with id to climb; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id, and once more on source, id = parent_id';
COMMENT ON COLUMN report.parent_problem.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.parent_problem.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.parent_problem."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.parent_problem.parent_id IS 'Id of the parent problem, at the same source';
COMMENT ON COLUMN report.parent_problem.name IS 'Name of the parent problem';
COMMENT ON COLUMN report.parent_problem.href IS 'Link to the parent problem';
COMMENT ON COLUMN report.parent_problem.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.parent_problem.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.push_quality AS
 WITH found AS (
         SELECT c.source,
            c.hour,
            c.by_push,
            c.by_poll,
            c.by_reconcile,
            c.by_refetch,
            NULL::double precision AS delay_seconds,
            NULL::bigint AS missed,
            NULL::bigint AS late
           FROM report.hourly_change c
        UNION ALL
         SELECT s.name AS source,
            bridge.hour_of(n.received_at) AS hour,
            NULL::bigint AS by_push,
            NULL::bigint AS by_poll,
            NULL::bigint AS by_reconcile,
            NULL::bigint AS by_refetch,
            (EXTRACT(epoch FROM (n.received_at - n.event_time)))::double precision AS delay_seconds,
            NULL::bigint AS missed,
            NULL::bigint AS late
           FROM (bridge.notification n
             JOIN bridge.source s ON ((n.source_id = s.id)))
          WHERE ((n.event_time IS NOT NULL) AND (n.outcome = ANY (ARRAY['applied'::text, 'unchanged'::text, 'stale'::text])))
        UNION ALL
         SELECT s.name AS source,
            p.hour,
            NULL::bigint AS by_push,
            NULL::bigint AS by_poll,
            NULL::bigint AS by_reconcile,
            NULL::bigint AS by_refetch,
            NULL::double precision AS delay_seconds,
            p.missed,
            p.late
           FROM (bridge.push_outcome p
             JOIN bridge.source s ON ((p.source_id = s.id)))
        )
 SELECT source,
    hour,
    (COALESCE(sum(by_push), (0)::numeric))::bigint AS by_push,
    (COALESCE(sum(by_poll), (0)::numeric))::bigint AS by_poll,
    (COALESCE(sum(by_reconcile), (0)::numeric))::bigint AS by_reconcile,
    (COALESCE(sum(by_refetch), (0)::numeric))::bigint AS by_refetch,
    ((COALESCE(sum(missed), (0)::numeric))::double precision / (NULLIF((COALESCE(sum(by_push), (0)::numeric) + COALESCE(sum((missed + late)), (0)::numeric)), (0)::numeric))::double precision) AS miss_ratio,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY delay_seconds) AS median_delay_seconds,
    percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY delay_seconds) AS p95_delay_seconds,
    (COALESCE(sum(missed), (0)::numeric))::bigint AS missed,
    (COALESCE(sum(late), (0)::numeric))::bigint AS late
   FROM found f
  GROUP BY source, hour;
COMMENT ON VIEW report.push_quality IS 'Which way changes were found, per source and hour (UTC, the bridge''s clock); hours in which nothing was found or received are left out. Not counted: what was already so when the bridge first met the source, and deletions, of which most servers send no notification. Key: source, hour. Joins: report.hourly_change on source, hour';
COMMENT ON COLUMN report.push_quality.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.push_quality.hour IS 'Start of the hour in which the bridge found the changes';
COMMENT ON COLUMN report.push_quality.by_push IS 'Changes that a notification brought';
COMMENT ON COLUMN report.push_quality.by_poll IS 'Changes that a poll found first; see missed and late for what became of their notifications';
COMMENT ON COLUMN report.push_quality.by_reconcile IS 'Changes that only a pass over everything found';
COMMENT ON COLUMN report.push_quality.by_refetch IS 'Answers to questions about a single problem; mostly the rest of a change that a notification brought in part, so not in miss_ratio';
COMMENT ON COLUMN report.push_quality.miss_ratio IS 'Share of the changes that push should have brought and did not: missed / (by_push + late + missed); null when there were none';
COMMENT ON COLUMN report.push_quality.median_delay_seconds IS 'Half of the notifications took less from event time to arrival (they are visible when they are answered); below 0 when clocks differ; repeats left out';
COMMENT ON COLUMN report.push_quality.p95_delay_seconds IS '95 of 100 notifications took less';
COMMENT ON COLUMN report.push_quality.missed IS 'Changes found by a poll while push was in use, whose notification did not arrive within ten seconds; of several changes of one problem between two polls only the last can be found';
COMMENT ON COLUMN report.push_quality.late IS 'Changes found by a poll, whose notification arrived a little later: nothing was missed';

CREATE VIEW report.related_party AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    COALESCE((e.item ->> 'partyId'::text), (e.item ->> 'id'::text)) AS party_id,
    COALESCE((e.item ->> 'partyName'::text), (e.item ->> 'name'::text)) AS name,
    (e.item ->> 'role'::text) AS role,
    (e.item ->> 'href'::text) AS href,
    COALESCE((e.item ->> '@referredType'::text), (e.item ->> '@type'::text)) AS type,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'relatedParty'::text), 'name'::text) e(ordinal, item));
COMMENT ON VIEW report.related_party IS 'A person or an organisation that has to do with a problem; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.related_party.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.related_party.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.related_party."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.related_party.party_id IS 'Id of the party';
COMMENT ON COLUMN report.related_party.name IS 'Name of the party';
COMMENT ON COLUMN report.related_party.role IS 'What the party is to the problem: customer, supplier, …';
COMMENT ON COLUMN report.related_party.href IS 'Link to the party';
COMMENT ON COLUMN report.related_party.type IS 'Kind of party: Individual, Organization, …';
COMMENT ON COLUMN report.related_party.body IS 'Everything the source says of it; a bare text stands under name';
COMMENT ON COLUMN report.related_party.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.resolution AS
 WITH problem AS (
         SELECT s.name AS source,
            k.id,
            k.status,
            k.category,
            k.priority,
            k.created_at,
            k.acknowledged_at,
            k.resolved_at,
            k.closed_at,
            k.seconds_held,
            k.held_since,
            k.seconds_pending,
            k.pending_since,
            k.times_reopened,
            k.deleted_at,
            k.known_since,
            k.complete
           FROM (bridge.resolution k
             JOIN bridge.source s ON ((k.source_id = s.id)))
          WHERE (( SELECT bridge.summary_usable() AS summary_usable) AND (NOT (EXISTS ( SELECT
                   FROM bridge.unsummarised() c(source_id, id)
                  WHERE ((c.source_id = k.source_id) AND (c.id = k.id))))))
        UNION ALL
         SELECT s.name AS source,
            n.id,
            n.status,
            n.category,
            n.priority,
            n.created_at,
            n.acknowledged_at,
            n.resolved_at,
            n.closed_at,
            n.seconds_held,
            n.held_since,
            n.seconds_pending,
            n.pending_since,
            n.times_reopened,
            n.deleted_at,
            n.known_since,
            n.complete
           FROM ((bridge.unsummarised() c(source_id, id)
             JOIN bridge.computed_resolution n ON (((c.source_id = n.source_id) AND (c.id = n.id))))
             JOIN bridge.source s ON ((n.source_id = s.id)))
          WHERE ( SELECT bridge.summary_usable() AS summary_usable)
        UNION ALL
         SELECT s.name AS source,
            n.id,
            n.status,
            n.category,
            n.priority,
            n.created_at,
            n.acknowledged_at,
            n.resolved_at,
            n.closed_at,
            n.seconds_held,
            n.held_since,
            n.seconds_pending,
            n.pending_since,
            n.times_reopened,
            n.deleted_at,
            n.known_since,
            n.complete
           FROM (bridge.computed_resolution n
             JOIN bridge.source s ON ((n.source_id = s.id)))
          WHERE (NOT ( SELECT bridge.summary_usable() AS summary_usable))
        )
 SELECT source,
    id,
    status,
    category,
    priority,
    created_at,
    acknowledged_at,
    resolved_at,
    closed_at,
    (EXTRACT(epoch FROM (acknowledged_at - created_at)))::double precision AS seconds_to_acknowledge,
    (EXTRACT(epoch FROM (resolved_at - created_at)))::double precision AS seconds_to_resolve,
    (EXTRACT(epoch FROM (closed_at - created_at)))::double precision AS seconds_to_close,
        CASE
            WHEN (complete OR (seconds_held > (0)::double precision) OR (held_since IS NOT NULL)) THEN (seconds_held + COALESCE((EXTRACT(epoch FROM (now() - held_since)))::double precision, (0)::double precision))
            ELSE NULL::double precision
        END AS seconds_held,
        CASE
            WHEN (complete OR (seconds_pending > (0)::double precision) OR (pending_since IS NOT NULL)) THEN (seconds_pending + COALESCE((EXTRACT(epoch FROM (now() - pending_since)))::double precision, (0)::double precision))
            ELSE NULL::double precision
        END AS seconds_pending,
        CASE
            WHEN (complete OR (times_reopened > 0)) THEN times_reopened
            ELSE NULL::integer
        END AS times_reopened,
    deleted_at,
    known_since
   FROM problem t;
COMMENT ON VIEW report.resolution IS 'How long it took to take up, resolve and close each service problem; deleted ones too. Times are the source''s. Key: source, id. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.resolution.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.resolution.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.resolution.status IS 'Status now (of a deleted problem: the last one)';
COMMENT ON COLUMN report.resolution.category IS 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
COMMENT ON COLUMN report.resolution.priority IS '1 (highest) to 10 (lowest)';
COMMENT ON COLUMN report.resolution.created_at IS 'When it was raised; null when the source does not say, and then how long things took is null too';
COMMENT ON COLUMN report.resolution.acknowledged_at IS 'When it was first acknowledged, or entered a status that only follows that; null when it never was (also: rejected or cancelled at once), and when that lies before known_since';
COMMENT ON COLUMN report.resolution.resolved_at IS 'When it was resolved (closed, when no status resolved is known); after a reopening the later time; null while it is not, reopened or cancelled';
COMMENT ON COLUMN report.resolution.closed_at IS 'When it was closed; after a reopening the later time; null while it is not';
COMMENT ON COLUMN report.resolution.seconds_to_acknowledge IS 'From created_at to acknowledged_at';
COMMENT ON COLUMN report.resolution.seconds_to_resolve IS 'From created_at to resolved_at, pauses (held, pending) and reopenings included';
COMMENT ON COLUMN report.resolution.seconds_to_close IS 'From created_at to closed_at';
COMMENT ON COLUMN report.resolution.seconds_held IS 'How long it was held, all times together, up to now when it still is. Where its history is unknown before known_since: at least so long, null when no hold is known';
COMMENT ON COLUMN report.resolution.seconds_pending IS 'How long it was pending, all times together, up to now when it still is. Where its history is unknown before known_since: at least so long, null when no wait is known';
COMMENT ON COLUMN report.resolution.times_reopened IS 'How often it went from resolved or closed back to work (submitted, acknowledged, inProgress, pending, held). Where its history is unknown before known_since: at least so often, null when no reopening is known';
COMMENT ON COLUMN report.resolution.deleted_at IS 'Since when it is gone at the source; null while it exists';
COMMENT ON COLUMN report.resolution.known_since IS 'Since when its statuses are known: created_at when all of them are, else the earliest status that the source dates (what was before the bridge first read the source is unknown); null when no status is known';

CREATE VIEW report.root_cause AS
 SELECT s.name AS source,
    p.id,
    c.kind,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS cause_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'href'::text) AS href,
    COALESCE((e.item ->> '@referredType'::text), (e.item ->> '@type'::text)) AS type,
    e.item AS body,
    p.deleted_at
   FROM (((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN ( VALUES ('service'::text,'rootCauseService'::text), ('resource'::text,'rootCauseResource'::text)) c(kind, attribute))
     CROSS JOIN LATERAL bridge.list_element((p.body -> c.attribute), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.root_cause IS 'A service or resource that is the cause of a problem; of deleted problems too (deleted_at is set). Key: source, id, kind, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.root_cause.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.root_cause.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.root_cause.kind IS 'service or resource';
COMMENT ON COLUMN report.root_cause."position" IS 'Place in the list of this kind, from 1';
COMMENT ON COLUMN report.root_cause.cause_id IS 'Id of the service or resource';
COMMENT ON COLUMN report.root_cause.name IS 'Name of the service or resource';
COMMENT ON COLUMN report.root_cause.href IS 'Link to the service or resource';
COMMENT ON COLUMN report.root_cause.type IS 'Kind of service or resource, as the source puts it';
COMMENT ON COLUMN report.root_cause.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.root_cause.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.service_problem_extra AS
 SELECT s.name AS source,
    p.id,
    p.deleted_at
   FROM (bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)));
COMMENT ON VIEW report.service_problem_extra IS 'Attributes that the configuration of a source names (sources.NAME.columns), a column each; of deleted problems too. Key: source, id. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.service_problem_extra.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.service_problem_extra.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.service_problem_extra.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.service_problem_version AS
 SELECT source,
    id,
    valid_from,
    valid_to,
    via,
    event_type,
    status,
    bridge.changed_keys(body_before, body) AS changed,
    body
   FROM bridge.version_with_previous v;
COMMENT ON VIEW report.service_problem_version IS 'A service problem as it was between two changes; late information finds its place. Key: source, id, valid_from. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.service_problem_version.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.service_problem_version.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.service_problem_version.valid_from IS 'Since when it was so, by the source''s clock';
COMMENT ON COLUMN report.service_problem_version.valid_to IS 'Until when (the next change or deletion); null while it is so';
COMMENT ON COLUMN report.service_problem_version.via IS 'How this version came first: push, poll, reconcile or refetch';
COMMENT ON COLUMN report.service_problem_version.event_type IS 'Event that brought it; null when the bridge asked';
COMMENT ON COLUMN report.service_problem_version.status IS 'Status in this version';
COMMENT ON COLUMN report.service_problem_version.changed IS 'Attributes that differ from the version before; empty for the first one';
COMMENT ON COLUMN report.service_problem_version.body IS 'All attributes as they were, under their version 4 names';

CREATE VIEW report.sync_quality AS
 WITH happened AS (
         SELECT o.rule_id,
            bridge.hour_of(o.created_at) AS hour,
            1 AS changes,
            ((o.outcome = 'done'::text))::integer AS carried,
            ((o.outcome = 'refused'::text))::integer AS refused,
            ((o.outcome = ANY (ARRAY['unchanged'::text, 'dropped'::text])))::integer AS without_effect,
            0 AS conflicts,
            0 AS overruled,
            0 AS duplicates,
            0 AS drift,
                CASE
                    WHEN (o.outcome = 'done'::text) THEN EXTRACT(epoch FROM (o.ended_at - bridge.parse_timestamp((o.cause -> 'changed_at'::text))))
                    ELSE NULL::numeric
                END AS seconds_from_change,
                CASE
                    WHEN (o.outcome = 'done'::text) THEN EXTRACT(epoch FROM (o.ended_at - bridge.parse_timestamp((o.cause -> 'observed_at'::text))))
                    ELSE NULL::numeric
                END AS seconds_from_observation
           FROM bridge.outbox o
        UNION ALL
         SELECT l.rule_id,
            bridge.hour_of(c.opened_at) AS hour,
            0 AS changes,
            0 AS carried,
            ((c.kind = 'refused'::text))::integer AS refused,
            0 AS without_effect,
            ((c.kind <> ALL (ARRAY['overruled'::text, 'refused'::text, 'duplicate'::text])))::integer AS conflicts,
            ((c.kind = 'overruled'::text))::integer AS overruled,
            ((c.kind = 'duplicate'::text))::integer AS duplicates,
            0 AS drift,
            NULL::numeric AS seconds_from_change,
            NULL::numeric AS seconds_from_observation
           FROM (bridge.conflict c
             JOIN bridge.link l ON ((c.link_id = l.id)))
        UNION ALL
         SELECT a.rule_id,
            bridge.hour_of(d.found_at) AS hour,
            0 AS changes,
            0 AS carried,
            0 AS refused,
            0 AS without_effect,
            0 AS conflicts,
            0 AS overruled,
            0 AS duplicates,
            1 AS drift,
            NULL::numeric AS seconds_from_change,
            NULL::numeric AS seconds_from_observation
           FROM (bridge.link_drift d
             JOIN bridge.link_audit a ON ((d.audit_id = a.id)))
        )
 SELECT r.name AS rule,
    h.hour,
    sum(h.changes) AS changes,
    sum(h.carried) AS carried,
    sum(h.refused) AS refused,
    sum(h.without_effect) AS without_effect,
    sum(h.conflicts) AS conflicts,
    sum(h.overruled) AS overruled,
    sum(h.duplicates) AS duplicates,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((h.seconds_from_change)::double precision)) AS median_seconds_from_change,
    percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((h.seconds_from_change)::double precision)) AS p95_seconds_from_change,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((h.seconds_from_observation)::double precision)) AS median_seconds_from_observation,
    percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((h.seconds_from_observation)::double precision)) AS p95_seconds_from_observation,
    sum(h.drift) AS drift
   FROM (happened h
     JOIN bridge.link_rule r ON ((h.rule_id = r.id)))
  GROUP BY r.name, h.hour;
COMMENT ON VIEW report.sync_quality IS 'How well a rule keeps up, per hour (UTC, the bridge''s clock); hours in which nothing happened are left out. Key: rule, hour. Joins: report.link on rule';
COMMENT ON COLUMN report.sync_quality.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.sync_quality.hour IS 'Start of the hour in which the writes were decided or the conflicts found';
COMMENT ON COLUMN report.sync_quality.changes IS 'Writes that were to be made: counterparts, changes and notes';
COMMENT ON COLUMN report.sync_quality.carried IS 'Those of them that the target confirmed';
COMMENT ON COLUMN report.sync_quality.refused IS 'Writes and values that the target did not take';
COMMENT ON COLUMN report.sync_quality.without_effect IS 'Writes that were not needed any more, or changed nothing';
COMMENT ON COLUMN report.sync_quality.conflicts IS 'Conflicts that were found, without those decided by a policy';
COMMENT ON COLUMN report.sync_quality.overruled IS 'Values that lost by a policy or a choice';
COMMENT ON COLUMN report.sync_quality.duplicates IS 'Second counterparts that were found';
COMMENT ON COLUMN report.sync_quality.median_seconds_from_change IS 'Half of the confirmed writes took less, from the change by the clock of its source; below 0 when clocks differ';
COMMENT ON COLUMN report.sync_quality.p95_seconds_from_change IS '95 of 100 confirmed writes took less';
COMMENT ON COLUMN report.sync_quality.median_seconds_from_observation IS 'Half of the confirmed writes took less, from when the bridge observed the change';
COMMENT ON COLUMN report.sync_quality.p95_seconds_from_observation IS '95 of 100 confirmed writes took less';
COMMENT ON COLUMN report.sync_quality.drift IS 'Fields that audits found different without a known reason';

CREATE VIEW report.tracking_record AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS record_id,
    bridge.parse_timestamp((e.item -> 'time'::text)) AS recorded_at,
    COALESCE(((e.item -> 'user'::text) ->> 'name'::text), ((e.item -> 'user'::text) ->> 'id'::text), (e.item ->> 'user'::text)) AS author,
    (e.item ->> 'systemId'::text) AS system,
    (e.item ->> 'description'::text) AS description,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'trackingRecord'::text), 'description'::text) e(ordinal, item));
COMMENT ON VIEW report.tracking_record IS 'A step in the handling of a problem, as its source recorded it; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.tracking_record.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.tracking_record.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.tracking_record."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.tracking_record.record_id IS 'Id of the record';
COMMENT ON COLUMN report.tracking_record.recorded_at IS 'When it was recorded, by the source''s clock; null when it does not say, or not readably';
COMMENT ON COLUMN report.tracking_record.author IS 'Who did it (name, else id)';
COMMENT ON COLUMN report.tracking_record.system IS 'System it was done in';
COMMENT ON COLUMN report.tracking_record.description IS 'What was done';
COMMENT ON COLUMN report.tracking_record.body IS 'Everything the source says of it; a bare text stands under description';
COMMENT ON COLUMN report.tracking_record.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.trouble_ticket AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS ticket_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'href'::text) AS href,
    COALESCE((e.item ->> '@referredType'::text), (e.item ->> '@type'::text)) AS type,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'troubleTicket'::text), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.trouble_ticket IS 'A trouble ticket that belongs to a problem; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.trouble_ticket.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.trouble_ticket.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.trouble_ticket."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.trouble_ticket.ticket_id IS 'Id of the ticket';
COMMENT ON COLUMN report.trouble_ticket.name IS 'Name of the ticket';
COMMENT ON COLUMN report.trouble_ticket.href IS 'Link to the ticket';
COMMENT ON COLUMN report.trouble_ticket.type IS 'Kind of ticket, as the source puts it';
COMMENT ON COLUMN report.trouble_ticket.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.trouble_ticket.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.underlying_alarm AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS alarm_id,
    (e.item ->> 'href'::text) AS href,
    COALESCE((e.item ->> '@referredType'::text), (e.item ->> '@type'::text)) AS type,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'underlyingAlarm'::text), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.underlying_alarm IS 'An alarm that a problem is about; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
COMMENT ON COLUMN report.underlying_alarm.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.underlying_alarm.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.underlying_alarm."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.underlying_alarm.alarm_id IS 'Id of the alarm';
COMMENT ON COLUMN report.underlying_alarm.href IS 'Link to the alarm';
COMMENT ON COLUMN report.underlying_alarm.type IS 'Kind of alarm, as the source puts it';
COMMENT ON COLUMN report.underlying_alarm.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.underlying_alarm.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.underlying_problem AS
 SELECT s.name AS source,
    p.id,
    e.ordinal AS "position",
    (e.item ->> 'id'::text) AS underlying_id,
    (e.item ->> 'name'::text) AS name,
    (e.item ->> 'href'::text) AS href,
    e.item AS body,
    p.deleted_at
   FROM ((bridge.service_problem_with_body p
     JOIN bridge.source s ON ((p.source_id = s.id)))
     CROSS JOIN LATERAL bridge.list_element((p.body -> 'underlyingProblem'::text), 'id'::text) e(ordinal, item));
COMMENT ON VIEW report.underlying_problem IS 'A problem that causes another one: join underlying_id with id; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id, and once more on source, id = underlying_id';
COMMENT ON COLUMN report.underlying_problem.source IS 'Name of the source in the bridge''s configuration';
COMMENT ON COLUMN report.underlying_problem.id IS 'Id of the problem at its source';
COMMENT ON COLUMN report.underlying_problem."position" IS 'Place in the list, from 1';
COMMENT ON COLUMN report.underlying_problem.underlying_id IS 'Id of the underlying problem, at the same source';
COMMENT ON COLUMN report.underlying_problem.name IS 'Name of the underlying problem';
COMMENT ON COLUMN report.underlying_problem.href IS 'Link to the underlying problem';
COMMENT ON COLUMN report.underlying_problem.body IS 'Everything the source says of it; a bare text stands under id';
COMMENT ON COLUMN report.underlying_problem.deleted_at IS 'Since when the problem is gone at its source; null while it exists';

CREATE VIEW report.write AS
 SELECT r.name AS rule,
    o.link_id,
    s.name AS target,
        CASE
            WHEN (o.kind = 'end_duplicate'::text) THEN o.item
            WHEN (o.side = 'left'::text) THEN l.left_id
            ELSE l.right_id
        END AS ticket_id,
    o.kind,
    f.key AS field,
    (f.value ->> 'from'::text) AS value_from,
    (f.value ->> 'to'::text) AS value_to,
    (o.cause ->> 'source'::text) AS cause_source,
    bridge.parse_timestamp((o.cause -> 'changed_at'::text)) AS cause_changed_at,
    o.sent_at,
    o.ended_at,
    (EXTRACT(epoch FROM (o.ended_at - o.created_at)))::double precision AS seconds,
    o.status,
    o.outcome,
    o.id AS write_id
   FROM ((((bridge.outbox o
     JOIN bridge.link l ON ((o.link_id = l.id)))
     JOIN bridge.link_rule r ON ((o.rule_id = r.id)))
     JOIN bridge.source s ON ((o.source_id = s.id)))
     LEFT JOIN LATERAL jsonb_each(o.fields) f(key, value) ON (true))
  WHERE (o.state = ANY (ARRAY['done'::text, 'dropped'::text]));
COMMENT ON VIEW report.write IS 'A field that the bridge wrote to a source, or did not have to: who changed my ticket, and why. Key: write_id, field. Joins: report.link on link_id';
COMMENT ON COLUMN report.write.rule IS 'Name of the rule in the bridge''s configuration';
COMMENT ON COLUMN report.write.link_id IS 'Link that it belonged to';
COMMENT ON COLUMN report.write.target IS 'Source that was written to';
COMMENT ON COLUMN report.write.ticket_id IS 'Ticket that was written to, where it is known';
COMMENT ON COLUMN report.write.kind IS 'create, update, note or end_duplicate';
COMMENT ON COLUMN report.write.field IS 'Field of the rule; null for a note';
COMMENT ON COLUMN report.write.value_from IS 'What stood there before';
COMMENT ON COLUMN report.write.value_to IS 'What was written';
COMMENT ON COLUMN report.write.cause_source IS 'Source whose change it followed from';
COMMENT ON COLUMN report.write.cause_changed_at IS 'When that change was made, by the clock of its source';
COMMENT ON COLUMN report.write.sent_at IS 'When the request was sent; null: nothing had to be';
COMMENT ON COLUMN report.write.ended_at IS 'When the outcome was known';
COMMENT ON COLUMN report.write.seconds IS 'From the decision to the outcome';
COMMENT ON COLUMN report.write.status IS 'HTTP status of the answer';
COMMENT ON COLUMN report.write.outcome IS 'done, unchanged (the target said so already), refused or dropped (nothing was missing any more)';
COMMENT ON COLUMN report.write.write_id IS 'Number of the write; one row for each field of it';

CREATE TRIGGER conflict_changed AFTER INSERT OR UPDATE ON bridge.conflict FOR EACH ROW EXECUTE FUNCTION bridge.announce_link();
CREATE TRIGGER link_made AFTER INSERT ON bridge.link FOR EACH ROW EXECUTE FUNCTION bridge.announce_link();
CREATE TRIGGER link_state_changed AFTER UPDATE ON bridge.link FOR EACH ROW WHEN ((old.state <> new.state)) EXECUTE FUNCTION bridge.announce_link();
CREATE TRIGGER rule_state_changed AFTER UPDATE ON bridge.link_rule FOR EACH ROW WHEN ((old.state <> new.state)) EXECUTE FUNCTION bridge.announce_link();
CREATE TRIGGER write_blocked AFTER UPDATE ON bridge.outbox FOR EACH ROW WHEN (((old.state = 'blocked'::text) <> (new.state = 'blocked'::text))) EXECUTE FUNCTION bridge.announce_link();

ALTER TABLE ONLY bridge.conflict
    ADD CONSTRAINT conflict_link_id_fkey FOREIGN KEY (link_id) REFERENCES bridge.link(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.dead_letter
    ADD CONSTRAINT dead_letter_source_id_fkey FOREIGN KEY (source_id) REFERENCES bridge.source(id);
ALTER TABLE ONLY bridge.link_audit
    ADD CONSTRAINT link_audit_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES bridge.link_rule(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.link_drift
    ADD CONSTRAINT link_drift_audit_id_fkey FOREIGN KEY (audit_id) REFERENCES bridge.link_audit(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.link_drift
    ADD CONSTRAINT link_drift_link_id_fkey FOREIGN KEY (link_id) REFERENCES bridge.link(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.link_note
    ADD CONSTRAINT link_note_link_id_fkey FOREIGN KEY (link_id) REFERENCES bridge.link(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.link
    ADD CONSTRAINT link_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES bridge.link_rule(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.link_rule
    ADD CONSTRAINT link_rule_left_source_id_fkey FOREIGN KEY (left_source_id) REFERENCES bridge.source(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.link_rule
    ADD CONSTRAINT link_rule_right_source_id_fkey FOREIGN KEY (right_source_id) REFERENCES bridge.source(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.outbox
    ADD CONSTRAINT outbox_link_id_fkey FOREIGN KEY (link_id) REFERENCES bridge.link(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.request
    ADD CONSTRAINT request_source_id_fkey FOREIGN KEY (source_id) REFERENCES bridge.source(id);
ALTER TABLE ONLY bridge.subscription
    ADD CONSTRAINT subscription_source_id_fkey FOREIGN KEY (source_id) REFERENCES bridge.source(id);
ALTER TABLE ONLY bridge.vocabulary_walk
    ADD CONSTRAINT vocabulary_walk_source_id_fkey FOREIGN KEY (source_id) REFERENCES bridge.source(id) ON DELETE CASCADE;
ALTER TABLE ONLY bridge.watermark
    ADD CONSTRAINT watermark_source_id_fkey FOREIGN KEY (source_id) REFERENCES bridge.source(id);

GRANT USAGE ON SCHEMA bridge TO bridge_writer;
GRANT USAGE ON SCHEMA bridge TO bridge_front;
GRANT USAGE ON SCHEMA bridge_migration TO bridge_writer;
GRANT USAGE ON SCHEMA bridge_migration TO bridge_front;
GRANT USAGE ON SCHEMA report TO bridge_reader;
GRANT USAGE ON SCHEMA report TO bridge_writer;
GRANT USAGE ON SCHEMA report TO bridge_front;
REVOKE ALL ON FUNCTION bridge.announce_link() FROM PUBLIC;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.source TO bridge_writer;
GRANT SELECT(id) ON TABLE bridge.source TO bridge_front;
GRANT SELECT(name) ON TABLE bridge.source TO bridge_front;
GRANT SELECT(moved_at) ON TABLE bridge.source TO bridge_front;
GRANT SELECT(passes_since_move) ON TABLE bridge.source TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.summary TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.watermark TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.report_setting TO bridge_writer;
REVOKE ALL ON FUNCTION bridge.drop_notification_day(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION bridge.drop_notification_day(day date) TO bridge_writer;
REVOKE ALL ON FUNCTION bridge.grant_links_to_front() FROM PUBLIC;
REVOKE ALL ON FUNCTION bridge.grant_lists_to_front() FROM PUBLIC;
REVOKE ALL ON FUNCTION bridge.grant_login_to_front() FROM PUBLIC;
REVOKE ALL ON FUNCTION bridge.grant_pages_to_front() FROM PUBLIC;
REVOKE ALL ON FUNCTION bridge.grant_search_to_front() FROM PUBLIC;
REVOKE ALL ON FUNCTION bridge.grant_to_front() FROM PUBLIC;
REVOKE ALL ON FUNCTION bridge.make_notification_day(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION bridge.make_notification_day(day date) TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.change TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.search_state TO bridge_writer;
GRANT SELECT ON TABLE bridge.search_state TO bridge_front;
REVOKE ALL ON FUNCTION bridge.set_extra_columns(columns jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION bridge.set_extra_columns(columns jsonb) TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.service_problem TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.problem_change TO bridge_writer;
GRANT SELECT ON TABLE bridge.problem_change TO PUBLIC;
GRANT SELECT ON TABLE bridge.known_problem TO PUBLIC;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.known_problem TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.service_problem_version TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.service_problem_with_body TO bridge_writer;
GRANT SELECT ON TABLE bridge.service_problem_with_body TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.status_change TO bridge_writer;
GRANT SELECT ON TABLE bridge.valid_status TO PUBLIC;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.valid_status TO bridge_writer;
GRANT SELECT ON TABLE bridge.valid_version TO PUBLIC;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.valid_version TO bridge_writer;
GRANT SELECT ON TABLE report.service_problem TO bridge_reader;
GRANT SELECT ON TABLE report.service_problem TO bridge_front;
REVOKE ALL ON FUNCTION report.set_time_zone(zone text) FROM PUBLIC;
GRANT ALL ON FUNCTION report.set_time_zone(zone text) TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.audit TO bridge_writer;
GRANT SELECT,INSERT ON TABLE bridge.audit TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.awaited_notification TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.computed_open_problem TO bridge_writer;
GRANT SELECT ON TABLE report.status_interval TO bridge_reader;
GRANT SELECT ON TABLE report.status_interval TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.status_entry TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.computed_resolution TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.conflict TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_conflict TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_conflict TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.link TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.link_rule TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_counterpart TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_counterpart TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_facet TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_facet TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_link TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_link TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_problem TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_problem TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_rule TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_rule TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_session TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_session TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.dead_letter TO bridge_writer;
GRANT SELECT ON TABLE bridge.dead_letter TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.last_pass TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.push_outcome TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.refetch TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.subscription TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_source TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_source TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_user TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_user TO bridge_front;
GRANT UPDATE(password_hash) ON TABLE bridge.console_user TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.outbox TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.console_write TO bridge_writer;
GRANT SELECT ON TABLE bridge.console_write TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.daily_flow TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.daily_flow_kind TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.extra_column TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.lease TO bridge_writer;
GRANT SELECT ON TABLE bridge.lease TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.link_audit TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.link_drift TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.link_note TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.missing_problem TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.notification TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.notification_digest TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.problem_search TO bridge_writer;
GRANT SELECT ON TABLE bridge.problem_search TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.version_with_previous TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.problem_timeline TO bridge_writer;
GRANT SELECT ON TABLE bridge.problem_timeline TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.request TO bridge_writer;
GRANT SELECT,INSERT ON TABLE bridge.request TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.request_state TO bridge_writer;
GRANT SELECT ON TABLE bridge.request_state TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.resolution TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.saved_view TO bridge_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.saved_view TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.setting_revision TO bridge_writer;
GRANT SELECT,INSERT ON TABLE bridge.setting_revision TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.setting TO bridge_writer;
GRANT SELECT ON TABLE bridge.setting TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.unmapped_value TO bridge_writer;
GRANT SELECT ON TABLE bridge.unmapped_value TO bridge_front;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE bridge.vocabulary_walk TO bridge_writer;
GRANT SELECT ON TABLE bridge_migration.applied TO bridge_writer;
GRANT SELECT ON TABLE bridge_migration.applied TO bridge_front;
GRANT SELECT ON TABLE report.affected_location TO bridge_reader;
GRANT SELECT ON TABLE report.affected_location TO bridge_front;
GRANT SELECT ON TABLE report.affected_resource TO bridge_reader;
GRANT SELECT ON TABLE report.affected_resource TO bridge_front;
GRANT SELECT ON TABLE report.affected_service TO bridge_reader;
GRANT SELECT ON TABLE report.affected_service TO bridge_front;
GRANT SELECT ON TABLE report.change TO bridge_reader;
GRANT SELECT ON TABLE report.change TO bridge_front;
GRANT SELECT ON TABLE report.characteristic TO bridge_reader;
GRANT SELECT ON TABLE report.characteristic TO bridge_front;
GRANT SELECT ON TABLE report.conflict TO bridge_reader;
GRANT SELECT ON TABLE report.conflict TO bridge_front;
GRANT SELECT ON TABLE report.daily_flow TO bridge_reader;
GRANT SELECT ON TABLE report.daily_flow TO bridge_front;
GRANT SELECT ON TABLE report.external_identifier TO bridge_reader;
GRANT SELECT ON TABLE report.external_identifier TO bridge_front;
GRANT SELECT ON TABLE report.hourly_change TO bridge_reader;
GRANT SELECT ON TABLE report.hourly_change TO bridge_front;
GRANT SELECT ON TABLE report.link TO bridge_reader;
GRANT SELECT ON TABLE report.link TO bridge_front;
GRANT SELECT ON TABLE report.link_drift TO bridge_reader;
GRANT SELECT ON TABLE report.link_drift TO bridge_front;
GRANT SELECT ON TABLE report.link_note TO bridge_reader;
GRANT SELECT ON TABLE report.link_note TO bridge_front;
GRANT SELECT ON TABLE report.linked_problem TO bridge_reader;
GRANT SELECT ON TABLE report.linked_problem TO bridge_front;
GRANT SELECT ON TABLE report.note TO bridge_reader;
GRANT SELECT ON TABLE report.note TO bridge_front;
GRANT SELECT ON TABLE report.notification TO bridge_reader;
GRANT SELECT ON TABLE report.notification TO bridge_front;
GRANT SELECT ON TABLE report.open_problem TO bridge_reader;
GRANT SELECT ON TABLE report.open_problem TO bridge_front;
GRANT SELECT ON TABLE report.outbox TO bridge_reader;
GRANT SELECT ON TABLE report.outbox TO bridge_front;
GRANT SELECT ON TABLE report.parent_problem TO bridge_reader;
GRANT SELECT ON TABLE report.parent_problem TO bridge_front;
GRANT SELECT ON TABLE report.push_quality TO bridge_reader;
GRANT SELECT ON TABLE report.push_quality TO bridge_front;
GRANT SELECT ON TABLE report.related_party TO bridge_reader;
GRANT SELECT ON TABLE report.related_party TO bridge_front;
GRANT SELECT ON TABLE report.resolution TO bridge_reader;
GRANT SELECT ON TABLE report.resolution TO bridge_front;
GRANT SELECT ON TABLE report.root_cause TO bridge_reader;
GRANT SELECT ON TABLE report.root_cause TO bridge_front;
GRANT SELECT ON TABLE report.service_problem_extra TO bridge_reader;
GRANT SELECT ON TABLE report.service_problem_extra TO bridge_front;
GRANT SELECT ON TABLE report.service_problem_version TO bridge_reader;
GRANT SELECT ON TABLE report.service_problem_version TO bridge_front;
GRANT SELECT ON TABLE report.sync_quality TO bridge_reader;
GRANT SELECT ON TABLE report.sync_quality TO bridge_front;
GRANT SELECT ON TABLE report.tracking_record TO bridge_reader;
GRANT SELECT ON TABLE report.tracking_record TO bridge_front;
GRANT SELECT ON TABLE report.trouble_ticket TO bridge_reader;
GRANT SELECT ON TABLE report.trouble_ticket TO bridge_front;
GRANT SELECT ON TABLE report.underlying_alarm TO bridge_reader;
GRANT SELECT ON TABLE report.underlying_alarm TO bridge_front;
GRANT SELECT ON TABLE report.underlying_problem TO bridge_reader;
GRANT SELECT ON TABLE report.underlying_problem TO bridge_front;
GRANT SELECT ON TABLE report.write TO bridge_reader;
GRANT SELECT ON TABLE report.write TO bridge_front;

ALTER DEFAULT PRIVILEGES IN SCHEMA bridge GRANT SELECT,INSERT,DELETE,UPDATE ON TABLES TO bridge_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO bridge_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO bridge_front;
