-- A rule that makes counterparts counts, in each of its steps, those begun within the last hour; writes are kept for months.

-- The migration holds the lock of the table while this is made: it reads the table once, a second for a million writes.
-- squawk-ignore require-concurrent-index-creation
create index outbox_created_at_idx on bridge.outbox (rule_id, created_at) where kind = 'create';
