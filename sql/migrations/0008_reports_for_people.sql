-- What people ask most, found by index; and parameters for ready-made queries (sql/reports).
--
-- What is open and what was resolved lately is asked of bridge.resolution, which nobody waits for, so these cost the way in nothing.

-- squawk-ignore require-concurrent-index-creation
create index resolution_open_idx on bridge.resolution (created_at)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected');
-- squawk-ignore require-concurrent-index-creation
create index resolution_resolved_at_idx on bridge.resolution (resolved_at);
-- squawk-ignore require-concurrent-index-creation
create index resolution_created_at_idx on bridge.resolution (created_at);

-- The newest problems, a page at a time, and what changed since: half a second to five for a million otherwise. This one is paid on the way in: up
-- to 13 µs of CPU an update (20,000 updates in 1.23 s instead of 0.96 s), because updated_at changes with every one of them, and 20 MB a million.
-- squawk-ignore require-concurrent-index-creation
create index service_problem_updated_at_idx on bridge.service_problem (updated_at);

create function report.parameter(name text, fallback text) returns text
language sql stable parallel safe
begin atomic
    select coalesce(nullif(current_setting('report.' || name, true), ''), fallback);
end;
comment on function report.parameter(text, text) is
'A parameter of a ready-made query: what `set report.NAME = …` has set in this session, else the second argument';
