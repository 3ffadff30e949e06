"""The last pass of each kind over a source: whether it was complete, and what it found missing; for people."""

from dataclasses import dataclass
from datetime import datetime

from bridge.storage.database import Connection
from bridge.storage.queries import queries


@dataclass(frozen=True, slots=True)
class LastPass:
    """A pass that reached its end. `gap`: why it may have missed problems; None: it was complete.

    `filtered`: what of the source's filter the server applies; None: there is nothing to say.
    """

    kind: str
    started_at: datetime
    finished_at: datetime
    gap: str | None
    problems: int
    filtered: str | None = None


async def write(connection: Connection, source_id: int, last: LastPass) -> None:
    """Keep a pass in place of the one of its kind before. What was held back stays until `write_held_back`."""
    await connection.execute(
        queries("last_pass")["write"],
        source_id,
        last.kind,
        last.started_at,
        last.finished_at,
        last.gap,
        last.problems,
        last.filtered,
    )


async def write_held_back(connection: Connection, source_id: int, problems: int, reason: str | None) -> None:
    """Keep how many problems are missing but not recorded as deleted, and why."""
    await connection.execute(queries("last_pass")["write_held_back"], source_id, problems, reason)


async def find(connection: Connection, source_id: int) -> dict[str, LastPass]:
    """Return the last passes by kind."""
    return {
        row["kind"]: LastPass(**dict(row)) for row in await connection.fetch(queries("last_pass")["find"], source_id)
    }


async def held_back(connection: Connection, source_id: int) -> int:
    """Return how many problems are held back."""
    return int(await connection.fetchval(queries("last_pass")["held_back"], source_id) or 0)
