-- name: digests
delete from bridge.notification_digest as n
where
    n.ctid = any(
        array(
            select d.ctid from bridge.notification_digest as d
            where d.received_at < $1
            limit $2
        )
    );

-- name: versions
-- Facts from before $1 that a later whole statement, itself from before $1, has taken the place of.
delete from bridge.service_problem_version as v
where
    v.ctid = any(
        array(
            select o.ctid from bridge.service_problem_version as o
            where
                o.effective_at < $1
                and exists (
                    select from bridge.service_problem_version as l
                    where
                        l.source_id = o.source_id and l.problem_id = o.problem_id
                        and l.effective_at > o.effective_at and l.effective_at < $1 and l.kind = 'full' and not l.superseded
                )
            limit $2
        )
    );

-- name: status_changes
delete from bridge.status_change as c
where
    c.ctid = any(
        array(
            select o.ctid from bridge.status_change as o
            where
                o.effective_at < $1
                and exists (
                    select from bridge.status_change as l
                    where
                        l.source_id = o.source_id and l.problem_id = o.problem_id
                        and l.effective_at > o.effective_at and l.effective_at < $1 and not l.superseded
                )
            limit $2
        )
    );

-- name: tombstones
-- Problems deleted at their source before $1, with all that is known of them.
with gone as (
    delete from bridge.service_problem as p
    where
        p.ctid = any(
            array(
                select d.ctid from bridge.service_problem as d
                where d.deleted_at < $1 and d.observed_at < $1
                order by d.source_id, d.id
                limit $2
            )
        )
    returning p.source_id, p.id
),

versions as (
    delete from bridge.service_problem_version as v
    using gone as g
    where v.source_id = g.source_id and v.problem_id = g.id
),

statuses as (
    delete from bridge.status_change as c
    using gone as g
    where c.source_id = g.source_id and c.problem_id = g.id
),

requests as (
    delete from bridge.refetch as r
    using gone as g
    where r.source_id = g.source_id and r.problem_id = g.id
)

select count(*) from gone;

-- name: dead_letters
delete from bridge.dead_letter as d
where
    d.id in (
        select o.id from bridge.dead_letter as o
        where o.last_received_at < $1
        order by o.id
        limit $2
    );
