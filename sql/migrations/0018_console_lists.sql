-- Lists of problems that people of the console keep under a name, and the linked tickets that a list shows.

create table bridge.saved_view (
    id bigint generated always as identity primary key,
    owner text not null,
    name text not null constraint saved_view_name_check check (name <> '' and length(name) <= 60),
    parameters text not null constraint saved_view_parameters_check check (length(parameters) <= 8000),
    shared boolean not null default false,
    saved_at timestamptz not null default now(),
    constraint saved_view_owner_name_key unique (owner, name)
);
comment on table bridge.saved_view is 'Lists of problems that people of the console keep under a name';
comment on column bridge.saved_view.id is 'Key';
comment on column bridge.saved_view.owner is 'Who keeps it: a name as in bridge.audit.actor';
comment on column bridge.saved_view.name is 'Name; one owner has each once';
comment on column bridge.saved_view.parameters is 'The list, as the query of its address';
comment on column bridge.saved_view.shared is 'Everybody sees it; false: its owner does';
comment on column bridge.saved_view.saved_at is 'When it was last saved';

create view bridge.console_counterpart as
select
    r.left_source_id as source_id,
    l.left_id as id,
    l.id as link_id,
    r.right_source_id as other_source_id,
    l.right_id as other_id
from bridge.link_rule as r
inner join bridge.link as l on r.id = l.rule_id
where l.state <> 'unlinked' and l.right_id is not null
union all
select
    r.right_source_id as source_id,
    l.right_id as id,
    l.id as link_id,
    r.left_source_id as other_source_id,
    l.left_id as other_id
from bridge.link_rule as r
inner join bridge.link as l on r.id = l.rule_id
where l.state <> 'unlinked' and l.left_id is not null;
comment on view bridge.console_counterpart is 'Each ticket that is linked, with the one on the other side';
comment on column bridge.console_counterpart.source_id is 'Source of the ticket';
comment on column bridge.console_counterpart.id is 'Ticket';
comment on column bridge.console_counterpart.link_id is 'Link';
comment on column bridge.console_counterpart.other_source_id is 'Source on the other side';
comment on column bridge.console_counterpart.other_id is 'Ticket on the other side';

create function bridge.grant_lists_to_front() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from pg_roles where rolname = 'bridge_front') then
        grant select, insert, update, delete on bridge.saved_view to bridge_front;
        grant select on bridge.console_counterpart to bridge_front;
    end if;
end
$$;
comment on function bridge.grant_lists_to_front() is
'Grant role bridge_front what saved views and columns of linked tickets need, where the role exists; repeated by `migrate`';
revoke execute on function bridge.grant_lists_to_front() from public;
select bridge.grant_lists_to_front();
