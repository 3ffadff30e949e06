"""The orders of the list of problems, and places in them: where a page begins, as text that goes round through a URL.

Pages are found by the key of the row before (never `offset`), in the order of an index. Rows without a time stand where
Postgres puts nulls, and are a page's own step, because one comparison of rows cannot reach over them.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from msgspec import Meta, Struct, convert

from bridge.domain.problem_query import Sort

_SmallInt = Annotated[int, Meta(ge=-(2**15), lt=2**15)]
_Integer = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
_URGENCY = ("coalesce(p.priority, 2147483647)", "coalesce(p.created_at, p.first_seen_at)")
_STATUS_AGE = ("coalesce(p.status_changed_at, p.created_at, p.first_seen_at)",)


class CursorError(ValueError):
    """A position in a list that this program did not write, or not for this sort."""


class ListStep(Struct, frozen=True):
    """A part of the list that one index scan gives: `template` with {0}, {1}, … for its parameters, and its order."""

    template: str
    order: str
    arguments: tuple[Any, ...] = ()

    def condition(self, before: int) -> str:
        """The condition, its parameters numbered after `before` others."""
        return self.template.format(*(f"${before + n}" for n in range(1, len(self.arguments) + 1)))


class ListOrder(Struct, frozen=True):
    """How a sort is made: `keys` of a problem `p`, of which the first may be null unless `whole`."""

    sort: Sort
    keys: tuple[str, ...]
    descending: bool = False
    whole: bool = False

    @property
    def clause(self) -> str:
        """What follows `order by`."""
        return self._clause(self._key)

    @property
    def columns(self) -> str:
        """The keys as columns key_0, key_1, …, for `place`."""
        return ", ".join(f"{key} as key_{n}" for n, key in enumerate(self.keys))

    @property
    def _key(self) -> tuple[str, ...]:
        return (*self.keys, "p.source_id", "p.id")

    def _clause(self, keys: Sequence[str]) -> str:
        return ", ".join(f"{key} desc" if self.descending else key for key in keys)

    def steps(self, cursor: Sequence[Any] | None) -> list[ListStep]:
        """The parts that follow a position, in their order; None: the whole list."""
        sign = "<" if self.descending else ">"
        types = [*("integer" if key == _URGENCY[0] else "timestamptz" for key in self.keys), "smallint", "text"]
        places = ", ".join(f"{{{n}}}::{kind}" for n, kind in enumerate(types))
        beyond = f" and ({', '.join(self._key)}) {sign} ({places})"
        if self.whole:
            return [ListStep("", self.clause) if cursor is None else ListStep(beyond, self.clause, tuple(cursor))]
        tail = self._clause(self._key[1:])
        known, unknown = f" and {self.keys[0]} is not null", f" and {self.keys[0]} is null"
        in_nulls = cursor is not None and cursor[0] is None
        nulls, times = ListStep(unknown, tail), ListStep(known, self.clause)
        if cursor is not None and in_nulls:
            after = f"{unknown} and (p.source_id, p.id) {sign} ({{0}}::smallint, {{1}}::text)"
            nulls = ListStep(after, tail, tuple(cursor[1:]))
        elif cursor is not None:
            times = ListStep(beyond, self.clause, tuple(cursor))
        if self.descending:  # nulls first
            return [nulls, times] if cursor is None or in_nulls else [times]
        return [nulls] if in_nulls else [times, nulls]

    def place(self, row: Mapping[str, Any]) -> str:
        """Where the rows after this one begin."""
        keys = [row[f"key_{n}"] for n in range(len(self.keys))]
        return (
            urlsafe_b64encode(orjson.dumps([self.sort.value, *keys, row["source_id"], row["id"]])).decode().rstrip("=")
        )

    def cursor(self, text: str) -> list[Any] | None:
        """Read a place, "" is the beginning; each value has the type that the statement expects. CursorError."""
        if not text:
            return None
        try:
            kind, *raw = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if kind != self.sort.value or len(raw) != len(self.keys) + 2:
                raise CursorError(text)
            keys = [_key(value, key, nullable=not self.whole) for value, key in zip(raw, self.keys, strict=False)]
            return [*keys, convert(raw[-2], _SmallInt), convert(raw[-1], str)]
        except (ValueError, TypeError) as error:
            raise CursorError(text) from error


ORDERS: Final[Mapping[Sort, ListOrder]] = {
    one.sort: one
    for one in (
        ListOrder(Sort.UPDATED, ("p.updated_at",), descending=True),
        ListOrder(Sort.UPDATED_ASC, ("p.updated_at",)),
        ListOrder(Sort.RAISED, ("p.created_at",), descending=True),
        ListOrder(Sort.RAISED_ASC, ("p.created_at",)),
        ListOrder(Sort.URGENCY, _URGENCY, whole=True),
        ListOrder(Sort.STATUS_AGE, _STATUS_AGE, whole=True),
    )
}


def _key(value: Any, key: str, *, nullable: bool) -> Any:
    if value is None and nullable:
        return None
    if key == _URGENCY[0]:
        return convert(value, _Integer)
    at = datetime.fromisoformat(convert(value, str))
    if at.tzinfo is None:
        raise CursorError(value)
    return at
