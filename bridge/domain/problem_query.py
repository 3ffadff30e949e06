"""What the list of problems shows: conditions, order and columns, and how they are written as parameters of a URL.

`ProblemQuery` is read from parameters by `read_query`, which names everything it does not understand, and written back
by `ProblemQuery.parameters`: in a fixed order, without what is default, so that one list has one address. Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.status import Status


class Show(StrEnum):
    """Which problems are looked at. OPEN: they exist and are not finished; CLOSED: finished; DELETED: gone at their
    source.
    """

    OPEN = "open"
    CLOSED = "closed"
    DELETED = "deleted"
    ALL = "all"


class Sort(StrEnum):
    """Orders that an index gives; URGENCY (priority, then age) and STATUS_AGE (longest in its status first) for open
    problems as they are now, UPDATED in their place for others.
    """

    UPDATED = "updated"
    UPDATED_ASC = "updated_asc"
    RAISED = "raised"
    RAISED_ASC = "raised_asc"
    URGENCY = "urgency"
    STATUS_AGE = "status_age"


OPEN_ONLY: Final = frozenset({Sort.URGENCY, Sort.STATUS_AGE})
COLUMNS: Final = (
    "source",
    "id",
    "name",
    "status",
    "priority",
    "category",
    "created_at",
    "updated_at",
    "status_changed_at",
    "affected_services",
    "last_changed_via",
    "status_raw",
    "description",
    "reason",
    "responsible",
    "originator",
    "originating_system",
    "external_id",
    "resolved_at",
    "first_seen_at",
    "deleted_at",
    "href",
)
"""Columns of report.service_problem that can be shown, in the order they are shown."""
DEFAULT_COLUMNS: Final = COLUMNS[:11]
LINKED: Final = ("linked_source", "linked_id", "linked_href")
"""Columns of the tickets on the other side of links, in the order of these."""
EXTRA: Final = "extra."
"""Before the names of columns of report.service_problem_extra."""
LIMITS: Final = (25, 50, 100, 200)
DEFAULT_LIMIT: Final = 50
LONGEST_TEXT: Final = 200
MOST_WORDS: Final = 8
VIEWS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "open": {},
    "urgent": {"priority": ("1",), "sort": ("urgency",)},
    "waiting": {"status": ("pending", "held"), "sort": ("status_age",)},
    "deleted": {"state": ("deleted",)},
}
"""Lists with a name; each is no more than its parameters."""

_CONTROLS = dict.fromkeys([*range(32), 127], " ")
_AGE = re.compile(r"(\d{1,4})(min|h|d)")
_UNITS = {"min": 60, "h": 3600, "d": 86_400}
_LONGEST_AGE = timedelta(days=3660)
_NAMES = (
    "q", "state", "status", "source", "priority", "category", "changed", "created", "service", "party", "region",
    "sort", "col", "limit", "as_of", "after", "view",
)  # fmt: skip
_LISTS = frozenset({"status", "source", "priority", "category", "col"})


class QueryError(ValueError):
    """Parameters that cannot be understood; `faults` says of each what is wrong and what is right."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Keep all of them."""
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class TimeWindow(Struct, frozen=True):
    """A span of time: the last so many seconds, or from and until (not included) an instant."""

    seconds: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    def bounds(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """From which instant on, and before which one."""
        if self.seconds is not None:
            return now - timedelta(seconds=self.seconds), None
        return self.since, self.until


ANY_TIME: Final = TimeWindow()


class ProblemQuery(Struct, frozen=True):
    """All conditions hold; of the values of one condition, one does. `changed`: updated_at lies there, `created`:
    created_at. `service`, `party`, `region`: id or name of an affected service, a related party, a location. `own`:
    columns of a source's own attributes, with `EXTRA` before their names, and values that they may have. `after`:
    where a page begins, as `storage.problem_list` wrote it.
    """

    q: str = ""
    state: Show = Show.OPEN
    status: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    priority: tuple[int, ...] = ()
    category: tuple[str, ...] = ()
    changed: TimeWindow = ANY_TIME
    created: TimeWindow = ANY_TIME
    service: str = ""
    party: str = ""
    region: str = ""
    own: tuple[tuple[str, str], ...] = ()
    sort: Sort = Sort.UPDATED
    col: tuple[str, ...] = DEFAULT_COLUMNS
    limit: int = DEFAULT_LIMIT
    as_of: datetime | None = None
    after: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words that are searched for: with each of them a word of the problem has to begin."""
        return tuple(self.q.translate(_CONTROLS).split())

    @property
    def extra(self) -> tuple[str, ...]:
        """The columns of a source's own attributes, with `EXTRA` before their names."""
        return tuple(one for one in self.col if one.startswith(EXTRA))

    @property
    def linked(self) -> bool:
        """Is a column of linked tickets shown?"""
        return any(one in LINKED for one in self.col)

    def parameters(self) -> list[tuple[str, str]]:
        """Return names and values, in order, without those that are default."""
        pairs: list[tuple[str, str]] = []
        for name in _NAMES[:-1]:
            value = getattr(self, name)
            if value == _DEFAULT[name]:
                continue
            values = value if name in _LISTS else (value,)
            pairs += [(name, _written(one)) for one in values]
        return [*pairs, *self.own]

    def first_page(self) -> "ProblemQuery":
        """The same list from its beginning."""
        return replace(self, after="")

    def without(self, name: str, value: str) -> "ProblemQuery":
        """The same list without one of its conditions."""
        kept = [pair for pair in self.first_page().parameters() if pair != (name, value)]
        return _made(_grouped(kept), (*self.extra, *(one for one, _ in self.own)))


def _written(value: object) -> str:
    if isinstance(value, TimeWindow):
        return value.text
    return iso(value) if isinstance(value, datetime) else str(value)


def iso(at: datetime) -> str:
    """Write an instant in UTC, with no more digits than it needs.

    >>> iso(datetime(2026, 11, 1, tzinfo=UTC))
    '2026-11-01T00:00:00Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_query(given: Mapping[str, Sequence[str]], extra: Sequence[str] = ()) -> ProblemQuery:
    """Read parameters; an empty value is as none. `extra`: columns that there are besides COLUMNS, with `EXTRA` before
    their names. QueryError naming every parameter that is unknown or wrong.
    """
    unknown = sorted(set(given) - {*_NAMES, *extra})
    faults = [f"{_shown(name)} is no parameter: there are {', '.join(_NAMES)}" for name in unknown]
    values = {name: [text for text in texts if text] for name, texts in given.items() if name not in unknown}
    values = {name: texts for name, texts in values.items() if texts}
    view = values.pop("view", ["open"])[-1]
    if view not in VIEWS:
        faults.append(f"view={_shown(view)} is not known: use one of {', '.join(VIEWS)}")
    values = {name: list(texts) for name, texts in VIEWS.get(view, {}).items()} | values
    faults += [
        f"{name} stands there {len(texts)} times: give it once"
        for name, texts in values.items()
        if name not in _LISTS and not name.startswith(EXTRA) and len(texts) > 1
    ]
    if not faults:
        return _made(values, extra)
    try:
        _made(values, extra)
    except QueryError as error:
        faults += error.faults
    raise QueryError(faults)


def _made(values: Mapping[str, Sequence[str]], extra: Sequence[str] = ()) -> ProblemQuery:
    """Check each value; QueryError."""
    read = _Reader(values)
    query = ProblemQuery(
        q=read.text("q"),
        state=Show(read.one_of("state", [one.value for one in Show], Show.OPEN.value)),
        status=read.several("status", [one.value for one in Status]),
        source=read.texts("source"),
        priority=tuple(int(one) for one in read.several("priority", [str(one) for one in range(1, 11)])),
        category=read.texts("category"),
        changed=read.window("changed"),
        created=read.window("created"),
        service=read.text("service"),
        party=read.text("party"),
        region=read.text("region"),
        own=tuple((name, text) for name in sorted({*extra}) for text in read.texts(name)),
        sort=Sort(read.one_of("sort", [one.value for one in Sort], Sort.UPDATED.value)),
        col=read.several("col", (*COLUMNS, *LINKED, *extra)) or DEFAULT_COLUMNS,
        limit=int(read.one_of("limit", [str(one) for one in LIMITS], str(DEFAULT_LIMIT))),
        as_of=read.instant("as_of"),
        after=read.text("after", longest=2000),
    )
    if query.sort in OPEN_ONLY and (query.state is not Show.OPEN or query.as_of is not None):
        query = replace(query, sort=Sort.UPDATED)  # a form keeps its sort when something else is chosen
    if query.state is Show.DELETED and query.as_of is not None:
        read.faults.append("state=deleted is not possible with as_of: what was deleted then did not exist then")
    for name in (f"col={query.extra[0]}" if query.extra else "", *dict(query.own)):
        if name and query.as_of is not None:
            read.faults.append(f"{name} is not possible with as_of: it is known of now only")
    if query.linked and query.as_of is not None:
        read.faults.append(f"col={', '.join(LINKED)} are not possible with as_of: they are known of now only")
    if len(query.words) > MOST_WORDS:
        read.faults.append(f"q has {len(query.words)} words: search for at most {MOST_WORDS}")
    if read.faults:
        raise QueryError(read.faults)
    return query


class _Reader:
    """Reads values one by one and collects what is wrong."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values
        self.faults: list[str] = []

    def text(self, name: str, *, longest: int = LONGEST_TEXT) -> str:
        return next(iter(self.texts(name, longest=longest)), "")

    def texts(self, name: str, *, longest: int = LONGEST_TEXT) -> tuple[str, ...]:
        found = sorted(set(self._values.get(name, ())))
        for text in found:
            if len(text) > longest or "\x00" in text:
                self.faults.append(
                    f"{name}={_shown(text)} cannot be: give at most {longest} characters, none of them NUL"
                )
        return tuple(found)

    def one_of(self, name: str, known: Sequence[str], default: str) -> str:
        text = self._values.get(name, [default])[-1]
        if text in known:
            return text
        self.faults.append(f"{name}={_shown(text)} is not known: use one of {', '.join(known)}")
        return default

    def several(self, name: str, known: Sequence[str]) -> tuple[str, ...]:
        given = set(self._values.get(name, ()))
        wrong = sorted(given - set(known))
        self.faults += [f"{name}={_shown(text)} is not known: use {', '.join(known)}" for text in wrong]
        return tuple(one for one in known if one in given)

    def window(self, name: str) -> TimeWindow:
        text = self._values.get(name, [""])[-1]
        if not text:
            return ANY_TIME
        age = _AGE.fullmatch(text)
        if age is not None:
            seconds = int(age[1]) * _UNITS[age[2]]
            if timedelta(seconds=seconds) <= _LONGEST_AGE:
                return TimeWindow(seconds=seconds, text=text)
        since, dots, until = text.partition("..")
        try:
            if dots and (since or until):
                bounds = [_instant(one) if one else None for one in (since, until)]
                return TimeWindow(since=bounds[0], until=bounds[1], text=text)
        except ValueError:
            pass
        self.faults.append(f"{name}={_shown(text)} is no time: use 30min, 24h, 7d, or 2026-11-01..2026-11-08")
        return ANY_TIME

    def instant(self, name: str) -> datetime | None:
        text = self._values.get(name, [""])[-1]
        try:
            return _instant(text) if text else None
        except ValueError:
            self.faults.append(f"{name}={_shown(text)} is no instant: use 2026-11-01T00:00:00Z")
            return None


def _instant(text: str) -> datetime:
    """A date is its midnight in UTC, and so is a time without a zone."""
    at = datetime.fromisoformat(text)
    try:
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def _shown(text: str) -> str:
    """A value as far as it is worth showing."""
    plain = "".join(one if one.isprintable() else "�" for one in text)
    return plain if len(plain) <= 60 else f"{plain[:60]}…"


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


_DEFAULT = {name: getattr(ProblemQuery(), name) for name in _NAMES[:-1]}
