"""Which problems of a source are kept: by status, category, party and age.

The filter decides about a problem that is not known yet. One that is known is kept up to date whatever it becomes: else
its row would stay as it was before it left the filter, and would be wrong. So leaving the filter is no deletion. Pure.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
from msgspec import Struct

from bridge.domain.observation import Kind, Observation, Via

_PARTIES = ("relatedParty", "originatorParty", "responsibleParty")


class ProblemFilter(Struct, frozen=True):
    """All conditions that are set have to hold; categories and parties are compared in any case.

    `parties`: ids or names of related parties, of which one is needed. `max_age`: since the last change. `since`: the
    oldest last change. `by_query`: the source itself lists only what a query of its settings chooses, so what is pushed
    may be another problem: it has to be fetched.
    """

    statuses: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    parties: frozenset[str] = frozenset()
    max_age: timedelta | None = None
    since: datetime | None = None
    by_query: bool = False

    def keeps(self, seen: Observation) -> bool | None:
        """Is an unknown problem kept? None: the observation does not say, the whole problem has to be fetched."""
        if seen.kind is Kind.TOMBSTONE:
            return False
        verdicts = [*self._conditions(seen), None if self.by_query and seen.via is Via.PUSH else True]
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def _conditions(self, seen: Observation) -> Iterator[bool | None]:
        whole = seen.kind is Kind.FULL
        if self.statuses:
            yield _holds(None if seen.status is None else seen.status.value in self.statuses, whole=whole)
        if self.categories:
            yield _holds(None if seen.category is None else seen.category.casefold() in self.categories, whole=whole)
        if self.parties:
            yield _holds(self._has_party(seen), whole=whole)
        oldest = self._oldest(seen.observed_at)
        if oldest is not None:
            changed_at = seen.effective_at if seen.stamped else seen.updated_at or seen.created_at
            yield changed_at is None or changed_at >= oldest

    def _has_party(self, seen: Observation) -> bool | None:
        """None: the observation names no party at all."""
        named = list(_names(orjson.loads(seen.body)))
        return not self.parties.isdisjoint(named) if named else None

    def _oldest(self, at: datetime) -> datetime | None:
        by_age = None if self.max_age is None else at - self.max_age
        return max((limit for limit in (by_age, self.since) if limit is not None), default=None)


def problem_filter(
    *,
    statuses: Iterable[str] = (),
    categories: Iterable[str] = (),
    parties: Iterable[str] = (),
    max_age_days: int = 0,
    since: datetime | None = None,
    by_query: bool = False,
) -> ProblemFilter | None:
    """Return the filter of a source's settings; None when everything is kept."""
    found = ProblemFilter(
        frozenset(statuses),
        frozenset(category.casefold() for category in categories),
        frozenset(party.casefold() for party in parties),
        timedelta(days=max_age_days) if max_age_days else None,
        since,
        by_query,
    )
    return None if found == ProblemFilter() else found


def _holds(verdict: bool | None, *, whole: bool) -> bool | None:
    """A whole problem that does not name a value has none; a part may leave it out."""
    return False if verdict is None and whole else verdict


def _names(body: dict[str, Any]) -> Iterator[str]:
    for attribute in _PARTIES:
        value = body.get(attribute)
        for party in value if isinstance(value, list) else (value,):
            if isinstance(party, dict):
                yield from (str(party[key]).casefold() for key in ("id", "name") if party.get(key) is not None)
