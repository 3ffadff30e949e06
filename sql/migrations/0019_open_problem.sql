-- Whom and what the open problems affect. Asked of their bodies it takes half a second for the thirty thousand open ones among a million, each on a
-- page of its own; so their names are kept in bridge.resolution, by the machinery of 0007, and nothing is paid on the way in.
--
-- A release from before this one writes bridge.resolution without them. `listed_revision` tells for which revision of the problem they were made: where it
-- is not the revision of the row, the view takes them from the body, as it does for what changed since.

alter table bridge.resolution
add column services text[],
add column resources text[],
add column places text[],
add column listed_revision integer;
comment on column bridge.resolution.services is 'Names of the affected services of an open problem; null when it is not open';
comment on column bridge.resolution.resources is 'Names of the affected resources of an open problem; null when it is not open';
comment on column bridge.resolution.places is 'Names of the affected locations of an open problem; null when it is not open';
comment on column bridge.resolution.listed_revision is 'Revision of the current row that these names were taken from';

-- squawk-ignore require-concurrent-index-creation
create index resolution_unlisted_idx on bridge.resolution (source_id, id)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected') and listed_revision is distinct from revision;

create function bridge.names(list jsonb, word text) returns text[]
language sql immutable parallel safe
begin atomic
    select coalesce(array_agg(distinct n.name collate "C" order by n.name collate "C"), '{}')
    from (
        select coalesce(e.item ->> 'name', e.item ->> 'id') as name
        from bridge.element(list, word) as e
    ) as n
    where n.name is not null;
end;
comment on function bridge.names(jsonb, text) is
'The names, else ids, of the elements of a list, each once; what is no object is the value of attribute `word`';

create view bridge.open_now as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.priority,
    p.category,
    p.created_at,
    bridge.names(p.body -> 'affectedService', 'id') as services,
    bridge.names(p.body -> 'affectedResource', 'id') as resources,
    bridge.names(p.body -> 'affectedLocation', 'name') as places
from bridge.service_problem as p
where p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected');
comment on view bridge.open_now is 'A row of report.open_problem as it follows from the current row now';
comment on column bridge.open_now.source_id is 'Source';
comment on column bridge.open_now.id is 'Problem';
comment on column bridge.open_now.revision is 'Revision of the current row';
comment on column bridge.open_now.status is 'As in report.open_problem';
comment on column bridge.open_now.priority is 'As in report.open_problem';
comment on column bridge.open_now.category is 'As in report.open_problem';
comment on column bridge.open_now.created_at is 'As in report.open_problem';
comment on column bridge.open_now.services is 'As in report.open_problem';
comment on column bridge.open_now.resources is 'As in report.open_problem';
comment on column bridge.open_now.places is 'As in report.open_problem';

create view report.open_problem as
with told as (
    select
        k.source_id,
        k.id,
        k.status,
        k.priority,
        k.category,
        k.created_at,
        k.services,
        k.resources,
        k.places
    from bridge.resolution as k
    where
        (select bridge.summarised())
        and k.deleted_at is null and k.status not in ('resolved', 'closed', 'cancelled', 'rejected')
        and k.listed_revision = k.revision
        and not exists (
            select from bridge.changed() as c
            where c.source_id = k.source_id and c.id = k.id
        )
    union all
    select
        n.source_id,
        n.id,
        n.status,
        n.priority,
        n.category,
        n.created_at,
        n.services,
        n.resources,
        n.places
    from bridge.resolution as k
    inner join bridge.open_now as n on k.source_id = n.source_id and k.id = n.id
    where
        (select bridge.summarised())
        and k.deleted_at is null and k.status not in ('resolved', 'closed', 'cancelled', 'rejected')
        and k.listed_revision is distinct from k.revision
        and not exists (
            select from bridge.changed() as c
            where c.source_id = k.source_id and c.id = k.id
        )
    union all
    select
        n.source_id,
        n.id,
        n.status,
        n.priority,
        n.category,
        n.created_at,
        n.services,
        n.resources,
        n.places
    from bridge.changed() as c
    inner join bridge.open_now as n on c.source_id = n.source_id and c.id = n.id
    where (select bridge.summarised())
    union all
    select
        n.source_id,
        n.id,
        n.status,
        n.priority,
        n.category,
        n.created_at,
        n.services,
        n.resources,
        n.places
    from bridge.open_now as n
    where not (select bridge.summarised())
)

select
    s.name as source,
    t.id,
    t.status,
    t.priority,
    t.category,
    t.created_at,
    t.services,
    t.resources,
    t.places
from told as t
inner join bridge.source as s on t.source_id = s.id;
comment on view report.open_problem is
'The open service problems, and what each affects, in a narrow row that is quick to count; report.service_problem has all that is known of each';
comment on column report.open_problem.source is 'Name of the source in the bridge''s configuration';
comment on column report.open_problem.id is 'Id of the problem at its source';
comment on column report.open_problem.status is 'submitted, acknowledged, inProgress, pending, held or unknown';
comment on column report.open_problem.priority is '1 (highest) to 10 (lowest)';
comment on column report.open_problem.category is 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
comment on column report.open_problem.created_at is 'When it was raised; null when the source does not say';
comment on column report.open_problem.services is 'Affected services, each once: by name, or else by id';
comment on column report.open_problem.resources is 'Affected resources, each once: by name, or else by id';
comment on column report.open_problem.places is 'Affected locations, each once: by name, or else by id';

-- Have the names filled in: the leader walks over all problems, and summarises those anew that lack them.
update bridge.summary set walked_source_id = 0, walked_id = '', walked_at = null;

do $$
begin
    if exists (select from pg_roles where rolname = 'bridge_reader') then
        grant select on report.open_problem to bridge_reader;
    end if;
    if exists (select from pg_roles where rolname = 'bridge_writer') then
        grant select on bridge.open_now to bridge_writer;
    end if;
end
$$;
