"""How many problems there are, by filter: sums that are asked for once for all users.

They are kept for fifty times as long as Postgres needed for them, ten seconds at most: with a few thousand problems
they are of this moment, and with a million they cost it no more than a fiftieth of a core. While people look at lists
they are summed again before a page has to wait for that.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import anyio
import structlog

from bridge.domain.problem_query import ANY_TIME, ProblemQuery, Show
from bridge.errors import TransientError
from bridge.storage import problem_list
from bridge.storage.database import Database
from bridge.storage.problem_list import Facet
from bridge.web.console.visit import CONNECT_SECONDS, QUERY_SECONDS, Visit

log = structlog.get_logger(__name__)

MOST_FRESH_SECONDS: Final = 10.0
_SHARE: Final = 50
_SLOW_SECONDS: Final = 0.05
"""Sums that take longer are made again by `keep`, and meanwhile the last ones still serve."""
_GRACE: Final = 4
"""For so many times the time that they took."""
_LOOK_SECONDS: Final = 0.5
_WATCHED_SECONDS: Final = 600.0
"""So long after the last page sums are kept fresh."""
FACETS: Final = ("status", "source", "priority", "category")
_FINISHED: Final = frozenset({"resolved", "closed", "cancelled", "rejected"})
Numbers = Mapping[str, Mapping[str, int]]
"""By filter and value, how many problems a list with that value has, with all other filters as they are."""


@dataclass(slots=True)
class ProblemCounts:
    """Keeps the sums."""

    _facets: Sequence[Facet] = ()
    _fresh_until: float = float("-inf")
    _usable_until: float = float("-inf")
    _asked_at: float = float("-inf")
    _slow: bool = False
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def facets(self, visit: Visit) -> Sequence[Facet]:
        """Return the sums; where they are too old, one request asks Postgres and others wait for it."""
        self._asked_at = monotonic()
        if self._asked_at >= self._usable_until:
            async with self._reading:
                began = monotonic()
                if began >= self._fresh_until:
                    async with visit.reading() as connection:
                        self._take(await problem_list.facets(connection), began)
        return self._facets

    async def keep(self, database: Database) -> None:
        """Make slow sums again when they are no longer fresh, while pages ask for them; until cancelled."""
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            at = monotonic()
            if not self._slow or at < self._fresh_until or at > self._asked_at + _WATCHED_SECONDS:
                continue
            try:
                async with (
                    self._reading,
                    database.snapshot(limit_seconds=QUERY_SECONDS, connect_seconds=CONNECT_SECONDS) as connection,
                ):
                    self._take(await problem_list.facets(connection), at)
            except TransientError as error:  # the next page that needs them says so
                log.debug("numbers of the list are late", error=str(error))

    def _take(self, facets: Sequence[Facet], began: float) -> None:
        took_seconds = monotonic() - began
        self._facets, self._slow = facets, took_seconds > _SLOW_SECONDS
        self._fresh_until = monotonic() + min(MOST_FRESH_SECONDS, _SHARE * took_seconds)
        self._usable_until = self._fresh_until + (_LOOK_SECONDS + _GRACE * took_seconds if self._slow else 0)


def has_numbers(query: ProblemQuery) -> bool:
    """Do the sums say anything about this list? Not when it has conditions that they do not know."""
    plain = (query.q, query.service, query.party, query.region, query.own) == ("", "", "", "", ())
    return plain and query.changed == ANY_TIME and query.created == ANY_TIME and query.as_of is None


def numbers(facets: Sequence[Facet], query: ProblemQuery) -> Numbers:
    """Add up, for each filter, what the list would have with each value of it."""
    found: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    chosen = {name: {str(value) for value in getattr(query, name)} for name in FACETS}
    for facet in facets:
        if not _shows(query.state, facet):
            continue
        values = (facet.status, facet.source, str(facet.priority), str(facet.category))
        pairs = dict(zip(FACETS, values, strict=True))
        missed = [name for name in FACETS if chosen[name] and pairs[name] not in chosen[name]]
        for name in FACETS if not missed else missed if len(missed) == 1 else ():
            found[name][pairs[name]] += facet.problems
    return found


def total(counted: Numbers, query: ProblemQuery) -> int:
    """How many problems the list has, by its numbers."""
    return sum(problems for status, problems in counted["status"].items() if not query.status or status in query.status)


def _shows(state: Show, facet: Facet) -> bool:
    if state is Show.ALL:
        return True
    if facet.deleted or state is Show.DELETED:
        return facet.deleted and state is Show.DELETED
    return (facet.status in _FINISHED) is (state is Show.CLOSED)
