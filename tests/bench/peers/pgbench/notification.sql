-- What the bridge writes for one notification, one row a statement (the bridge has all tables in one, for many rows), one
-- transaction a notification: is the event known, what is known of the problem, the version, the status, the current row,
-- the digest, the log (row and log without the problem, which the version has), the change that others follow. Lives as in
-- notification.py. The NOTIFY that goes with the change is left out: with it these transactions would have to commit one by
-- one.
\set n :n + 1
\set within :n % 1024
\set subject :client_id * 1000000000 + :n / 1024 * 256 + :within % 256
\set revision :within / 256
begin;
select n.source_id, n.digest from bridge.notification_digest as n
where n.source_id = 1 and n.digest = decode(md5(:subject::bigint || '-' || :n::bigint), 'hex');
select
    p.source_id, p.id, p.revision, p.content_at, p.content_hash, p.content_observed_at, p.content_via, p.confirmed_at,
    p.effective_at, p.observed_at, p.patched, p.has_partials, p.deleted_at, p.doubt_hash, p.doubt_at, p.missed_at, p.status,
    p.status_changed_at, p.updated_at, p.via
from bridge.service_problem as p
where p.source_id = 1 and p.id = 'pgbench-' || :subject::bigint;
insert into bridge.service_problem_version as v (
    source_id, problem_id, effective_at, content_hash, kind, observed_at, via, event_type, status, body
) values (
    1, 'pgbench-' || :subject::bigint, '2026-01-01'::timestamptz + :n::bigint * interval '1 microsecond',
    decode(md5(:n::bigint || '-' || :subject::bigint), 'hex'), 'full', now(), 'push', 'ServiceProblemStateChangeEvent',
    'inProgress', :problem::jsonb
) on conflict (source_id, problem_id, effective_at, content_hash) do update set
confirmed_at = greatest(v.confirmed_at, excluded.confirmed_at),
body = excluded.body;
insert into bridge.status_change as c (
    source_id, problem_id, effective_at, status, status_raw, stated_at, observed_at, via, partial
) values (
    1, 'pgbench-' || :subject::bigint, '2026-01-01'::timestamptz + :n::bigint * interval '1 microsecond', 'inProgress',
    'inProgress', now(), now(), 'push', false
) on conflict (source_id, problem_id, effective_at, status) do update set
stated_at = least(c.stated_at, excluded.stated_at)
where c.stated_at > excluded.stated_at;
insert into bridge.service_problem as p (
    source_id, id, revision, effective_at, observed_at, content_at, content_observed_at, first_seen_at, last_seen_at,
    created_at, updated_at, status_changed_at, priority, affected_services, via, content_via, status, status_raw, category,
    content_hash
) values (
    1, 'pgbench-' || :subject::bigint, :revision::integer, '2026-01-01'::timestamptz + :n::bigint * interval '1 microsecond',
    now(), '2026-01-01'::timestamptz + :n::bigint * interval '1 microsecond', now(), now(), now(), '2026-01-01',
    '2026-01-01'::timestamptz + :n::bigint * interval '1 microsecond', now(), 1, 2, 'push', 'push', 'inProgress',
    'inProgress', 'supplier.originated', decode(md5(:n::bigint || '-' || :subject::bigint), 'hex')
) on conflict (source_id, id) do update set
revision = excluded.revision,
effective_at = excluded.effective_at,
observed_at = excluded.observed_at,
content_at = excluded.content_at,
content_observed_at = excluded.content_observed_at,
last_seen_at = greatest(p.last_seen_at, excluded.last_seen_at),
updated_at = excluded.updated_at,
status_changed_at = excluded.status_changed_at,
priority = excluded.priority,
affected_services = excluded.affected_services,
via = excluded.via,
content_via = excluded.content_via,
status = excluded.status,
status_raw = excluded.status_raw,
category = excluded.category,
content_hash = excluded.content_hash,
body = null
where p.revision = excluded.revision - 1
returning 1;
insert into bridge.notification_digest (source_id, digest, received_at)
values (1, decode(md5(:subject::bigint || '-' || :n::bigint), 'hex'), now())
on conflict (source_id, digest) do nothing
returning 1;
insert into bridge.notification (
    source_id, received_at, event_id, event_type, event_time, problem_id, outcome, effective_at, content_hash, body
) values (
    1, now(), :subject::bigint || '-' || :n::bigint, 'ServiceProblemStateChangeEvent', now(),
    'pgbench-' || :subject::bigint, 'applied', '2026-01-01'::timestamptz + :n::bigint * interval '1 microsecond',
    decode(md5(:n::bigint || '-' || :subject::bigint), 'hex'), :envelope::jsonb
);
insert into bridge.change (source_id, problem_ids) values (1, array['pgbench-' || :subject::bigint]);
commit;
