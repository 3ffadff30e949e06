-- name: ensure
-- Insert or update the row of a source; return its key and secrets. The secret is created once. A source with another address is read
-- from the start, and its deletions wait.
with moved as (
    delete from bridge.watermark as w
    using bridge.source as o
    where w.source_id = o.id and o.name = $1 and o.url <> $2
)

insert into bridge.source as s (name, url, callback_secret) values ($1, $2, $3)
on conflict (name) do update set
url = excluded.url,
moved_at = case when s.url in ('', excluded.url) then s.moved_at else now() end,
passes_since_move = case when s.url = excluded.url then s.passes_since_move else 0 end,
version = case when s.url = excluded.url then s.version end,
callback_secret = case when s.callback_secret = '' then excluded.callback_secret else s.callback_secret end
returning s.id, s.callback_secret, s.version, s.current_secret, s.previous_secret, s.retired_secrets;

-- name: find
select s.id from bridge.source as s
where s.name = $1;

-- name: write_secrets
-- Put another secret in force: the former one is still accepted, an older one is retired.
update bridge.source as s set current_secret = $2, previous_secret = $3, retired_secrets = $4
where s.id = $1;

-- name: write_callback_secret
-- Store another generated secret; ensure puts it in force.
update bridge.source as s set callback_secret = $2
where s.name = $1
returning s.url;

-- name: accepted
select
    s.id,
    s.current_secret,
    s.previous_secret,
    s.retired_secrets
from bridge.source as s
where s.current_secret is not null;

-- name: write_state
-- Update the state of a source; nulls keep the old value.
update bridge.source as s set
    mode_since = case when s.mode is distinct from coalesce($2, s.mode) then now() else s.mode_since end,
    mode = coalesce($2, s.mode),
    fallback_reason = case when $2::text is null then s.fallback_reason else $4 end,
    last_push_at = greatest(s.last_push_at, $3)
where s.id = $1
returning s.last_push_at;

-- name: write_version
update bridge.source as s set version = $2
where s.id = $1 and s.version is distinct from $2;

-- name: write_error
-- The last error (null: none), and the jobs that fail.
update bridge.source as s set
    last_error_at = case when $2::text is null or s.last_error is not distinct from $2 then s.last_error_at else now() end,
    last_error = $2,
    failing_jobs = $3
where s.id = $1 and (s.last_error is distinct from $2 or s.failing_jobs <> $3);

-- name: request_poll
update bridge.source as s set poll_requested_at = now()
where s.id = $1;

-- name: take_poll_request
-- Did a process request a poll? This clears the request.
update bridge.source as s set poll_requested_at = null
where s.id = $1 and s.poll_requested_at is not null
returning 1 as requested;

-- name: mode
select s.mode from bridge.source as s
where s.id = $1;

-- name: pushed_since
-- Has a notification changed a problem since $2?
select count(*) > 0 as pushed from bridge.notification as n
where n.source_id = $1 and n.received_at > $2 and n.outcome = 'applied';

-- name: status
-- One row per source, for tmf656-bridge status.
select
    s.id,
    s.name,
    s.url,
    s.mode,
    s.mode_since,
    s.last_push_at,
    s.last_error,
    s.last_error_at,
    s.fallback_reason,
    s.failing_jobs,
    s.moved_at,
    s.passes_since_move,
    q.missed_24h,
    q.late_24h,
    (
        select count(*) from bridge.service_problem_version as v
        where
            v.source_id = s.id and v.via = 'push' and v.kind <> 'tombstone' and v.effective_at >= s.created_at
            and bridge.hour_of(v.observed_at) > now() - interval '24 hours'
    ) as pushed_24h,
    w.finished_at as last_poll_at,
    r.finished_at as last_reconcile_at,
    w.filter_style,
    lp.finished_at as last_poll_pass_at,
    lp.gap as poll_gap,
    lr.finished_at as last_reconcile_pass_at,
    lr.gap as reconcile_gap,
    lr.filtered,
    lr.complete_at as reconcile_complete_at,
    coalesce(lr.held_back, 0) as held_back,
    lr.held_back_reason,
    u.hub_id,
    u.registered_at,
    u.callback is not null as registered,
    (
        select count(*) from bridge.service_problem as p
        where p.source_id = s.id and p.deleted_at is null
    ) as problems,
    (
        select count(*) from bridge.dead_letter as d
        where d.source_id = s.id and d.state = 'waiting'
    ) as dead_letters,
    (
        select count(*) from bridge.refetch as f
        where f.source_id = s.id
    ) as refetch_waiting
from bridge.source as s
left join bridge.watermark as w on s.id = w.source_id and w.kind = 'poll'
left join bridge.watermark as r on s.id = r.source_id and r.kind = 'reconcile'
left join bridge.last_pass as lp on s.id = lp.source_id and lp.kind = 'poll'
left join bridge.last_pass as lr on s.id = lr.source_id and lr.kind = 'reconcile'
left join bridge.subscription as u on s.id = u.source_id and u.state = 'active'
left join lateral (
    select
        coalesce(sum(h.missed), 0)::bigint as missed_24h,
        coalesce(sum(h.late), 0)::bigint as late_24h
    from bridge.push_outcome as h
    where h.source_id = s.id and h.hour > now() - interval '24 hours'
) as q on true
order by s.name;
