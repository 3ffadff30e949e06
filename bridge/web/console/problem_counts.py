"""How many problems there are, by filter: sums that are asked for once for all users.

They are kept for fifty times as long as Postgres needed for them, ten seconds at most: with a few thousand problems
they are of this moment, and with a million they cost it no more than a fiftieth of a core.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import anyio

from bridge.domain.problem_query import ANY_TIME, ProblemQuery, Show
from bridge.storage import problem_list
from bridge.storage.problem_list import Facet
from bridge.web.console.visit import Visit

MOST_FRESH_SECONDS: Final = 10.0
_SHARE: Final = 50
FACETS: Final = ("status", "source", "priority", "category")
_FINISHED: Final = frozenset({"resolved", "closed", "cancelled", "rejected"})
Numbers = Mapping[str, Mapping[str, int]]
"""By filter and value, how many problems a list with that value has, with all other filters as they are."""


@dataclass(slots=True)
class ProblemCounts:
    """Keeps the sums."""

    _facets: Sequence[Facet] = ()
    _fresh_until: float = float("-inf")
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def facets(self, visit: Visit) -> Sequence[Facet]:
        """Return the sums; one request asks Postgres, others wait for it."""
        async with self._reading:
            began = monotonic()
            if began >= self._fresh_until:
                async with visit.reading() as connection:
                    self._facets = await problem_list.facets(connection)
                took_seconds = monotonic() - began
                self._fresh_until = monotonic() + min(MOST_FRESH_SECONDS, _SHARE * took_seconds)
            return self._facets


def has_numbers(query: ProblemQuery) -> bool:
    """Do the sums say anything about this list? Not when it has conditions that they do not know."""
    plain = (query.q, query.service, query.party, query.region) == ("", "", "", "")
    always = query.changed == ANY_TIME and query.created == ANY_TIME and query.as_of is None
    return plain and always and query.state in (Show.OPEN, Show.CLOSED)


def numbers(facets: Sequence[Facet], query: ProblemQuery) -> Numbers:
    """Add up, for each filter, what the list would have with each value of it."""
    found: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    chosen = {name: {str(value) for value in getattr(query, name)} for name in FACETS}
    for facet in facets:
        if (facet.status in _FINISHED) is not (query.state is Show.CLOSED):
            continue
        values = {name: str(getattr(facet, name)) for name in FACETS}
        missed = [name for name in FACETS if chosen[name] and values[name] not in chosen[name]]
        for name in FACETS:
            if missed in ([], [name]):
                found[name][values[name]] += facet.problems
    return found


def total(facets: Sequence[Facet], query: ProblemQuery) -> int:
    """How many problems the list has, by the sums; only where `has_numbers`."""
    values = numbers(facets, query)["status"]
    return sum(problems for status, problems in values.items() if not query.status or status in query.status)
