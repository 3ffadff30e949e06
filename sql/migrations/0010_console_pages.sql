-- What the page of a problem shows of its history, and what the pages of the console may read and write.

create view bridge.problem_timeline as
select
    v.source,
    v.id,
    v.valid_from,
    v.valid_to,
    v.via,
    v.event_type,
    v.status,
    v.body_before,
    v.body,
    o.observed_at
from bridge.version_with_previous as v
inner join bridge.source as s on v.source = s.name
left join lateral (
    select min(f.observed_at) as observed_at from bridge.service_problem_version as f
    where f.source_id = s.id and f.problem_id = v.id and f.effective_at = v.valid_from and not f.superseded
) as o on true;
comment on view bridge.problem_timeline is 'Versions as report.service_problem_version has them, with the body before and when each was first known here';
comment on column bridge.problem_timeline.source is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.id is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.valid_from is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.valid_to is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.via is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.event_type is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.status is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.body_before is 'All attributes of the version before; null for the first one and after a deletion';
comment on column bridge.problem_timeline.body is 'As in report.service_problem_version';
comment on column bridge.problem_timeline.observed_at is 'Our clock: when it was first received, or asked for';

create view bridge.console_source as
select
    s.id,
    s.name,
    s.url,
    s.version,
    s.mode,
    s.mode_since,
    s.last_push_at,
    s.last_error,
    s.last_error_at,
    s.fallback_reason,
    s.failing_jobs,
    w.finished_at as last_poll_at,
    r.finished_at as last_reconcile_at,
    lp.finished_at as last_poll_pass_at,
    lp.started_at as last_poll_started_at,
    lp.gap as poll_gap,
    lr.finished_at as last_reconcile_pass_at,
    lr.started_at as last_reconcile_started_at,
    lr.gap as reconcile_gap,
    lr.complete_at as reconcile_complete_at,
    coalesce(lr.held_back, 0) as held_back,
    lr.held_back_reason,
    u.hub_id,
    u.registered_at,
    regexp_replace(u.callback, '[^/]*$', '••••') as callback,
    q.missed_24h,
    q.late_24h,
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
) as q on true;
comment on view bridge.console_source is 'How each source is, as the console shows it: no secret';
comment on column bridge.console_source.id is 'As in bridge.source';
comment on column bridge.console_source.name is 'As in bridge.source';
comment on column bridge.console_source.url is 'As in bridge.source';
comment on column bridge.console_source.version is 'As in bridge.source';
comment on column bridge.console_source.mode is 'As in bridge.source';
comment on column bridge.console_source.mode_since is 'As in bridge.source';
comment on column bridge.console_source.last_push_at is 'As in bridge.source';
comment on column bridge.console_source.last_error is 'As in bridge.source';
comment on column bridge.console_source.last_error_at is 'As in bridge.source';
comment on column bridge.console_source.fallback_reason is 'As in bridge.source';
comment on column bridge.console_source.failing_jobs is 'As in bridge.source';
comment on column bridge.console_source.last_poll_at is 'When the last complete poll ended';
comment on column bridge.console_source.last_reconcile_at is 'When the last complete reconcile pass ended';
comment on column bridge.console_source.last_poll_pass_at is 'When the last poll ended, complete or not';
comment on column bridge.console_source.last_poll_started_at is 'When the last poll began';
comment on column bridge.console_source.poll_gap is 'Why the last poll may have missed problems; null: it was complete';
comment on column bridge.console_source.last_reconcile_pass_at is 'When the last reconcile pass ended, complete or not';
comment on column bridge.console_source.last_reconcile_started_at is 'When the last reconcile pass began';
comment on column bridge.console_source.reconcile_gap is 'Why the last reconcile pass may have missed problems; null: it was complete';
comment on column bridge.console_source.reconcile_complete_at is 'When a complete reconcile pass last ended';
comment on column bridge.console_source.held_back is 'Problems that are missing from the list and not recorded as deleted';
comment on column bridge.console_source.held_back_reason is 'Why they are not; null: there are none';
comment on column bridge.console_source.hub_id is 'Id of the registration in use';
comment on column bridge.console_source.registered_at is 'Since when it is registered; null: it is not';
comment on column bridge.console_source.callback is 'Callback as registered, without its secret';
comment on column bridge.console_source.missed_24h is 'Changes of 24 hours whose notification did not come';
comment on column bridge.console_source.late_24h is 'Changes of 24 hours whose notification came after they had been found';
comment on column bridge.console_source.dead_letters is 'Dead letters that wait';
comment on column bridge.console_source.refetch_waiting is 'Problems that wait to be fetched by id';

create function bridge.grant_pages_to_front() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant select on bridge.problem_timeline, bridge.console_source, bridge.request, bridge.setting, bridge.setting_revision to bridge_front;
    grant insert on bridge.request, bridge.setting_revision to bridge_front;
    grant select on bridge.lease, bridge.dead_letter, bridge.unmapped_value to bridge_front;
end
$$;
comment on function bridge.grant_pages_to_front() is
'Grant role bridge_front what the pages about one problem, sources, dead letters and settings need, where the role exists; repeated by `migrate`';
revoke execute on function bridge.grant_pages_to_front() from public;
select bridge.grant_pages_to_front();
