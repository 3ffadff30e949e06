-- Links that a person joined, or whose write a person gave up, are to be decided although neither ticket changes: those never decided are few.

-- The migration holds the lock of the table while this is made: a fraction of a second for 100,000 links.
-- squawk-ignore require-concurrent-index-creation
create index link_undecided_idx on bridge.link (rule_id, id) where checked_at is null and state = 'linked';

comment on column bridge.service_problem.last_seen_at is
'Our clock: when it was last received, other than by a poll or a reconcile pass that found it word for word as it was';
