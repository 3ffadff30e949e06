-- Least privilege: role bridge_writer may do what `run` does and nothing more; the owner of the schema is needed for `migrate` only.
--
-- The log of notifications needs a partition a day, and making or dropping one needs its owner. Two functions do that in the owner's
-- name, for days within bounds. A drop within a function cannot detach concurrently: it waits for a second at most and is tried again.

create function bridge.make_notification_day(day date) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    part text := 'notification_' || to_char(day, 'YYYYMMDD');
begin
    if day is null or abs(day - current_date) > 3660 then
        raise exception 'no partition is made for %', day using errcode = 'check_violation';
    end if;
    perform pg_advisory_xact_lock(656000002);
    if exists (
        select from pg_inherits as i
        where i.inhparent = 'bridge.notification'::regclass and i.inhrelid = to_regclass(format('bridge.%I', part))
    ) then
        return;
    end if;
    execute format('drop table if exists bridge.%I', part);  -- left over when its removal broke off
    execute format('create table bridge.%I (like bridge.notification including all)', part);
    execute format('comment on table bridge.%I is %L', part, format('Notifications received on %s (UTC)', day));
    execute format(
        'alter table bridge.notification attach partition bridge.%I for values from (%L) to (%L)',
        part, day || ' 00:00+00', (day + 1) || ' 00:00+00'
    );
end
$$;
comment on function bridge.make_notification_day(date) is 'Make the partition of a day of the log, unless it is there; in the owner''s name';

create function bridge.drop_notification_day(day date) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
    part text := 'notification_' || to_char(day, 'YYYYMMDD');
    detaching boolean;
begin
    if day is null or day > current_date - 7 then
        raise exception 'the log of % is kept', day using errcode = 'check_violation';
    end if;
    perform pg_advisory_xact_lock(656000002);
    select i.inhdetachpending into detaching
    from pg_inherits as i
    where i.inhparent = 'bridge.notification'::regclass and i.inhrelid = to_regclass(format('bridge.%I', part));
    if found then
        execute format('alter table bridge.notification detach partition bridge.%I', part) || case when detaching then ' finalize' else '' end;
    end if;
    execute format('drop table if exists bridge.%I', part);
end
$$;
comment on function bridge.drop_notification_day(date) is 'Drop the partition of a day of the log that is a week old or older; in the owner''s name';

revoke execute on function bridge.make_notification_day(date) from public;
revoke execute on function bridge.drop_notification_day(date) from public;

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
    if exists (select from pg_roles where rolname = 'bridge_writer') then
        grant usage on schema bridge, bridge_migration to bridge_writer;
        grant select, insert, update, delete on all tables in schema bridge to bridge_writer;
        grant select on all tables in schema bridge_migration to bridge_writer;
        grant execute on function bridge.make_notification_day(date) to bridge_writer;
        grant execute on function bridge.drop_notification_day(date) to bridge_writer;
        alter default privileges in schema bridge grant select, insert, update, delete on tables to bridge_writer;
    end if;
end
$$;
