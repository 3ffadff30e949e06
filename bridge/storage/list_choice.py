"""What is known of a source that its server can be asked for: the words it writes, and the problems that have them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from bridge.domain.list_choice import ListChoice
from bridge.storage.database import Connection
from bridge.storage.queries import queries


async def status_words(connection: Connection, source_id: int, statuses: Sequence[str]) -> list[str]:
    """Return what the source writes for these statuses."""
    rows = await connection.fetch(queries("list_choice")["status_words"], source_id, list(statuses))
    return [row["word"] for row in rows]


async def categories(connection: Connection, source_id: int) -> list[str]:
    """Return the categories as the source writes them."""
    return [row["word"] for row in await connection.fetch(queries("list_choice")["categories"], source_id)]


async def listed(
    connection: Connection, source_id: int, choice: ListChoice, before: datetime
) -> AsyncIterator[list[str]]:
    """Yield the ids of problems that a list of this choice has to show, some thousands at a time; without those that
    were observed since `before`, which may have changed meanwhile.
    """
    last = ""
    parameters = (source_id, before, list(choice.statuses) or None, list(choice.categories) or None)
    while ids := await connection.fetchval(queries("list_choice")["listed"], *parameters, last):
        yield ids
        last = ids[-1]
