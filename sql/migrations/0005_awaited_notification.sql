-- How well push does, counted truly: a change that was found by asking is missed only when its notification does not come after all.

create table bridge.awaited_notification (
    source_id smallint not null,
    stamped boolean not null,
    effective_at timestamptz not null,
    changed_at timestamptz not null,
    found_at timestamptz not null,
    due_at timestamptz not null,
    told_at timestamptz,
    problem_id text not null,
    content_hash bytea not null,
    primary key (source_id, problem_id, effective_at, content_hash)
);
comment on table bridge.awaited_notification is
'Changes that were found by asking although a notification should bring them; gone once it has come, or is overdue';
comment on column bridge.awaited_notification.source_id is 'Source';
comment on column bridge.awaited_notification.problem_id is 'Problem';
comment on column bridge.awaited_notification.effective_at is 'Time of the change as stored; a notification that names it is the one';
comment on column bridge.awaited_notification.content_hash is 'What was found; a notification that says the same is the one';
comment on column bridge.awaited_notification.stamped is 'The source states the time of the change; else any notification about the problem is the one';
comment on column bridge.awaited_notification.changed_at is 'Time of the change by our clock';
comment on column bridge.awaited_notification.found_at is 'Our clock: when the question was asked that found it';
comment on column bridge.awaited_notification.due_at is 'Our clock: not come until then, it is missed';
comment on column bridge.awaited_notification.told_at is 'When the notification came';

create table bridge.push_verdict (
    source_id smallint not null,
    hour timestamptz not null,
    missed bigint not null,
    late bigint not null,
    primary key (source_id, hour)
);
comment on table bridge.push_verdict is 'What became of awaited notifications, by hour';
comment on column bridge.push_verdict.source_id is 'Source';
comment on column bridge.push_verdict.hour is 'Hour (UTC) in which the changes were found';
comment on column bridge.push_verdict.missed is 'Changes whose notification did not come';
comment on column bridge.push_verdict.late is 'Changes whose notification came after they had been found';

-- what was found before is judged as it was until now: by the way it was found first
insert into bridge.push_verdict (source_id, hour, missed, late)
select v.source_id, bridge.hour_of(v.observed_at), count(*), 0
from bridge.service_problem_version as v
inner join bridge.source as s on v.source_id = s.id
where v.kind <> 'tombstone' and v.via in ('poll', 'reconcile') and v.effective_at >= s.created_at
group by v.source_id, bridge.hour_of(v.observed_at);

alter table bridge.source add column fallback_reason text;
comment on column bridge.source.fallback_reason is 'Why the mode is fallback, in words; null in any other';

create or replace view report.push_quality as
with found as (
    select
        s.name as source,
        bridge.hour_of(v.observed_at) as hour,
        v.via,
        null::double precision as delay_seconds,
        null::bigint as missed,
        null::bigint as late
    from bridge.service_problem_version as v
    inner join bridge.source as s on v.source_id = s.id
    where v.kind <> 'tombstone' and v.effective_at >= s.created_at
    union all
    select
        s.name as source,
        bridge.hour_of(n.received_at) as hour,
        null as via,
        extract(epoch from n.received_at - n.event_time)::double precision as delay_seconds,
        null::bigint as missed,
        null::bigint as late
    from bridge.notification as n
    inner join bridge.source as s on n.source_id = s.id
    where n.event_time is not null and n.outcome in ('applied', 'unchanged', 'stale')
    union all
    select
        s.name as source,
        p.hour,
        null as via,
        null::double precision as delay_seconds,
        p.missed,
        p.late
    from bridge.push_verdict as p
    inner join bridge.source as s on p.source_id = s.id
)

select
    f.source,
    f.hour,
    count(*) filter (where f.via = 'push') as by_push,
    count(*) filter (where f.via = 'poll') as by_poll,
    count(*) filter (where f.via = 'reconcile') as by_reconcile,
    count(*) filter (where f.via = 'refetch') as by_refetch,
    coalesce(sum(f.missed), 0)::double precision
    / nullif(count(*) filter (where f.via = 'push') + coalesce(sum(f.missed + f.late), 0), 0)::double precision as miss_ratio,
    percentile_cont(0.5) within group (order by f.delay_seconds) as median_delay_seconds,
    percentile_cont(0.95) within group (order by f.delay_seconds) as p95_delay_seconds,
    coalesce(sum(f.missed), 0)::bigint as missed,
    coalesce(sum(f.late), 0)::bigint as late
from found as f
group by f.source, f.hour;
comment on view report.push_quality is
'Which way changes were found, per source and hour (UTC, the bridge''s clock); hours in which nothing was found or received are left out. '
'Not counted: what was already so when the bridge first met the source, and deletions, of which most servers send no notification';
comment on column report.push_quality.by_poll is 'Changes that a poll found first; see missed and late for what became of their notifications';
comment on column report.push_quality.by_reconcile is 'Changes that only a pass over everything found';
comment on column report.push_quality.miss_ratio is
'Share of the changes, among those push was to tell of, that it did not: missed / (by_push + late + missed); null when there were none';
comment on column report.push_quality.missed is
'Changes found by asking while a registration was relied on, of which no notification came within ten seconds; '
'of several changes of one problem between two polls only the last can be found';
comment on column report.push_quality.late is 'Changes found by asking, of which a notification came a little later: nothing was missed';
