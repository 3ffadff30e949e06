-- The list of problems in the console reads bodies for its searches, and orders open problems by keys that are never null, so that a page
-- begins where the one before ended by one comparison of rows.

create or replace view bridge.console_problem as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.status_raw,
    p.category,
    p.priority,
    p.affected_services,
    p.created_at,
    p.updated_at,
    p.status_changed_at,
    p.resolved_at,
    p.first_seen_at,
    p.deleted_at,
    p.via,
    p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected') as open,
    coalesce(p.body, v.body) as body
from bridge.service_problem as p
left join bridge.service_problem_version as v
    on
        p.source_id = v.source_id and p.id = v.problem_id and p.content_at = v.effective_at and p.content_hash = v.content_hash
        and p.body is null;
comment on view bridge.console_problem is 'A service problem as the list of the console filters and sorts it';
comment on column bridge.console_problem.body is 'As in bridge.service_problem_with_body; where it is not asked for, versions are not read';

-- squawk-ignore require-concurrent-index-deletion
drop index bridge.service_problem_open_urgency_idx;
-- squawk-ignore require-concurrent-index-deletion
drop index bridge.service_problem_open_status_changed_at_idx;

-- The migration holds the lock of the table while these are made: about 2 s for a million problems.
-- squawk-ignore require-concurrent-index-creation
create index service_problem_open_urgency_idx
on bridge.service_problem (coalesce(priority, 2147483647), coalesce(created_at, first_seen_at), source_id, id)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected');
-- squawk-ignore require-concurrent-index-creation
create index service_problem_open_status_age_idx
on bridge.service_problem (coalesce(status_changed_at, created_at, first_seen_at), source_id, id)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected');
