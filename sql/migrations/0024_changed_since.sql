-- Which problems changed since a time: reports asked for that by updated_at, which not every server gives or moves.

-- Only problems whose updated_at does not say when they changed are in it, so those of most servers pay for no entry.
-- squawk-ignore require-concurrent-index-creation
create index service_problem_undated_idx on bridge.service_problem (coalesce(greatest(content_at, deleted_at), 'infinity'::timestamptz))
where updated_at is null or content_at is null or content_at > updated_at or deleted_at is not null;

create view bridge.problem_change as
select
    s.name as source,
    p.id,
    p.updated_at as changed_at
from bridge.service_problem as p
inner join bridge.source as s on p.source_id = s.id
union all
select
    s.name as source,
    p.id,
    coalesce(greatest(p.content_at, p.deleted_at), 'infinity'::timestamptz) as changed_at
from bridge.service_problem as p
inner join bridge.source as s on p.source_id = s.id
where p.updated_at is null or p.content_at is null or p.content_at > p.updated_at or p.deleted_at is not null;
comment on view bridge.problem_change is
'When problems changed last, for report.changed_since: by their update time, and where that does not say it by what is known';
comment on column bridge.problem_change.source is 'Name of the source';
comment on column bridge.problem_change.id is 'Problem; it may be there twice';
comment on column bridge.problem_change.changed_at is 'When it changed; infinity while only patches are known';

-- Like report.service_problem_at, it is inlined into the query of its caller.
grant select on bridge.problem_change to public;

create function report.changed_since(at timestamptz) returns table (source text, id text)
language sql stable parallel safe
begin atomic
    select distinct
        p.source,
        p.id
    from bridge.problem_change as p
    where p.changed_at >= $1;
end;
comment on function report.changed_since(timestamptz) is
'The service problems that were raised, changed or deleted since that time, by the source''s clock; where a source states no time of a change, or one '
'that stands still, by what notifications say and else since the bridge received it. Key: source, id. '
'Joins: report.service_problem and others on source, id';

comment on column report.service_problem.last_changed_via is
'How the last change came: push, poll, reconcile, refetch, or write (the answer to a write of ours)';
