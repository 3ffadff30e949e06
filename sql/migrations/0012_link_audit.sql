-- Audits of links: both tickets of each link are read again at their sources and compared. What differs without a known reason is a row of
-- bridge.link_drift.

create table bridge.link_audit (
    id bigint generated always as identity primary key,
    rule_id smallint not null constraint link_audit_rule_id_fkey references bridge.link_rule (id) on delete cascade,
    links integer not null default 0,
    last_link_id bigint not null default 0,
    started_at timestamptz not null default now(),
    finished_at timestamptz
);
comment on table bridge.link_audit is 'A comparison of all linked tickets of a rule with what their sources say (tmf656-bridge links audit)';
comment on column bridge.link_audit.id is 'Key';
comment on column bridge.link_audit.rule_id is 'Rule';
comment on column bridge.link_audit.links is 'Links compared so far';
comment on column bridge.link_audit.last_link_id is 'Links up to here are compared: an audit that was interrupted goes on after it';
comment on column bridge.link_audit.started_at is 'When it began';
comment on column bridge.link_audit.finished_at is 'When all links were compared; null: it runs, or was interrupted';
create index link_audit_rule_id_idx on bridge.link_audit (rule_id, id);

create table bridge.link_drift (
    id bigint generated always as identity primary key,
    audit_id bigint not null constraint link_drift_audit_id_fkey references bridge.link_audit (id) on delete cascade,
    link_id bigint not null constraint link_drift_link_id_fkey references bridge.link (id) on delete cascade,
    found_at timestamptz not null default now(),
    field text not null,
    left_value text,
    right_value text,
    constraint link_drift_field_key unique (audit_id, link_id, field)
);
comment on table bridge.link_drift is 'A field that an audit found different on both sides without a known reason';
comment on column bridge.link_drift.id is 'Key';
comment on column bridge.link_drift.audit_id is 'Audit that found it';
comment on column bridge.link_drift.link_id is 'Link';
comment on column bridge.link_drift.found_at is 'When it was found';
comment on column bridge.link_drift.field is 'Field of the rule; empty: a ticket is gone at its source, and the tables do not know it';
comment on column bridge.link_drift.left_value is 'What the left said; null with an empty field: that ticket is gone';
comment on column bridge.link_drift.right_value is 'What the right said; null with an empty field: that ticket is gone';
create index link_drift_link_id_idx on bridge.link_drift (link_id);

create or replace view report.link_drift as
select
    r.name as rule,
    d.link_id,
    d.field,
    d.left_value,
    d.right_value,
    d.found_at,
    a.started_at as audit_started_at,
    a.finished_at as audit_finished_at,
    d.id as drift_id
from bridge.link_drift as d
inner join bridge.link_audit as a on d.audit_id = a.id
inner join bridge.link_rule as r on a.rule_id = r.id;
comment on view report.link_drift is
'A field that tmf656-bridge links audit found different without a known reason. Key: drift_id. Joins: report.link on link_id';
comment on column report.link_drift.rule is 'Name of the rule in the bridge''s configuration';
comment on column report.link_drift.link_id is 'Link';
comment on column report.link_drift.field is 'Field of the rule; empty: a ticket is gone at its source, and the tables do not know it';
comment on column report.link_drift.left_value is 'What the left said; null with an empty field: that ticket is gone';
comment on column report.link_drift.right_value is 'What the right said; null with an empty field: that ticket is gone';
comment on column report.link_drift.found_at is 'When it was found';
comment on column report.link_drift.audit_started_at is 'When the audit began';
comment on column report.link_drift.audit_finished_at is 'When the audit had compared all links; null: it runs, or was interrupted';
comment on column report.link_drift.drift_id is 'Number of the finding';

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
        0 as drift,
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
        0 as drift,
        null::numeric as seconds_from_change,
        null::numeric as seconds_from_observation
    from bridge.conflict as c
    inner join bridge.link as l on c.link_id = l.id
    union all
    select
        a.rule_id,
        bridge.hour_of(d.found_at) as hour,
        0 as changes,
        0 as carried,
        0 as refused,
        0 as without_effect,
        0 as conflicts,
        0 as overruled,
        0 as duplicates,
        1 as drift,
        null::numeric as seconds_from_change,
        null::numeric as seconds_from_observation
    from bridge.link_drift as d
    inner join bridge.link_audit as a on d.audit_id = a.id
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
    percentile_cont(0.95) within group (order by h.seconds_from_observation::double precision) as p95_seconds_from_observation,
    sum(h.drift)::bigint as drift
from happened as h
inner join bridge.link_rule as r on h.rule_id = r.id
group by r.name, h.hour;
comment on column report.sync_quality.drift is 'Fields that audits found different without a known reason';
