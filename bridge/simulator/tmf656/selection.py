"""What a list request asks for: conditions, fields, order (TMF630's query language, the part that servers have).

Pure. A condition is `attribute<operator>value` in the query, with the operator written out (`lastUpdate.gte=…`), as a
sign (`lastUpdate>=…`) or as a sign hidden in the name (`lastUpdate%3E%3D…`). Conditions are joined by AND; within one,
a comma list or the repeated name means OR.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

PAGING = frozenset({"offset", "limit", "fields", "sort", "cursor"})

_CONDITION = re.compile(
    r"(?P<name>[@\w.]+?)(?P<operator>\.(?:gte|gt|lte|lt|eq)=|>=|<=|==|=~|\*=|>|<|=)(?P<value>.*)", re.DOTALL
)
_SIGNS = {"==": "=", ".eq=": "=", ".gte=": ">=", ".gt=": ">", ".lte=": "<=", ".lt=": "<", "*=": "=~"}
ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
"""The comparing signs."""


class SelectionError(ValueError):
    """The query cannot be understood (400)."""


class UnsupportedSelectionError(ValueError):
    """The query uses a part of TMF630 that this server does not have (501)."""


@dataclass(frozen=True, slots=True)
class FilterCondition:
    """`name` (dotted, the version's names), `sign` (one of `= > >= < <= =~`) and the alternatives to compare with."""

    name: str
    sign: str
    values: tuple[str, ...]

    def holds(self, found: Iterable[Any]) -> bool:
        """Tell whether one of the values found at `name` satisfies one of the alternatives."""
        return any(_compare(value, self.sign, wanted) for value in found for wanted in self.values)


@dataclass(frozen=True, slots=True)
class Selection:
    """A parsed query. `fields` is None when all are wanted; `sort` holds (attribute, descending)."""

    conditions: tuple[FilterCondition, ...] = ()
    fields: frozenset[str] | None = None
    sort: tuple[tuple[str, bool], ...] = ()
    paging: Mapping[str, str] | None = None

    def number(self, name: str) -> int | None:
        """Return the paging parameter as a number of 0 or more; None when absent. Raises SelectionError."""
        raw = (self.paging or {}).get(name)
        if raw is None:
            return None
        if not raw.isdecimal():
            raise SelectionError(f"{name} must be a whole number, 0 or more")
        return int(raw)


def parse(raw_query: str) -> Selection:
    """Read a raw (still percent-encoded) query string. Raises SelectionError or UnsupportedSelectionError."""
    conditions: dict[tuple[str, str], tuple[str, ...]] = {}
    paging: dict[str, str] = {}
    for part in filter(None, raw_query.split("&")):
        matched = _CONDITION.fullmatch(unquote_plus(part))
        if matched is None:
            raise SelectionError(f"cannot read {part!r}")
        name, sign, value = matched["name"], matched["operator"], matched["value"]
        if name == "filter":
            raise UnsupportedSelectionError("JSONPath filters are not supported")
        if name in PAGING and sign == "=":
            paging[name] = value
            continue
        key = (name, _SIGNS.get(sign, sign))
        conditions[key] = (*conditions.get(key, ()), *value.split(","))
    return Selection(
        conditions=tuple(FilterCondition(name, sign, values) for (name, sign), values in conditions.items()),
        fields=_fields(paging.get("fields")),
        sort=_sort(paging.get("sort")),
        paging=paging,
    )


def values_at(body: Any, path: str) -> list[Any]:
    """Return every value at the dotted `path`, looking into all elements of the lists on the way."""
    found = [body]
    for step in path.split("."):
        found = [item[step] for node in found for item in _items(node) if isinstance(item, Mapping) and step in item]
    return [item for node in found for item in _items(node)]


def instant(text: str) -> datetime | None:
    """Read an ISO 8601 instant, or a date, as UTC (that is also meant when no zone is given); None when it is none."""
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _items(node: Any) -> list[Any]:
    return node if isinstance(node, list) else [node]


def _fields(raw: str | None) -> frozenset[str] | None:
    if raw is None or not raw:
        return None
    return frozenset() if raw == "none" else frozenset(name.strip() for name in raw.split(","))


def _sort(raw: str | None) -> tuple[tuple[str, bool], ...]:
    names = [name.strip() for name in (raw or "").split(",") if name.strip()]
    return tuple((name.lstrip("+-"), name.startswith("-")) for name in names)


def _compare(found: Any, sign: str, wanted: str) -> bool:
    if sign == "=~":
        return _matches(str(found), wanted)
    if isinstance(found, bool):
        return sign == "=" and wanted.lower() == str(found).lower()
    if isinstance(found, int | float):
        return _compare_numbers(found, sign, wanted)
    text = str(found)
    if sign == "=" and text == wanted:
        return True
    left, right = instant(text), instant(wanted)
    if left is not None and right is not None:
        return left == right if sign == "=" else ORDERED[sign](left, right)
    return sign != "=" and ORDERED[sign](text, wanted)


def _compare_numbers(found: float, sign: str, wanted: str) -> bool:
    try:
        number = float(wanted)
    except ValueError:
        return False
    return found == number if sign == "=" else ORDERED[sign](found, number)


def _matches(found: str, pattern: str) -> bool:
    try:
        return re.search(pattern, found) is not None
    except re.error as error:
        raise SelectionError(f"bad regular expression: {error}") from error
