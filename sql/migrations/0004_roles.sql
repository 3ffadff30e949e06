-- Two roles that no person logs in with: bridge_reader reads schema report, bridge_writer does what `run` does. Only `migrate` needs the
-- owner of the schema. An owner who may not make roles migrates without them; `migrate` grants to a role that an administrator made later.

do $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_reader') then
        create role bridge_reader nologin;
    end if;
exception
    when insufficient_privilege then
        raise notice 'role bridge_reader could not be created: ask an administrator for "create role bridge_reader", then migrate again';
    when duplicate_object or unique_violation then
        null;
end
$$;

do $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_writer') then
        create role bridge_writer nologin;
    end if;
exception
    when insufficient_privilege then
        raise notice 'role bridge_writer could not be created: ask an administrator for "create role bridge_writer", then migrate again';
    when duplicate_object or unique_violation then
        null;
end
$$;

do $$
begin
    if exists (select from pg_roles where rolname = 'bridge_reader') then
        grant usage on schema report to bridge_reader;
        grant select on all tables in schema report to bridge_reader;
        alter default privileges in schema report grant select on tables to bridge_reader;
    end if;
end
$$;

do $$
begin
    if exists (select from pg_roles where rolname = 'bridge_writer') then
        grant usage on schema bridge, bridge_migration, report to bridge_writer;
        grant select, insert, update, delete on all tables in schema bridge to bridge_writer;
        grant select on all tables in schema bridge_migration to bridge_writer;
        grant execute on function bridge.make_notification_day(date) to bridge_writer;
        grant execute on function bridge.drop_notification_day(date) to bridge_writer;
        grant execute on function report.set_time_zone(text) to bridge_writer;
        grant execute on function bridge.set_extra_columns(jsonb) to bridge_writer;
        alter default privileges in schema bridge grant select, insert, update, delete on tables to bridge_writer;
    end if;
end
$$;
