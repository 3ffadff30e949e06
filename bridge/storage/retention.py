"""Deletes what is older than the retention allows, a batch at a time."""

from datetime import datetime

from bridge.storage.database import Connection
from bridge.storage.queries import queries

WHAT = (
    "digests",
    "versions",
    "status_changes",
    "tombstones",
    "dead_letters",
    "changes",
    "audit",
    "writes",
    "conflicts",
    "ended_links",
)


async def delete(connection: Connection, what: str, before: datetime, limit: int) -> int:
    """Delete at most `limit` rows of one of `WHAT` from before that instant; return how many went.

    The current row of a problem, the version it refers to, and the last version and status before the instant always
    stay, so that reports of any later time are still right. A deleted problem goes with all its versions.
    """
    # how much is from before an instant differs: mostly nothing, and then an index says so at once
    await connection.execute("set local plan_cache_mode = force_custom_plan")
    statement = queries("retention")[what]
    if what in ("status_changes", "tombstones"):
        return int(await connection.fetchval(statement, before, limit))
    tag = await connection.execute(statement, before, limit)
    return int(tag.rpartition(" ")[2])
