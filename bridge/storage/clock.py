"""Times of our clock that lie ahead of it, because it was set back since they were written.

Decisions rest on what was observed after what, by our clock (`bridge.domain.problem_history`). Once that clock is set
back, what was observed shortly before seems to be from the future and would win over every answer of the source until
that time comes again. So it is dated to now, and what is observed next is later.

The times of the log (`report.notification.received_at`) and of versions stay, except those of problems that are dated
to now.
"""

from datetime import datetime

from bridge.storage.database import Connection
from bridge.storage.queries import queries


async def latest(connection: Connection) -> datetime | None:
    """Return the latest time of our clock that notifications or passes left behind; None: there were none."""
    at: datetime | None = await connection.fetchval(queries("clock")["latest"])
    return at


async def correct_future_times(connection: Connection, now: datetime) -> int:
    """Date everything that decisions rest on and that claims to be from after `now` to `now`, in the caller's
    transaction; return the number of problems. Reads all current rows.
    """
    problems = await connection.fetchval(queries("clock")["correct_problems"], now)
    for statement in ("correct_requests", "correct_awaited", "correct_watermarks", "correct_sources"):
        await connection.execute(queries("clock")[statement], now)
    return int(problems)
