-- What summarises a life is kept beside it, so that reports over everything read one narrow row a problem.
--
-- What: bridge.resolution, a row a problem with all that report.resolution tells, and with what the problem adds to report.daily_flow
-- (`flow`: a few day-and-kind numbers); bridge.flow, the sums of these a source, day and kind. Computing both from the facts takes 30 to 60 µs a
-- problem: nothing for a page, half a minute for a million.
--
-- How: nothing is paid on the way in. The leader follows bridge.change (jobs.summarise) and computes anew, whole, each problem named there: a
-- late statement changes the past, and a problem's facts are few and lie under its key. Old contributions to bridge.flow are known from the row
-- that is replaced, so sums stay right. Rows, sums and the position reached are one transaction, fenced by the lease.
--
-- Never stale: the views take from bridge.resolution only problems that bridge.change does not name after that position, and compute the others
-- from their facts, as of the same snapshot. As long as nothing is summarised (a database from before, a walk not ended, a dump restored on another
-- server, a release that knows nothing of this at work) they compute everything, as they did before.

create table bridge.summary (
    singleton boolean primary key default true constraint summary_singleton_check check (singleton),
    complete boolean not null default false,
    committed xid8 not null default '0',
    change_id bigint not null default 0,
    walked_source_id smallint not null default 0,
    walked_id text not null default '',
    walked_at timestamptz,
    alive_at timestamptz
);
insert into bridge.summary default values;
comment on table bridge.summary is 'How far the summaries have come; one row';
comment on column bridge.summary.singleton is 'There is one row';
comment on column bridge.summary.complete is 'Every problem has been summarised once; false: compute reports from the facts';
comment on column bridge.summary.committed is 'Changes up to here (bridge.change.committed) …';
comment on column bridge.summary.change_id is '… and here (bridge.change.id) are in the summaries';
comment on column bridge.summary.walked_source_id is 'How far the walk over all problems has come: source …';
comment on column bridge.summary.walked_id is '… and problem';
comment on column bridge.summary.walked_at is 'When the last complete walk ended';
comment on column bridge.summary.alive_at is 'The leader''s clock: when the summaries were last tended';

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
    primary key (source_id, id)
) with (fillfactor = 90);
comment on table bridge.resolution is 'What report.resolution and report.daily_flow tell of a problem, as of bridge.summary';
comment on column bridge.resolution.source_id is 'Source';
comment on column bridge.resolution.id is 'Problem';
comment on column bridge.resolution.revision is 'Revision of the current row it was computed from; a walk finds those that differ';
comment on column bridge.resolution.status is 'Status now';
comment on column bridge.resolution.category is 'Category';
comment on column bridge.resolution.priority is 'Priority';
comment on column bridge.resolution.created_at is 'When it was raised';
comment on column bridge.resolution.acknowledged_at is 'When it was first taken up';
comment on column bridge.resolution.resolved_at is 'When it was resolved; null while it is not';
comment on column bridge.resolution.closed_at is 'When it was closed; null while it is not';
comment on column bridge.resolution.seconds_held is 'How long it was held, without a stay that goes on';
comment on column bridge.resolution.held_since is 'Since when it is held; null while it is not';
comment on column bridge.resolution.seconds_pending is 'How long it was pending, without a stay that goes on';
comment on column bridge.resolution.pending_since is 'Since when it is pending; null while it is not';
comment on column bridge.resolution.times_reopened is 'How often it went from resolved or closed back to work';
comment on column bridge.resolution.deleted_at is 'Since when it is gone at the source';
comment on column bridge.resolution.flow is 'What it adds to daily flow: days since 2000-01-01, times 16, plus bridge.flow_kind.kind';

create table bridge.flow (
    source_id smallint not null,
    day date not null,
    kind integer not null,
    times bigint not null,
    primary key (source_id, day, kind)
);
comment on table bridge.flow is 'Sums of bridge.resolution.flow';
comment on column bridge.flow.source_id is 'Source';
comment on column bridge.flow.day is 'Day, in UTC';
comment on column bridge.flow.kind is 'What happened: bridge.flow_kind';
comment on column bridge.flow.times is 'How often';

create view bridge.flow_kind as
select
    k.kind,
    k.created,
    k.resolved,
    k.closed,
    k.reopened,
    k.cancelled,
    k.deleted,
    k.opened
from (
    values
    (0, 1, 0, 0, 0, 0, 0, 1), -- raised
    (1, 0, 1, 0, 0, 0, 0, -1), -- open → done
    (2, 0, 1, 0, 0, 0, 0, 0), -- dropped → done
    (3, 0, 0, 1, 0, 0, 0, 0), -- closed
    (4, 0, 0, 0, 1, 0, 0, 1), -- done → open
    (5, 0, 0, 0, 0, 0, 0, 1), -- dropped → open
    (6, 0, 0, 0, 0, 1, 0, -1), -- open → dropped
    (7, 0, 0, 0, 0, 1, 0, 0), -- done → dropped
    (8, 0, 0, 0, 0, 0, 1, -1) -- deleted while open
) as k (kind, created, resolved, closed, reopened, cancelled, deleted, opened);
comment on view bridge.flow_kind is 'What can happen to a problem on a day, and what each adds to the columns of report.daily_flow';
comment on column bridge.flow_kind.kind is 'Its number in bridge.resolution.flow';
comment on column bridge.flow_kind.created is 'Counts as created';
comment on column bridge.flow_kind.resolved is 'Counts as resolved';
comment on column bridge.flow_kind.closed is 'Counts as closed';
comment on column bridge.flow_kind.reopened is 'Counts as reopened';
comment on column bridge.flow_kind.cancelled is 'Counts as cancelled';
comment on column bridge.flow_kind.deleted is 'Counts as deleted';
comment on column bridge.flow_kind.opened is 'How many more are open after it';

create function bridge.flow_code(at timestamptz, kind integer) returns integer
language sql immutable parallel safe
begin atomic
    select ((at at time zone 'UTC')::date - date '2000-01-01') * 16 + kind;
end;
comment on function bridge.flow_code(timestamptz, integer) is 'Day and kind as one number';

create or replace view bridge.turn as
select
    s.name as source,
    p.id,
    l.status,
    l.phase,
    l.status_before,
    l.phase_before,
    l.is_last,
    l.known_at,
    l.seconds,
    greatest(l.entered_at, p.created_at) as entered_at,
    greatest(
        -- the source's own word for when it was resolved, where it fits into what is known
        case
            when
                l.phase = 'done'
                and l.phase_before <> 'done'
                and p.resolved_at < l.entered_at
                and p.resolved_at >= greatest(l.entered_before, p.created_at, '-infinity')
                then p.resolved_at
            else l.entered_at
        end,
        p.created_at
    ) as turned_at,
    case when l.left_at is null then l.began_at end as open_since
from bridge.service_problem as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral (
    select
        k.status,
        k.phase,
        k.entered_at,
        k.left_at,
        k.entered_at as began_at,
        k.known_at,
        k.seconds,
        lag(k.status) over life as status_before,
        lag(k.entered_at) over life as entered_before,
        lag(k.phase, 1, 'open') over life as phase_before,
        lead(k.phase) over life is null as is_last
    from (
        select
            i.status,
            i.entered_at,
            i.left_at,
            i.seconds,
            min(i.entered_at) over () as known_at,
            case
                when i.status in ('resolved', 'closed') then 'done'
                when i.status in ('cancelled', 'rejected') then 'dropped'
                when i.status <> 'unknown' then 'open'
            end as phase
        from report.status_interval as i
        where i.source = s.name and i.id = p.id
    ) as k
    where k.phase is not null
    window life as (order by k.entered_at, k.left_at nulls last)
) as l;
comment on column bridge.turn.open_since is 'Since when, as its source says, while it is still in this status; else null';

create view bridge.resolution_now as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.category,
    p.priority,
    p.created_at,
    t.acknowledged_at,
    t.resolved_at,
    t.closed_at,
    t.seconds_held,
    t.held_since,
    t.seconds_pending,
    t.pending_since,
    t.times_reopened,
    p.deleted_at,
    coalesce(t.flow, '{}')
    || bridge.flow_code(coalesce(p.created_at, t.known_at, p.first_seen_at), 0)
    || case
        when p.deleted_at is not null and coalesce(t.last_phase, 'open') = 'open'
            then array[bridge.flow_code(greatest(p.deleted_at, p.created_at, t.last_entered_at), 8)]
    end as flow
from bridge.service_problem as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral (
    select
        min(u.turned_at) filter (where u.phase <> 'dropped' and u.status <> 'submitted') as acknowledged_at,
        case
            when bool_or(u.phase = 'done') filter (where u.is_last)
                then max(u.turned_at) filter (where u.phase = 'done' and u.phase_before <> 'done')
        end as resolved_at,
        case
            when bool_or(u.status = 'closed') filter (where u.is_last)
                then max(u.entered_at) filter (where u.status = 'closed' and u.status_before is distinct from 'closed')
        end as closed_at,
        coalesce(sum(u.seconds) filter (where u.status = 'held' and u.open_since is null), 0) as seconds_held,
        min(u.open_since) filter (where u.status = 'held') as held_since,
        coalesce(sum(u.seconds) filter (where u.status = 'pending' and u.open_since is null), 0) as seconds_pending,
        min(u.open_since) filter (where u.status = 'pending') as pending_since,
        count(*) filter (where u.phase = 'open' and u.phase_before = 'done')::integer as times_reopened,
        min(u.known_at) as known_at,
        max(u.phase) filter (where u.is_last) as last_phase,
        max(u.entered_at) filter (where u.is_last) as last_entered_at,
        array_agg(
            bridge.flow_code(
                u.turned_at,
                case u.phase
                    when 'done' then case u.phase_before when 'open' then 1 else 2 end
                    when 'open' then case u.phase_before when 'done' then 4 else 5 end
                    else case u.phase_before when 'open' then 6 else 7 end
                end
            )
        ) filter (where u.phase <> u.phase_before)
        || array_agg(bridge.flow_code(u.entered_at, 3)) filter (where u.status = 'closed' and u.status_before is distinct from 'closed')
            as flow
    from bridge.turn as u
    where u.source = s.name and u.id = p.id
) as t;
comment on view bridge.resolution_now is 'A row of bridge.resolution as it follows from the facts now';
comment on column bridge.resolution_now.source_id is 'As in bridge.resolution';
comment on column bridge.resolution_now.id is 'As in bridge.resolution';
comment on column bridge.resolution_now.revision is 'As in bridge.resolution';
comment on column bridge.resolution_now.status is 'As in bridge.resolution';
comment on column bridge.resolution_now.category is 'As in bridge.resolution';
comment on column bridge.resolution_now.priority is 'As in bridge.resolution';
comment on column bridge.resolution_now.created_at is 'As in bridge.resolution';
comment on column bridge.resolution_now.acknowledged_at is 'As in bridge.resolution';
comment on column bridge.resolution_now.resolved_at is 'As in bridge.resolution';
comment on column bridge.resolution_now.closed_at is 'As in bridge.resolution';
comment on column bridge.resolution_now.seconds_held is 'As in bridge.resolution';
comment on column bridge.resolution_now.held_since is 'As in bridge.resolution';
comment on column bridge.resolution_now.seconds_pending is 'As in bridge.resolution';
comment on column bridge.resolution_now.pending_since is 'As in bridge.resolution';
comment on column bridge.resolution_now.times_reopened is 'As in bridge.resolution';
comment on column bridge.resolution_now.deleted_at is 'As in bridge.resolution';
comment on column bridge.resolution_now.flow is 'As in bridge.resolution';

-- The views below are read by people who may not name schema bridge; so these two look with the rights of their owner. Their names are bound
-- when they are made, whatever search_path says later.

create function bridge.summarised() returns boolean
language sql stable parallel safe security definer
begin atomic
    select
        m.complete
        and m.committed <= pg_snapshot_xmax(pg_current_snapshot())
        and not exists (
            select from bridge.source as s
            left join bridge.watermark as w on s.id = w.source_id
            where greatest(s.last_push_at, w.finished_at) > m.alive_at + interval '5 minutes'
        )
    from bridge.summary as m;
end;
comment on function bridge.summarised() is
'Can bridge.resolution be relied on, together with bridge.changed()? Not before it is complete, not with the numbers of another server''s transactions, '
'and not when sources were heard minutes after the summaries were last tended: by a release that does not note what changes';

create function bridge.changed() returns table (source_id smallint, id text)
language sql stable parallel safe security definer rows 100
begin atomic
    select distinct
        c.source_id,
        u.id
    from bridge.summary as m
    inner join bridge.change as c on (c.committed, c.id) > (m.committed, m.change_id)
    cross join lateral unnest(c.problem_ids) as u (id);
end;
comment on function bridge.changed() is 'Problems that changed after the summaries were made';

create or replace view report.resolution as
with told as (
    select
        s.name as source,
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
        k.deleted_at
    from bridge.resolution as k
    inner join bridge.source as s on k.source_id = s.id
    where
        (select bridge.summarised())
        and not exists (
            select from bridge.changed() as c
            where c.source_id = k.source_id and c.id = k.id
        )
    union all
    select
        s.name as source,
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
        n.deleted_at
    from bridge.changed() as c
    inner join bridge.resolution_now as n on c.source_id = n.source_id and c.id = n.id
    inner join bridge.source as s on n.source_id = s.id
    where (select bridge.summarised())
    union all
    select
        s.name as source,
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
        n.deleted_at
    from bridge.resolution_now as n
    inner join bridge.source as s on n.source_id = s.id
    where not (select bridge.summarised())
)

select
    t.source,
    t.id,
    t.status,
    t.category,
    t.priority,
    t.created_at,
    t.acknowledged_at,
    t.resolved_at,
    t.closed_at,
    extract(epoch from t.acknowledged_at - t.created_at)::double precision as seconds_to_acknowledge,
    extract(epoch from t.resolved_at - t.created_at)::double precision as seconds_to_resolve,
    extract(epoch from t.closed_at - t.created_at)::double precision as seconds_to_close,
    t.seconds_held + coalesce(extract(epoch from now() - t.held_since)::double precision, 0) as seconds_held,
    t.seconds_pending + coalesce(extract(epoch from now() - t.pending_since)::double precision, 0) as seconds_pending,
    t.times_reopened,
    t.deleted_at
from told as t;

create or replace view report.daily_flow as
with happened as (
    select
        f.source_id,
        f.day,
        f.kind,
        f.times
    from bridge.flow as f
    where (select bridge.summarised())
    union all
    select
        a.source_id,
        date '2000-01-01' + (a.code >> 4) as day,
        a.code & 15 as kind,
        a.times
    from (
        select
            r.source_id,
            u.code,
            -1 as times
        from bridge.changed() as c
        inner join bridge.resolution as r on c.source_id = r.source_id and c.id = r.id
        cross join lateral unnest(r.flow) as u (code)
        where (select bridge.summarised())
        union all
        select
            n.source_id,
            u.code,
            1 as times
        from bridge.changed() as c
        inner join bridge.resolution_now as n on c.source_id = n.source_id and c.id = n.id
        cross join lateral unnest(n.flow) as u (code)
        where (select bridge.summarised())
        union all
        select
            n.source_id,
            u.code,
            1 as times
        from bridge.resolution_now as n
        cross join lateral unnest(n.flow) as u (code)
        where not (select bridge.summarised())
    ) as a
),

summed as (
    select
        h.source_id,
        h.day,
        h.kind,
        sum(h.times) as times
    from happened as h
    group by h.source_id, h.day, h.kind
    having sum(h.times) <> 0
),

eventful as (
    select
        s.name as source,
        m.day,
        sum(m.times * k.created)::bigint as created,
        sum(m.times * k.resolved)::bigint as resolved,
        sum(m.times * k.closed)::bigint as closed,
        sum(m.times * k.reopened)::bigint as reopened,
        sum(m.times * k.cancelled)::bigint as cancelled,
        sum(m.times * k.deleted)::bigint as deleted,
        sum(m.times * k.opened)::bigint as opened
    from summed as m
    inner join bridge.flow_kind as k on m.kind = k.kind
    inner join bridge.source as s on m.source_id = s.id
    group by s.name, m.day
),

carried as (
    select
        f.*,
        sum(f.opened) over life as open,
        coalesce(lead(f.day) over life, greatest(f.day, (now() at time zone 'UTC')::date) + 1) as next_day
    from eventful as f
    window life as (partition by f.source order by f.day)
)

select
    c.source,
    c.day + g.later as day,
    case g.later when 0 then c.created else 0 end as created,
    case g.later when 0 then c.resolved else 0 end as resolved,
    case g.later when 0 then c.closed else 0 end as closed,
    case g.later when 0 then c.reopened else 0 end as reopened,
    case g.later when 0 then c.cancelled else 0 end as cancelled,
    case g.later when 0 then c.deleted else 0 end as deleted,
    c.open::bigint as open
from carried as c
cross join lateral generate_series(0, c.next_day - c.day - 1) as g (later);
