-- name: lock
-- The position of the summaries, locked against other writers. from_other_server: no change was summarised yet, or the position counts transactions
-- of another server, from whose dump this database was restored.
select
    m.complete,
    m.committed = '0' or m.committed > pg_snapshot_xmax(pg_current_snapshot()) as from_other_server,
    m.committed::text as committed,
    m.change_id,
    m.scanned_source_id,
    m.scanned_id,
    m.scanned_at,
    m.time_zone <> r.time_zone as other_time_zone
from bridge.summary as m
cross join bridge.report_setting as r
for update of m;

-- name: reset
-- Delete all summaries, and summarise the changes from now on.
with rows as (
    delete from bridge.resolution
),

sums as (
    delete from bridge.daily_flow
)

update bridge.summary as m set
    committed = pg_snapshot_xmin(pg_current_snapshot()),
    change_id = 0,
    complete = false,
    time_zone = (select r.time_zone from bridge.report_setting as r);

-- name: begin_scan
-- Start at the first problem. When the summaries are not usable, reports compute from the facts until the scan ends.
update bridge.summary as m set
    complete = m.complete and bridge.summary_usable(),
    scanned_source_id = 0,
    scanned_id = '',
    scanned_at = null;

-- name: usable
select bridge.summary_usable() as usable;

-- name: scan
-- Of the next $3 problems after ($1, $2): those whose summary is missing, of another revision, or without the names of what an open problem
-- affects; and the last of the $3. No row when no problem is left.
with page as (
    select
        p.source_id,
        p.id,
        p.revision
    from bridge.service_problem as p
    where (p.source_id, p.id) > ($1::smallint, $2::text)
    order by p.source_id, p.id
    limit $3
),

outdated as (
    select
        g.source_id,
        g.id
    from page as g
    left join bridge.resolution as r on g.source_id = r.source_id and g.id = r.id
    where
        r.revision is distinct from g.revision
        or (
            r.names_revision is distinct from g.revision
            and r.deleted_at is null and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
        )
)

select
    l.source_id,
    l.id,
    (select count(*) from page) as problems,
    (select array_agg(a.source_id order by a.source_id, a.id) from outdated as a) as source_ids,
    (select array_agg(a.id order by a.source_id, a.id) from outdated as a) as ids
from page as l
order by l.source_id desc, l.id desc
limit 1;

-- name: orphans
-- Summaries of problems that were deleted from the tables.
select
    r.source_id,
    r.id
from bridge.resolution as r
left join bridge.service_problem as p on r.source_id = p.source_id and r.id = p.id
where (r.source_id, r.id) > ($1::smallint, $2::text) and (r.source_id, r.id) <= ($3::smallint, $4::text) and p.id is null;

-- name: recompute
-- Compute the summaries of these problems from their facts, and correct the sums by the difference. Deleted problems are looked up by key: a
-- join with `computed`, which has no index, would be a nested loop.
with wanted as (
    select distinct
        k.source_id,
        k.id
    from unnest($1::smallint[], $2::text[]) as k (source_id, id)
),

stored as materialized (
    select
        r.source_id,
        r.id,
        r.flow
    from wanted as w
    inner join bridge.resolution as r on w.source_id = r.source_id and w.id = r.id
),

computed as materialized (
    select
        n.*,
        o.services,
        o.resources,
        o.places
    from wanted as w
    inner join bridge.computed_resolution as n on w.source_id = n.source_id and w.id = n.id
    left join bridge.computed_open_problem as o on w.source_id = o.source_id and w.id = o.id
),

gone as (
    delete from bridge.resolution as r
    using stored as h
    where
        r.source_id = h.source_id and r.id = h.id
        and not exists (
            select from bridge.service_problem as p
            where p.source_id = h.source_id and p.id = h.id
        )
),

written as (
    insert into bridge.resolution (
        source_id, id, revision, status, category, priority, created_at, acknowledged_at, resolved_at, closed_at, seconds_held,
        held_since, seconds_pending, pending_since, times_reopened, deleted_at, flow, services, resources, places,
        names_revision, known_since, complete
    )
    select
        f.source_id, f.id, f.revision, f.status, f.category, f.priority, f.created_at, f.acknowledged_at, f.resolved_at,
        f.closed_at, f.seconds_held, f.held_since, f.seconds_pending, f.pending_since, f.times_reopened, f.deleted_at, f.flow,
        f.services, f.resources, f.places, f.revision, f.known_since, f.complete
    from computed as f
    on conflict (source_id, id) do update set
    revision = excluded.revision,
    status = excluded.status,
    category = excluded.category,
    priority = excluded.priority,
    created_at = excluded.created_at,
    acknowledged_at = excluded.acknowledged_at,
    resolved_at = excluded.resolved_at,
    closed_at = excluded.closed_at,
    seconds_held = excluded.seconds_held,
    held_since = excluded.held_since,
    seconds_pending = excluded.seconds_pending,
    pending_since = excluded.pending_since,
    times_reopened = excluded.times_reopened,
    deleted_at = excluded.deleted_at,
    flow = excluded.flow,
    services = excluded.services,
    resources = excluded.resources,
    places = excluded.places,
    names_revision = excluded.names_revision,
    known_since = excluded.known_since,
    complete = excluded.complete
),

difference as (
    select
        d.source_id,
        bridge.daily_flow_day(d.code, m.time_zone) as day,
        d.code & 15 as kind,
        sum(d.times) as times
    from (
        select
            f.source_id,
            u.code,
            1 as times
        from computed as f
        cross join lateral unnest(f.flow) as u (code)
        union all
        select
            h.source_id,
            u.code,
            -1 as times
        from stored as h
        cross join lateral unnest(h.flow) as u (code)
    ) as d
    cross join bridge.summary as m
    group by d.source_id, bridge.daily_flow_day(d.code, m.time_zone), d.code & 15
    having sum(d.times) <> 0
)

insert into bridge.daily_flow as f (source_id, day, kind, times)
select
    d.source_id,
    d.day,
    d.kind,
    d.times
from difference as d
on conflict (source_id, day, kind) do update set times = f.times + excluded.times;

-- name: take_time_zone
-- The time zone of reports was changed: sum up the days again.
with zone as (
    update bridge.summary as m set time_zone = r.time_zone
    from bridge.report_setting as r
    returning m.time_zone
),

days as (
    select
        r.source_id,
        bridge.daily_flow_day(u.code, z.time_zone) as day,
        u.code & 15 as kind,
        count(*) as times
    from bridge.resolution as r
    cross join lateral unnest(r.flow) as u (code)
    cross join zone as z
    group by r.source_id, bridge.daily_flow_day(u.code, z.time_zone), u.code & 15
)

insert into bridge.daily_flow (source_id, day, kind, times)
select
    d.source_id,
    d.day,
    d.kind,
    d.times
from days as d;

-- name: delete_days
delete from bridge.daily_flow;

-- name: write_position
-- Changes up to here are in the summaries.
update bridge.summary as m set committed = $1::text::xid8, change_id = $2;

-- name: write_scan_position
update bridge.summary as m set scanned_source_id = $1, scanned_id = $2;

-- name: end_scan
update bridge.summary as m set complete = true, scanned_at = $1;

-- name: mark_maintained
update bridge.summary as m set maintained_at = $1;
