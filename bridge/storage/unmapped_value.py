"""Values of a source that could not be read, with how often they came; for people (`status`, `check`).

Adding is one statement. A crash before it loses what was counted within the last seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.service_problem import Unmapped
from bridge.storage.database import Connection
from bridge.storage.queries import queries

KEPT = 100
"""Values of one source, the latest ones."""


@dataclass(frozen=True, slots=True)
class UnmappedValue:
    """A value, how often it came, and our clock when it last did."""

    value: Unmapped
    times: int
    last_seen_at: datetime


async def add(connection: Connection, source_id: int, counts: Mapping[Unmapped, int]) -> None:
    """Add to the counts of a source and forget the oldest values beyond `KEPT`."""
    values = sorted(counts, key=lambda value: (value.attribute, value.example))
    await connection.execute(
        queries("unmapped_value")["add"],
        source_id,
        [value.attribute for value in values],
        [_storable(value.example) for value in values],
        [counts[value] for value in values],
    )
    await connection.execute(queries("unmapped_value")["forget_oldest"], source_id, KEPT)


async def of_source(connection: Connection, source_id: int) -> list[UnmappedValue]:
    """Return the values of a source, the most frequent first."""
    rows = await connection.fetch(queries("unmapped_value")["of_source"], source_id)
    return [
        UnmappedValue(Unmapped(row["attribute"], row["example"]), row["times"], row["last_seen_at"]) for row in rows
    ]


def _storable(example: str) -> str:
    """Replace what no text of Postgres holds."""
    return example.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
