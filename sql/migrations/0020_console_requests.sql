-- A write whose outcome nobody will know can be given up in the console, and the list of deleted problems has an order of its own.

comment on column bridge.request.kind is
'poll, reconcile, register, rotate_secret (of the callback), replay or discard (dead letters), retry_link, retry_writes, separate_link, join_tickets, '
'resolve_conflict, give_up_write, pause_rule, resume_rule or release_rule';
-- Requests are kept for 90 days and are made by hand: the table is small.
-- squawk-ignore ban-drop-constraint
alter table bridge.request drop constraint request_kind_check;
-- squawk-ignore constraint-missing-not-valid
alter table bridge.request add constraint request_kind_check check (
    kind in (
        'poll', 'reconcile', 'register', 'rotate_secret', 'replay', 'discard', 'retry_link', 'retry_writes', 'separate_link', 'join_tickets',
        'resolve_conflict', 'give_up_write', 'pause_rule', 'resume_rule', 'release_rule'
    )
);

-- Few problems are deleted, so a walk in the order of all goes past most of a million; no write of one that exists pays for this index.
-- squawk-ignore require-concurrent-index-creation
create index service_problem_deleted_updated_at_idx on bridge.service_problem (updated_at, source_id, id) where deleted_at is not null;
