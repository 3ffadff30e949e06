-- Two questions that took a second at a million problems with five million versions.

-- The newest problems in a status. Found by updated_at alone, each of the newer ones was looked up in the table to learn its status: all of them,
-- for a status that is rare or does not occur. Status and source stand in the index now, and are compared there: at most one walk through 40 MB (28 ms
-- for a million, 81 with a cold cache). It takes the place of the one on updated_at alone, so nothing more is paid on the way in (20,000 updates
-- take 0.6 s of CPU with either, and 0.5 without any).
-- squawk-ignore require-concurrent-index-creation
create index service_problem_updated_at_status_idx on bridge.service_problem (updated_at, status, source_id);
-- squawk-ignore require-concurrent-index-deletion, prefer-robust-stmts
drop index bridge.service_problem_updated_at_idx;

-- The hour of a time in one step in place of three: the same hours, so indexes on it stay as they are. It is reckoned for every row written (a third of
-- a microsecond before) and four times for every row read.
create or replace function bridge.hour_of(at timestamptz) returns timestamptz
language sql immutable parallel safe
begin atomic
    select date_bin(interval '1 hour', at, timestamptz '2000-01-01 00:00:00+00');
end;

-- Which way changes were found, by hour. `is true` keeps the time at which the source was first met from being looked up in the primary key, where it
-- is the begin of nearly everything; the hours are found by their index, and counted before anything else is joined to them.
create view report.hourly_change as
select
    s.name as source,
    c.hour,
    coalesce(sum(c.times) filter (where c.via = 'push'), 0)::bigint as by_push,
    coalesce(sum(c.times) filter (where c.via = 'poll'), 0)::bigint as by_poll,
    coalesce(sum(c.times) filter (where c.via = 'reconcile'), 0)::bigint as by_reconcile,
    coalesce(sum(c.times) filter (where c.via = 'refetch'), 0)::bigint as by_refetch
from (
    select
        v.source_id,
        bridge.hour_of(v.observed_at) as hour,
        v.via,
        count(*) as times
    from bridge.service_problem_version as v
    inner join bridge.source as b on v.source_id = b.id
    where v.kind <> 'tombstone' and (v.effective_at >= b.created_at) is true
    group by v.source_id, bridge.hour_of(v.observed_at), v.via
) as c
inner join bridge.source as s on c.source_id = s.id
group by s.name, c.hour;
comment on view report.hourly_change is
'Which way changes were found, per source and hour (UTC, the bridge''s clock): the counts of report.push_quality alone, which are quicker to have. '
'Hours in which nothing was found are left out';
comment on column report.hourly_change.source is 'Name of the source in the bridge''s configuration';
comment on column report.hourly_change.hour is 'Begin of the hour in which the bridge found the changes';
comment on column report.hourly_change.by_push is 'Changes that a notification brought';
comment on column report.hourly_change.by_poll is 'Changes that a poll found first';
comment on column report.hourly_change.by_reconcile is 'Changes that only a pass over everything found';
comment on column report.hourly_change.by_refetch is
'Answers to questions about a single problem; mostly the rest of a change that a notification had told in part';

create or replace view report.push_quality as
with found as (
    select
        c.source,
        c.hour,
        c.by_push,
        c.by_poll,
        c.by_reconcile,
        c.by_refetch,
        null::double precision as delay_seconds,
        null::bigint as missed,
        null::bigint as late
    from report.hourly_change as c
    union all
    select
        s.name as source,
        bridge.hour_of(n.received_at) as hour,
        null::bigint as by_push,
        null::bigint as by_poll,
        null::bigint as by_reconcile,
        null::bigint as by_refetch,
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
        null::bigint as by_push,
        null::bigint as by_poll,
        null::bigint as by_reconcile,
        null::bigint as by_refetch,
        null::double precision as delay_seconds,
        p.missed,
        p.late
    from bridge.push_verdict as p
    inner join bridge.source as s on p.source_id = s.id
)

select
    f.source,
    f.hour,
    coalesce(sum(f.by_push), 0)::bigint as by_push,
    coalesce(sum(f.by_poll), 0)::bigint as by_poll,
    coalesce(sum(f.by_reconcile), 0)::bigint as by_reconcile,
    coalesce(sum(f.by_refetch), 0)::bigint as by_refetch,
    coalesce(sum(f.missed), 0)::double precision
    / nullif(coalesce(sum(f.by_push), 0) + coalesce(sum(f.missed + f.late), 0), 0)::double precision as miss_ratio,
    percentile_cont(0.5) within group (order by f.delay_seconds) as median_delay_seconds,
    percentile_cont(0.95) within group (order by f.delay_seconds) as p95_delay_seconds,
    coalesce(sum(f.missed), 0)::bigint as missed,
    coalesce(sum(f.late), 0)::bigint as late
from found as f
group by f.source, f.hour;

do $$
begin
    if exists (select from pg_roles where rolname = 'bridge_reader') then
        grant select on report.hourly_change to bridge_reader;
    end if;
end
$$;
