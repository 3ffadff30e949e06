"""The log of notifications, a partition a day (UTC): made ahead, dropped whole.

Making one attaches a table that was made beside, which does not stand in the way of writers. Dropping one detaches it
concurrently first: a plain drop would wait for every reader and make every writer wait behind it. Only the owner can do
that; for role bridge_writer a function drops the day, plainly, and gives up after a second. There is no default
partition, because nothing can be detached concurrently while there is one; a row for a day that was not made ahead is
stored after the day has been made (`MissingPartitionError`).

Detaching concurrently takes two transactions, and dropping a third. What breaks off between them (a crash, a reader who
holds on to the log for long) leaves a day half detached, or a table that is no part of the log any more; the next round
finds both and ends what was begun.
"""

from collections.abc import Iterable
from datetime import date

from asyncpg import Record

from bridge.storage.database import Connection
from bridge.storage.queries import queries

_PREFIX = "notification_"


async def ensure(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions of these days, those that are missing. Run inside a transaction."""
    missing = sorted(set(days) - set(await held(connection)))
    for day in missing:
        await connection.execute(queries("notification")["make_day"], day)


async def held(connection: Connection) -> list[date]:
    """Return the days that have a partition, in order."""
    return [_day(row["relname"]) for row in await _days(connection) if row["attached"]]


async def drop_before(connection: Connection, first_kept: date) -> list[date]:
    """Drop the partitions of earlier days; return them. Not inside a transaction."""
    gone = [row for row in await _days(connection) if _day(row["relname"]) < first_kept]
    if await connection.fetchval(queries("notification")["owned"]):
        await _drop_as_owner(connection, gone)
    else:
        for row in gone:
            await connection.execute(queries("notification")["drop_day"], _day(row["relname"]))
    return [_day(row["relname"]) for row in gone]


async def _drop_as_owner(connection: Connection, gone: Iterable[Record]) -> None:
    await connection.execute("set lock_timeout = '5s'")
    try:
        for row in gone:
            name = _table(_day(row["relname"]))
            if row["attached"] or row["detaching"]:
                how = "finalize" if row["detaching"] else "concurrently"
                await connection.execute(f"alter table bridge.notification detach partition {name} {how}")
            await connection.execute(f"drop table {name}")
    finally:
        await connection.execute("reset lock_timeout")


async def _days(connection: Connection) -> list[Record]:
    return await connection.fetch(queries("notification")["days"])


def _day(table: str) -> date:
    return date.fromisoformat(table.removeprefix(_PREFIX))


def _table(day: date) -> str:
    """The name with its schema; made of a date and nothing else, so it needs no quoting."""
    return f"bridge.{_PREFIX}{day:%Y%m%d}"
