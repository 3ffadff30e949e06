-- Lists with several conditions go past what they do not show by the index alone, without the rows.

-- A million rows take seconds; notifications wait in the local journal meanwhile.
-- squawk-ignore require-concurrent-index-deletion
drop index bridge.service_problem_updated_at_status_idx;
-- squawk-ignore require-concurrent-index-creation
create index service_problem_updated_at_status_idx on bridge.service_problem (updated_at, status, source_id, priority, created_at);
-- squawk-ignore require-concurrent-index-deletion
drop index bridge.service_problem_created_at_idx;
-- squawk-ignore require-concurrent-index-creation
create index service_problem_created_at_idx on bridge.service_problem (created_at, status, source_id, priority);
