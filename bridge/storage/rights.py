"""The rights of the roles `bridge_reader`, `bridge_writer` and `bridge_front`, and one setting of the database.

`migrate` grants them each time it runs, so that a role that an administrator makes later gets its rights too.
"""

from bridge.storage.database import Connection

_TO_READER = """
do $$
begin
    if to_regnamespace('report') is not null and not has_schema_privilege('bridge_reader', 'report', 'usage') then
        grant usage on schema report to bridge_reader;
        grant select on all tables in schema report to bridge_reader;
        alter default privileges in schema report grant select on tables to bridge_reader;
    end if;
end
$$
"""
_TO_WRITER = """
do $$
begin
    if to_regprocedure('bridge.make_notification_day(date)') is not null
        and not has_table_privilege('bridge_writer', 'bridge.source', 'update') then
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
$$
"""
_TO_FRONT = """
do $$
declare
    granting regprocedure;
begin
    if has_schema_privilege('bridge_front', to_regnamespace('bridge')::oid, 'usage') then
        return;
    end if;
    for granting in
        select p.oid::regprocedure from pg_proc as p
        where p.pronamespace = to_regnamespace('bridge') and p.proname ~ '^grant_.*to_front$' and p.pronargs = 0
        order by p.proname
    loop
        execute format('select %s', granting);
    end loop;
end
$$
"""
"""Each migration that has something for the console has a function that grants it."""
_NO_JIT = """
do $$
begin
    if not exists (
        select from pg_db_role_setting as s cross join unnest(s.setconfig) as c (setting)
        where s.setdatabase = (select oid from pg_database where datname = current_database()) and s.setrole = 0
            and c.setting like 'jit=%'
    ) then
        execute format('alter database %I set jit = off', current_database());
    end if;
exception
    when insufficient_privilege then
        raise notice 'jit stays on: let the owner of the database migrate';
end
$$
"""
"""Reports contain the branch that computes everything without summaries. Postgres counts its cost although it does not
run, and compiles all of it: 4.7 s for a query of 23 ms (Postgres 15). A setting made by the operator stays.
"""
_COMPILES = """
    select pg_jit_available() and coalesce(
        (
            select c.setting <> 'jit=off'
            from pg_db_role_setting as s cross join unnest(s.setconfig) as c (setting)
            where s.setdatabase = (select oid from pg_database where datname = current_database()) and s.setrole = 0
                and c.setting like 'jit=%'
        ),
        true
    )
"""


async def grant(connection: Connection) -> None:
    """Grant the roles that exist what they lack, and switch JIT off unless the operator has set it."""
    for role, rights in (("bridge_reader", _TO_READER), ("bridge_writer", _TO_WRITER), ("bridge_front", _TO_FRONT)):
        if await _exists(connection, role):
            await connection.execute(rights)
    await connection.execute(_NO_JIT)


async def compiles(connection: Connection) -> bool:
    """Whether Postgres compiles the questions of those who connect to this database; see `_NO_JIT`."""
    return bool(await connection.fetchval(_COMPILES))


async def reader_exists(connection: Connection) -> bool:
    """Whether there is the role that may read schema `report`. Who may not make roles migrates without it; once an
    administrator has made it, the next `migrate` lets it in.
    """
    return await _exists(connection, "bridge_reader")


async def front_usable(connection: Connection) -> bool:
    """Whether the user of this connection may take on the role of the console."""
    return await _exists(connection, "bridge_front") and bool(
        await connection.fetchval("select pg_has_role('bridge_front', 'member')")
    )


async def _exists(connection: Connection, role: str) -> bool:
    found: bool = await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role)
    return found
