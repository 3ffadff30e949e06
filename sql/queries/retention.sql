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
-- Facts from before $1 that a later whole statement, itself from before $1, replaced; never the one that the current row refers to (for a deleted
-- problem it need not be the latest). A concurrent write that makes a current row refer to another fact writes that fact in the same statement: this
-- statement does not see it and keeps it, or deletes it before it is written again.
delete from bridge.service_problem_version as v
where
    v.ctid = any(
        array(
            select o.ctid from bridge.service_problem_version as o
            where
                o.effective_at < $1
                and not exists (
                    select from bridge.service_problem as p
                    where
                        p.source_id = o.source_id and p.id = o.problem_id
                        and p.content_at = o.effective_at and p.content_hash = o.content_hash
                )
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
-- The summaries are computed from them, so each deletion is logged as a change of its problem.
with gone as (
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
        )
    returning c.source_id, c.problem_id
),

noted as (
    insert into bridge.change (source_id, problem_ids)
    select
        g.source_id,
        array_agg(distinct g.problem_id order by g.problem_id)
    from gone as g
    group by g.source_id
)

select count(*) from gone;

-- name: tombstones
-- Problems deleted at their source before $1, with all rows about them.
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
),

noted as (
    insert into bridge.change (source_id, problem_ids)
    select g.source_id, array_agg(g.id order by g.id)
    from gone as g
    group by g.source_id
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

-- name: changes
-- The oldest changes, in order, while that one and its successor are from before $1 and in the summaries. The last one stays, so that `complete`
-- knows from which position on no change is missing. Also the changes of another server, after a restore from its dump: their numbers are too high.
delete from bridge.change as c
where
    c.ctid = any(
        array(
            select o.ctid
            from (
                select
                    f.ctid,
                    f.committed,
                    f.id,
                    max(f.changed_at) over (order by f.committed, f.id rows between unbounded preceding and 1 following) as newest_at,
                    lead(f.id) over (order by f.committed, f.id) as next_id
                from (
                    select e.ctid, e.committed, e.id, e.changed_at from bridge.change as e
                    order by e.committed, e.id
                    limit $2::bigint + 1
                ) as f
            ) as o
            inner join bridge.summary as m on (o.committed, o.id) <= (m.committed, m.change_id)
            where o.newest_at < $1 and o.next_id is not null
        )
        || array(
            select f.ctid from bridge.change as f
            where f.committed >= pg_snapshot_xmax(pg_current_snapshot())
            limit $2
        )
    );

-- name: writes
-- Writes to ticket systems whose outcome has been known since before $1.
delete from bridge.outbox as o
where
    o.id = any(
        array(
            select e.id from bridge.outbox as e
            where e.ended_at < $1
            limit $2
        )
    );

-- name: conflicts
-- Conflicts settled before $1; those that wait for a person stay.
delete from bridge.conflict as c
where
    c.id = any(
        array(
            select e.id from bridge.conflict as e
            where e.settled_at < $1
            limit $2
        )
    );

-- name: ended_links
-- Links that ended before $1, with their notes, writes and conflicts.
delete from bridge.link as l
where
    l.id = any(
        array(
            select e.id from bridge.link as e
            where e.state = 'ended' and e.state_since < $1
            order by e.id
            limit $2
        )
    );

-- name: audit
delete from bridge.audit as a
where a.id in (
    select o.id from bridge.audit as o
    where o.at < $1
    order by o.at
    limit $2
);
