-- Asking for the password again in the console, and deletions that wait after a source was given another address.

alter table bridge.console_session add column confirmed_at timestamptz not null default now();
update bridge.console_session set confirmed_at = made_at;
comment on column bridge.console_session.confirmed_at is 'When the password was last given: at the login, or again since';

alter table bridge.source add column moved_at timestamptz;
alter table bridge.source add column passes_since_move smallint not null default 0;
comment on column bridge.source.moved_at is
'Since when its deletions wait, because its problems are read from another address than before; null: they do not wait';
comment on column bridge.source.passes_since_move is 'Complete passes in a row since then that listed nearly all known problems';

create function bridge.grant_login_to_front() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from pg_roles where rolname = 'bridge_front') then
        grant select (moved_at, passes_since_move) on bridge.source to bridge_front;
    end if;
end
$$;
comment on function bridge.grant_login_to_front() is
'Grant role bridge_front what the page of sources needs to say that deletions wait, where the role exists; repeated by `migrate`';
revoke execute on function bridge.grant_login_to_front() from public;
select bridge.grant_login_to_front();
