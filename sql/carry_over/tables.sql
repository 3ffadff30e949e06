-- Carries a database of the development version before the first release (19 migrations, sql/carry_over/applied.txt) over to the tables of
-- 0001_core and 0002_summary: `migrate` runs this, then 0003_reports and 0004_roles, then leftovers.sql, all in one transaction.
-- Nothing is copied. Rows keep their place; tables and columns get their present names.
--
-- A column added to a table of 0001_core or 0002_summary is added here too, at the end of the table in both
-- (tests/storage/test_carry_over.py compares the two).

drop table bridge.sighting;

alter table bridge.source add column failing_jobs jsonb not null default '{}';
alter table bridge.lease add column renewed_at timestamptz not null default now();

alter table bridge.source rename column poll_wanted_at to poll_requested_at;
alter table bridge.service_problem rename column listed to list_digest;
alter table bridge.awaited_notification rename column told_at to arrived_at;

alter table bridge.push_verdict rename to push_outcome;
alter table bridge.push_outcome rename constraint push_verdict_pkey to push_outcome_pkey;

alter table bridge.summary rename column walked_source_id to scanned_source_id;
alter table bridge.summary rename column walked_id to scanned_id;
alter table bridge.summary rename column walked_at to scanned_at;
alter table bridge.summary rename column alive_at to maintained_at;
alter table bridge.resolution rename column listed_revision to names_revision;
alter index bridge.resolution_unlisted_idx rename to resolution_without_names_idx;
alter table bridge.summary add column time_zone text not null default 'UTC';
alter table bridge.resolution add column known_since timestamptz, add column complete boolean not null default false;
create table bridge.report_setting (
    singleton boolean primary key default true constraint report_setting_singleton_check check (singleton),
    time_zone text not null default 'UTC'
);
insert into bridge.report_setting default values;
create table bridge.extra_column (
    source text not null,
    name text not null,
    path text not null,
    type text not null constraint extra_column_type_check check (type in ('text', 'numeric', 'boolean', 'timestamptz', 'jsonb')),
    primary key (source, name)
);
alter table bridge.flow rename to daily_flow;
alter table bridge.daily_flow rename constraint flow_pkey to daily_flow_pkey;

-- The leader computes all summaries again; until then reports compute from the facts.
delete from bridge.resolution;
delete from bridge.daily_flow;
update bridge.summary set complete = false, committed = '0', change_id = 0, scanned_source_id = 0, scanned_id = '', scanned_at = null;

alter function bridge.tell(smallint, text[]) rename to notify_change;
alter function bridge.raced() rename to raise_concurrent_update;

alter table bridge.notification drop constraint notification_outcome_check;
alter table bridge.notification add constraint notification_outcome_check
check (outcome in ('applied', 'unchanged', 'duplicate', 'stale', 'filtered', 'dead_letter'));

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

create table bridge.unmapped_value (
    source_id smallint not null,
    attribute text not null,
    example text not null,
    times bigint not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    primary key (source_id, attribute, example)
);

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

-- From version 18 on, Postgres names every `not null` after its table and column.
do $$
declare
    old_name record;
begin
    for old_name in
        select
            c.conrelid::regclass as relation,
            c.conname as name,
            format('%s_%s_not_null', r.relname, a.attname) as new_name
        from pg_constraint as c
        inner join pg_class as r on c.conrelid = r.oid
        inner join pg_attribute as a on c.conrelid = a.attrelid and c.conkey[1] = a.attnum
        where r.relnamespace = 'bridge'::regnamespace and r.relkind = 'r' and not r.relispartition and c.contype = 'n'
    loop
        if old_name.name <> old_name.new_name then
            execute format('alter table %s rename constraint %I to %I', old_name.relation, old_name.name, old_name.new_name);
        end if;
    end loop;
end
$$;
