"""Rows of a source's list that are known word for word and can be skipped.

Each current row keeps the digest of the list row it was read from, followed by the hash of the content it was read as.
When that content is still current and nothing speaks against the problem (patches, a deletion, a doubt, a missed pass,
a waiting refetch), storing the list row again would change nothing. The digest is salted with the code that reads rows,
so after an upgrade everything is read once.

One question a chunk is asked after the page has arrived: ids go as one text, digests come back as one array and are
compared here. A notification stored before that question has replaced the digest, so the row is stored as usual and
found to be older (the page was requested before). A notification stored after it is newer than what the row said.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bridge.storage import row_builder
from bridge.storage.database import Connection
from bridge.storage.queries import queries

_SEPARATOR = "\x1f"
"""Between the ids; chr(31) in the statement."""


async def current_digests(
    connection: Connection, source_id: int, problem_ids: Iterable[str]
) -> tuple[frozenset[bytes], datetime | None]:
    """Return the digests of the list rows that these problems' current rows were read from, and the newest update time
    among them (the source's clock).

    An id that contains the separator is taken for other ids: its row is then read, not skipped.
    """
    (found,) = await connection.fetch(queries("list_digest")["current"], source_id, _SEPARATOR.join(problem_ids))
    return frozenset(found["digests"] or ()), found["newest"]


async def remember(connection: Connection, rows: Sequence[row_builder.Row]) -> None:
    """Keep (source id, problem id, digest and content hash) of problems whose current row is not written."""
    if rows:
        await connection.execute(queries("list_digest")["remember"], *row_builder.columns(rows))
