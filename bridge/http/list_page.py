"""What the clients of all kinds of systems answer with: pages of a list, and single problems.

`asked_at`: our clock, before the request was started: a notification received later is newer than the answer.
`server_at`: the clock of the system (its Date header), None where it shows none.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bridge.errors import PermanentError
from bridge.http.row import Row

NO_FILTER: Final = "none"
"""The filter of a pass over everything."""


class FilterRefusedError(PermanentError):
    """The source refuses this filter for recent changes; try its next one."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """Some problems as the source wrote them, not read yet.

    `number` counts from 1. `total`: how many the system states, for a progress bar and for nothing else.
    """

    items: list[Row]
    asked_at: datetime
    server_at: datetime | None
    number: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One problem as the source wrote it. `chosen`: a list with the query of the source's settings would have it."""

    item: dict[str, Any]
    asked_at: datetime
    server_at: datetime | None
    chosen: bool = True
