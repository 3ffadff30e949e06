"""Times on our clock that lie ahead of it: what was written down before it was set back.

What the door decides rests on what came after what, told by our clock (`bridge.domain.problem_history`). Once that
clock is set back, everything that was observed shortly before seems to come from the future and would win over every
answer of the source until that time comes again. But nothing comes from the future: it was there before now. So it is
dated to now, and whatever is observed next is later.

The times of the log (`report.notification.received_at`) and of versions stay what they were, but for those of problems
that are dated anew.
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
    transaction; return of how many problems. Reads all current rows.
    """
    problems = await connection.fetchval(queries("clock")["correct_problems"], now)
    for statement in ("correct_requests", "correct_awaited", "correct_watermarks", "correct_sources"):
        await connection.execute(queries("clock")[statement], now)
    return int(problems)
