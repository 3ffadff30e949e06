-- Export
-- All problems with how long they took, one row each, for a spreadsheet?
-- parameter: days = 90: only problems raised or changed in so many days
-- parameter: source =: only this source
-- parameter: status =: only in this status now
select
    p.source,
    p.id,
    p.name,
    p.status,
    p.priority,
    p.category,
    p.reason,
    p.originator,
    p.responsible,
    p.external_id,
    p.created_at at time zone (select report.time_zone()) as created,
    r.acknowledged_at at time zone (select report.time_zone()) as acknowledged,
    r.resolved_at at time zone (select report.time_zone()) as resolved,
    r.closed_at at time zone (select report.time_zone()) as closed,
    round((r.seconds_to_resolve / 3600)::numeric, 2) as hours_to_resolve,
    round((r.seconds_held / 3600)::numeric, 2) as hours_held,
    round((r.seconds_pending / 3600)::numeric, 2) as hours_pending,
    r.times_reopened,
    p.affected_services,
    p.deleted_at at time zone (select report.time_zone()) as deleted,
    r.known_since at time zone (select report.time_zone()) as known_since
from report.service_problem as p
inner join report.resolution as r on p.source = r.source and p.id = r.id
left join report.changed_since(now() - make_interval(days => report.parameter('days', '90')::integer)) as c on p.source = c.source and p.id = c.id
where
    (
        p.created_at > now() - make_interval(days => report.parameter('days', '90')::integer)
        or c.id is not null
    )
    and report.parameter('source', '') in ('', p.source)
    and report.parameter('status', '') in ('', p.status)
order by p.source, p.created_at, p.id;
