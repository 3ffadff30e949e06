-- report.resolution and report.daily_flow computed from the facts alone, without summaries: what the reports are compared with.

create view pure.problem as
select
    p.source_id,
    p.id,
    p.status,
    p.category,
    p.priority,
    p.first_seen_at,
    p.deleted_at,
    bridge.plausible(p.created_at, p.observed_at) as created_at,
    bridge.plausible(p.deleted_at, p.observed_at) as plausibly_deleted_at
from bridge.service_problem as p;

create view pure.resolution as
select
    s.name as source,
    p.id,
    p.status,
    p.category,
    p.priority,
    p.created_at,
    case when k.complete then t.acknowledged_at end as acknowledged_at,
    t.resolved_at,
    t.closed_at,
    extract(epoch from case when k.complete then t.acknowledged_at end - p.created_at)::double precision as seconds_to_acknowledge,
    extract(epoch from t.resolved_at - p.created_at)::double precision as seconds_to_resolve,
    extract(epoch from t.closed_at - p.created_at)::double precision as seconds_to_close,
    case when k.complete or t.was_held then t.seconds_held end as seconds_held,
    case when k.complete or t.was_pending then t.seconds_pending end as seconds_pending,
    case when k.complete or t.times_reopened > 0 then t.times_reopened end as times_reopened,
    p.deleted_at,
    case when k.complete then coalesce(p.created_at, k.known_at, p.first_seen_at) else k.known_at end as known_since
from pure.problem as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral (
    select
        min(u.phase_entered_at) filter (where u.phase <> 'dropped' and u.status <> 'submitted') as acknowledged_at,
        case
            when bool_or(u.phase = 'done') filter (where u.is_last)
                then max(u.phase_entered_at) filter (where u.phase = 'done' and u.phase_before <> 'done')
        end as resolved_at,
        case
            when bool_or(u.status = 'closed') filter (where u.is_last)
                then max(u.entered_at) filter (where u.status = 'closed' and u.status_before is distinct from 'closed')
        end as closed_at,
        coalesce(sum(u.seconds) filter (where u.status = 'held'), 0) as seconds_held,
        coalesce(sum(u.seconds) filter (where u.status = 'pending'), 0) as seconds_pending,
        coalesce(bool_or(u.status = 'held' and u.seconds > 0 or u.lasting_since is not null and u.status = 'held'), false) as was_held,
        coalesce(
            bool_or(u.status = 'pending' and u.seconds > 0 or u.lasting_since is not null and u.status = 'pending'), false
        ) as was_pending,
        count(*) filter (where u.phase = 'open' and u.phase_before = 'done')::integer as times_reopened
    from bridge.status_entry as u
    where u.source = s.name and u.id = p.id
) as t
cross join lateral (
    select
        case when f.first_status is not null then f.entered_at end as known_at,
        p.created_at >= s.created_at is true
        or f.first_status in ('submitted', 'acknowledged') is true
        or (f.first_status is not null and f.entered_at <= p.created_at) is true as complete
    from (
        select
            min(i.entered_at) as entered_at,
            (array_agg(i.status order by i.entered_at, i.left_at) filter (where i.status <> 'unknown'))[1] as first_status
        from report.status_interval as i
        where i.source = s.name and i.id = p.id
    ) as f
) as k;

create view pure.daily_flow as
with event as (
    select
        u.source,
        e.at,
        0 as created,
        (e.turned and u.phase = 'done')::integer as resolved,
        (not e.turned)::integer as closed,
        (e.turned and u.phase = 'open' and u.phase_before = 'done')::integer as reopened,
        (e.turned and u.phase = 'dropped')::integer as cancelled,
        0 as deleted,
        case when e.turned then (u.phase = 'open')::integer - (u.phase_before = 'open')::integer else 0 end as opened
    from bridge.status_entry as u
    cross join lateral (values (u.phase_entered_at, true), (u.entered_at, false)) as e (at, turned)
    where
        (e.turned and u.phase <> u.phase_before)
        or (not e.turned and u.status = 'closed' and u.status_before is distinct from 'closed')
    union all
    select
        s.name as source,
        coalesce(
            p.created_at,
            (
                select min(u.known_at)
                from bridge.status_entry as u
                where u.source = s.name and u.id = p.id
            ),
            p.first_seen_at
        ) as at,
        1 as created,
        0 as resolved,
        0 as closed,
        0 as reopened,
        0 as cancelled,
        0 as deleted,
        1 as opened
    from pure.problem as p
    inner join bridge.source as s on p.source_id = s.id
    union all
    select
        s.name as source,
        greatest(
            p.plausibly_deleted_at, p.created_at, l.entered_at,
            case when p.created_at is null and l.entered_at is null then p.first_seen_at end
        ) as at,
        0 as created,
        0 as resolved,
        0 as closed,
        0 as reopened,
        0 as cancelled,
        1 as deleted,
        -1 as opened
    from pure.problem as p
    inner join bridge.source as s on p.source_id = s.id
    left join lateral (
        select
            u.phase,
            u.entered_at
        from bridge.status_entry as u
        where u.source = s.name and u.id = p.id and u.is_last
    ) as l on true
    where p.deleted_at is not null and coalesce(l.phase, 'open') = 'open'
),

eventful as (
    select
        d.source,
        d.day,
        sum(d.created) as created,
        sum(d.resolved) as resolved,
        sum(d.closed) as closed,
        sum(d.reopened) as reopened,
        sum(d.cancelled) as cancelled,
        sum(d.deleted) as deleted,
        sum(d.opened) as opened
    from (
        select
            e.*,
            (e.at at time zone 'UTC')::date as day
        from event as e
    ) as d
    group by d.source, d.day
),

carried as (
    select
        f.*,
        sum(f.opened) over history as open,
        coalesce(lead(f.day) over history, greatest(f.day, (now() at time zone 'UTC')::date) + 1) as next_day
    from eventful as f
    window history as (partition by f.source order by f.day)
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
    c.open::bigint as open,
    s.created_at as known_since
from carried as c
inner join bridge.source as s on c.source = s.name
cross join lateral generate_series(0, c.next_day - c.day - 1) as g (later);
