"""The log of notifications, a partition a day (UTC): made ahead, dropped whole.

Making one attaches a table that was made beside, which does not stand in the way of writers. Dropping one detaches it
concurrently first: a plain drop would wait for every reader and make every writer wait behind it. There is no default
partition, because nothing can be detached concurrently while there is one; a row for a day that was not made ahead is
stored after the day has been made (`MissingPartitionError`).
"""

from collections.abc import Iterable
from datetime import date, timedelta

from bridge.storage.database import Connection
from bridge.storage.queries import queries

_LOCK = 656_000_002
_PREFIX = "notification_"


async def ensure(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions of these days, those that are missing. Run inside a transaction."""
    there = set(await held(connection))
    missing = sorted(set(days) - there)
    if not missing:
        return
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
    there = set(await held(connection))
    for day in missing:
        if day not in there:
            # the name and the bounds are made of a date and nothing else
            name = f"bridge.{_PREFIX}{day:%Y%m%d}"
            await connection.execute(f"create table {name} (like bridge.notification including all)")
            await connection.execute(f"comment on table {name} is 'Notifications received on {day} (UTC)'")
            await connection.execute(
                f"alter table bridge.notification attach partition {name}"
                f" for values from ('{day} 00:00+00') to ('{day + timedelta(days=1)} 00:00+00')"
            )


async def held(connection: Connection) -> list[date]:
    """Return the days that have a partition, in order."""
    rows = await connection.fetch(queries("notification")["days"])
    return [date.fromisoformat(row["relname"].removeprefix(_PREFIX)) for row in rows]


async def drop_before(connection: Connection, first_kept: date) -> list[date]:
    """Drop the partitions of earlier days; return them. Not inside a transaction."""
    await connection.execute("set lock_timeout = '5s'")
    try:
        gone = [day for day in await held(connection) if day < first_kept]
        for day in gone:
            name = f"bridge.{_PREFIX}{day:%Y%m%d}"
            await connection.execute(f"alter table bridge.notification detach partition {name} concurrently")
            await connection.execute(f"drop table {name}")
    finally:
        await connection.execute("reset lock_timeout")
    return gone
