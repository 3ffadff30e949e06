"""The truth: all problems of the simulated server, v4-named, with the bytes each answer is made of.

A problem is never changed in place; each change puts a new object into `problems`, so a reader that holds the old one
can compare. What the version cannot say is not kept (`dialect.project`): the truth is what a reader of this server can
know. Encoded bodies are made when first asked for and kept until the problem changes; 100,000 problems are served by
joining them.

Everything here runs between two awaits of the one event loop; nothing survives the process.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from bridge.simulator.tmf656 import dialect, patch, selection
from bridge.simulator.tmf656.faults import Faults
from bridge.simulator.tmf656.population import FINAL, stamp
from bridge.simulator.tmf656.selection import FilterCondition, Selection, SelectionError

Json = dict[str, Any]

_TICK = timedelta(milliseconds=1)
_NUMBERS = ("priority", "affectedNumberOfServices")
_STILL_RESOLVED = FINAL | {"resolved"}


class Collection:
    """Problems by id, in order of creation, with their stamps and bodies."""

    def __init__(self, version: str, faults: Faults, clock: Callable[[], datetime], id_prefix: str = "SP") -> None:
        """Hold no problem yet; `clock` answers aware instants; new ids begin with `id_prefix`."""
        self._id_prefix = id_prefix
        self.problems: dict[str, Json] = {}
        self.base_url = ""
        self._version = version
        self._faults = faults
        self._clock = clock
        self._stamped: dict[str, datetime] = {}
        self._updated: dict[str, datetime] = {}
        self._position: dict[str, int] = {}
        self._bodies: dict[str, bytes] = {}
        self._bodies_made_with: tuple[bool, bool] = (False, False)
        self._before: dict[str, Json] = {}
        self._order: list[str] | None = None
        self._born = 0
        self._positions = 0

    def now(self) -> datetime:
        """Return the server's time: our clock and its error, in whole milliseconds."""
        at = self._clock() + timedelta(seconds=self._faults.clock_offset_seconds)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def stamp(self, at: datetime) -> str:
        """Write a time as this server does."""
        zone = self._faults.zone
        if zone is None:
            return stamp(at)
        local = at.astimezone(zone)
        return (local.replace(tzinfo=None) if self._faults.without_zone else local).isoformat(timespec="milliseconds")

    def next_stamp(self, problem_id: str) -> datetime:
        """Return a time for the next thing that happens to this problem: now, but later than all before."""
        at, last = self.now(), self._stamped.get(problem_id)
        if last is not None and at <= last:
            at = last + _TICK
        self._stamped[problem_id] = at
        return at

    def new_id(self) -> str:
        """Return an id that no problem has or had."""
        while True:
            self._born += 1
            problem_id = f"{self._id_prefix}{self._born:07d}"
            if problem_id not in self._stamped:
                return problem_id

    def href(self, problem_id: str) -> str:
        """Return the URL of a problem."""
        return f"{self.base_url}/serviceProblem/{problem_id}"

    def add(self, problem_id: str, attributes: Mapping[str, Any], at: datetime) -> Json:
        """Put a new problem there, stamped `at` where `attributes` state no time of their own."""
        stamped = self.stamp(at)
        problem = {
            "id": problem_id,
            "href": self.href(problem_id),
            "creationDate": stamped,
            "statusChangeDate": stamped,
        }
        problem = dialect.project(problem | {"lastUpdate": stamped} | dict(attributes), self._version)
        self._stamped.setdefault(problem_id, at)
        self._put(problem_id, problem)
        return problem

    def change(self, problem_id: str, merge_patch: Mapping[str, Any]) -> tuple[Json, Json, datetime] | None:
        """Apply a v4-named merge patch and stamp it; return (before, after, stamp), None when nothing changes.

        A change of status sets statusChangeDate, and resolutionDate on the way in and out of *resolved*, unless the
        patch states them.
        """
        old = self.problems[problem_id]
        wanted = {name: value for name, value in merge_patch.items() if name not in ("id", "href")}
        if patch.merge(old, wanted) == old:
            return None
        if self._faults.writes.stale_reads:
            self._before[problem_id] = old
        at = self.next_stamp(problem_id)
        new = dialect.project(patch.merge(old, self._dated(old, wanted, self.stamp(at))), self._version)
        self._put(problem_id, new)
        return old, new, at

    def remove(self, problem_id: str) -> tuple[Json, datetime]:
        """Delete a problem; return what it was and when it went."""
        problem, at = self.problems.pop(problem_id), self.next_stamp(problem_id)
        self._updated.pop(problem_id, None)
        self._position.pop(problem_id, None)
        self._bodies.pop(problem_id, None)
        self._order = None
        return problem, at

    def restore(self, problems: Mapping[str, Mapping[str, Any]]) -> None:
        """Become what a backup says, stamps included, telling nobody."""
        self.problems.clear()
        for known in (self._updated, self._position, self._bodies):
            known.clear()
        for problem_id, problem in problems.items():
            self._put(problem_id, dict(problem))

    def shown(self, problem: Mapping[str, Any]) -> Json:
        """Return the v4-named problem as the server shows it, its faults applied."""
        body = dict(problem)
        if self._faults.no_last_update:
            body.pop("lastUpdate", None)
        if self._faults.numbers_as_text:
            body |= {name: str(body[name]) for name in _NUMBERS if isinstance(body.get(name), int)}
        return body

    def body(self, problem_id: str) -> bytes:
        """Return the problem as the version writes it, as JSON."""
        made_with = (self._faults.no_last_update, self._faults.numbers_as_text)
        if made_with != self._bodies_made_with:
            self._bodies.clear()
            self._bodies_made_with = made_with
        body = self._bodies.get(problem_id)
        if body is None:
            made = orjson.dumps(dialect.encode(self.shown(self.problems[problem_id]), self._version))
            # orjson shrinks an oversized buffer and leaves a hole behind: 2 KB would occupy 8. A copy is exact.
            body = bytes(memoryview(made))
            self._bodies[problem_id] = body
        return body

    def body_before(self, problem_id: str) -> bytes:
        """Return the same of the problem before its last change, where that was while stale reads were asked for."""
        before = self._before.get(problem_id)
        if before is None:
            return self.body(problem_id)
        return orjson.dumps(dialect.encode(self.shown(before), self._version))

    def reduced(self, problem_id: str, fields: frozenset[str]) -> Json:
        """Return id, href and the wanted `fields` (the version's names) as the version writes them."""
        problem = self.shown(self.problems[problem_id])
        wanted = {"id", "href"} | fields | ({"@type"} if self._version == "5" else set())
        found = {name.split(".")[0]: None for name in sorted(wanted)}
        encoded = {name: dialect.encode_attribute(problem, name, self._version) for name in found}
        return {name: value for name, value in encoded.items() if value is not None}

    def position(self, problem_id: str) -> int:
        """Return the place of a problem in the order of creation, a number that never changes."""
        return self._position[problem_id]

    def select(self, wanted: Selection) -> list[str]:
        """Return the ids of all that lists show and that satisfies the conditions, in the order asked for."""
        faults = self._faults
        ids: Iterable[str] = self._listed()
        if faults.collection_missing:
            ids = [problem_id for problem_id in ids if not faults.hides(problem_id)]
        if not faults.ignore_filter:
            for condition in wanted.conditions:
                ids = self._satisfying(ids, condition)
        chosen = ids if isinstance(ids, list) else list(ids)
        for name, descending in reversed(wanted.sort):
            chosen = sorted(chosen, key=lambda problem_id: self._sort_key(problem_id, name), reverse=descending)
        return chosen

    def shift(self) -> None:
        """Move the order by one, at random this or that way: the row at a page's boundary is missed, or comes twice."""
        order = self._listed()
        if len(order) > 1:
            forward = self._faults.dice.random() < 0.5
            self._order = [*order[1:], order[0]] if forward else [order[-1], *order[:-1]]

    def _put(self, problem_id: str, problem: Json) -> None:
        if problem_id not in self.problems:
            self._order = None
            self._positions += 1
            self._position[problem_id] = self._positions
        self.problems[problem_id] = problem
        self._bodies.pop(problem_id, None)
        updated = selection.instant(str(problem.get("lastUpdate")))
        self._updated[problem_id] = updated or datetime.min.replace(tzinfo=UTC)

    def _dated(self, old: Json, wanted: Json, now: str) -> Json:
        dated: Json = {"lastUpdate": now} | wanted
        status = wanted.get("status")
        if status is None or status == old.get("status"):
            return dated
        dated.setdefault("statusChangeDate", now)
        if status == "resolved":
            dated.setdefault("resolutionDate", now)
        elif status not in _STILL_RESOLVED and "resolutionDate" in old:
            dated.setdefault("resolutionDate", None)
        return dated

    def _listed(self) -> list[str]:
        if self._order is None:
            self._order = list(self.problems)
        if self._faults.unordered:
            return sorted(self._order, key=lambda problem_id: zlib.crc32(problem_id.encode()))
        return self._order

    def _satisfying(self, ids: Iterable[str], condition: FilterCondition) -> Iterable[str]:
        top, _, rest = condition.name.partition(".")
        if top == dialect.wire_name("lastUpdate", self._version) and condition.sign != "=~":
            return ids if self._faults.no_last_update else self._updated_when(ids, condition)
        problems, version, shown = self.problems, self._version, self.shown
        return [
            problem_id
            for problem_id in ids
            if condition.holds(_values(dialect.encode_attribute(shown(problems[problem_id]), top, version), rest))
        ]

    def _updated_when(self, ids: Iterable[str], condition: FilterCondition) -> Iterable[str]:
        wanted = selection.instant(condition.values[0])
        if wanted is None:
            raise SelectionError(f"{condition.name} needs an ISO 8601 time")
        updated, sign = self._updated, condition.sign
        if sign == "=":
            return [problem_id for problem_id in ids if updated[problem_id] == wanted]
        compare = selection.ORDERED[sign]
        return [problem_id for problem_id in ids if compare(updated[problem_id], wanted)]

    def _sort_key(self, problem_id: str, name: str) -> tuple[bool, float, str]:
        top, _, rest = name.partition(".")
        found = _values(dialect.encode_attribute(self.problems[problem_id], top, self._version), rest)
        value = found[0] if found else None
        if isinstance(value, int | float):
            return (False, float(value), "")
        return (value is None, 0.0, "" if value is None else str(value))


def _values(encoded: Any, path: str) -> list[Any]:
    if encoded is None:
        return []
    if path:
        return selection.values_at(encoded, path)
    return encoded if isinstance(encoded, list) else [encoded]
