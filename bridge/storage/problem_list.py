"""The list of problems in the console: a page of it, how many there are, sums for its filters, and all of it as CSV.

A statement is put together from the constants of this module; every value is a parameter. A condition that is not set
compares a parameter that is null: the front's sessions plan with the values, so that condition is not in the plan.

Pages are found by the key of the row before (never `offset`), in the order of an index. Rows without a time stand where
Postgres puts nulls, and are a page's own step, because one comparison of rows cannot reach over them.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from msgspec import Meta, Struct, convert

from bridge.domain.problem_query import COLUMNS, ProblemQuery, Show, Sort
from bridge.storage.database import Connection
from bridge.storage.queries import queries

MOST_COUNTED: Final = 10_000
"""Beyond it a count says "more than"."""

_SmallInt = Annotated[int, Meta(ge=-(2**15), lt=2**15)]
_Integer = Annotated[int, Meta(ge=-(2**31), lt=2**31)]


class ListOrder(Struct, frozen=True):
    """How a sort is made: `keys`, of which the first may be null unless `whole`."""

    keys: tuple[str, ...]
    descending: bool = False
    whole: bool = False


_URGENCY = ("coalesce(p.priority, 2147483647)", "coalesce(p.created_at, p.first_seen_at)")
_STATUS_AGE = ("coalesce(p.status_changed_at, p.created_at, p.first_seen_at)",)
_ORDERS: Final[Mapping[Sort, ListOrder]] = {
    Sort.UPDATED: ListOrder(("p.updated_at",), descending=True),
    Sort.UPDATED_ASC: ListOrder(("p.updated_at",)),
    Sort.RAISED: ListOrder(("p.created_at",), descending=True),
    Sort.RAISED_ASC: ListOrder(("p.created_at",)),
    Sort.URGENCY: ListOrder(_URGENCY, whole=True),
    Sort.STATUS_AGE: ListOrder(_STATUS_AGE, whole=True),
}
_NOW = "bridge.console_problem as p"
_THEN = """(
    select
        s.id as source_id, a.id, a.status, a.priority, a.category, a.created_at, a.updated_at, a.status_changed_at,
        a.first_seen_at, a.deleted_at, a.body
    from report.service_problem_at($14::timestamptz) as a
    inner join bridge.source as s on a.source = s.name
) as p"""
_SHOWN: Final[Mapping[Show, str]] = {
    Show.OPEN: "p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected')",
    Show.CLOSED: "p.deleted_at is null and p.status in ('resolved', 'closed', 'cancelled', 'rejected')",
    Show.DELETED: "p.deleted_at is not null",
    Show.ALL: "true",
}
_WHERE = """
    ($1::smallint[] is null or p.source_id = any($1))
    and ($2::text[] is null or p.status = any($2))
    and ($3::integer[] is null or p.priority = any($3))
    and ($4::text[] is null or p.category = any($4))
    and ($5::timestamptz is null or p.updated_at >= $5) and ($6::timestamptz is null or p.updated_at < $6)
    and ($7::timestamptz is null or p.created_at >= $7) and ($8::timestamptz is null or p.created_at < $8)
    and ($9::text is null or exists (
        select from bridge.list_element(p.body -> 'affectedService', 'id') as e
        where $9 in (e.item ->> 'id', e.item ->> 'name')
    ))
    and ($10::text is null or exists (
        select from bridge.list_element(p.body -> 'relatedParty', 'name') as e
        where $10 in (e.item ->> 'partyId', e.item ->> 'id', e.item ->> 'partyName', e.item ->> 'name')
    ))
    and ($11::text is null or exists (
        select from bridge.list_element(p.body -> 'affectedLocation', 'name') as e
        where $11 in (e.item ->> 'id', e.item ->> 'name')
    ))
    and ($12::text is null or p.id = $12)
    and ($13::text[] is null or not exists (
        select from unnest($13::text[]) as w (word)
        where strpos(
            lower(concat_ws(' ', p.id, p.body ->> 'name', p.body ->> 'description', p.body ->> 'externalIdentifier')),
            lower(w.word)
        ) = 0
    ))"""
_GUARDED = "case when {0} ~ E'^[=+\\\\-@\\t\\r]' then '''' || {0} else {0} end"
"""A text that a spreadsheet would take for a formula gets an apostrophe before it."""
_INSTANTS = frozenset(name for name in COLUMNS if name.endswith("_at"))
_NUMBERS = frozenset({"priority", "affected_services"})


class ProblemPage(Struct, frozen=True):
    """Rows as report.service_problem has them; `after` is where the next page begins, "" at the end."""

    rows: Sequence[Mapping[str, Any]]
    after: str


class Facet(Struct, frozen=True):
    """How many problems that exist at their source have these values."""

    source: str
    status: str
    priority: int | None
    category: str | None
    problems: int


class CursorError(ValueError):
    """A position in a list that this program did not write, or not for this sort."""


async def page(connection: Connection, query: ProblemQuery, now: datetime) -> ProblemPage:
    """Return a page of the list; CursorError for a wrong `after`."""
    order = _ORDERS[query.sort]
    values = await _values(connection, query, now)
    found: list[Any] = []
    for step in _steps(order, _cursor(query.after, query.sort, order)):
        arguments = [*values, *step.arguments, query.limit + 1 - len(found)]
        sql = f"""
select p.source_id, p.id, {", ".join(f"{key} as key_{n}" for n, key in enumerate(order.keys))}
from {_relation(query)}
where {_SHOWN[query.state]} and {_WHERE}{step.condition(len(values))}
order by {step.order}
limit ${len(arguments)}
"""  # noqa: S608  # nosec B608 -- made of the constants above
        found += await connection.fetch(sql, *arguments)
        if len(found) > query.limit:
            break
    shown, after = found[: query.limit], ""
    if len(found) > query.limit:
        last = shown[-1]
        keys = [last[f"key_{n}"] for n in range(len(order.keys))]
        after = _packed(query.sort, [*keys, last["source_id"], last["id"]])
    return ProblemPage(await _rows(connection, query, shown), after)


async def count(connection: Connection, query: ProblemQuery, now: datetime) -> int:
    """Return how many problems are in the list; MOST_COUNTED + 1 stands for all numbers above."""
    values = await _values(connection, query, now)
    sql = f"""
select count(*) from (
    select from {_relation(query)} where {_SHOWN[query.state]} and {_WHERE} limit {MOST_COUNTED + 1}
) as t
"""  # noqa: S608  # nosec B608 -- made of the constants above
    counted: int = await connection.fetchval(sql, *values)
    return counted


async def facets(connection: Connection) -> Sequence[Facet]:
    """Return the sums that the numbers beside the filters are made of; about 0.2 s for a million problems."""
    rows = await connection.fetch(queries("problem_list")["facets"])
    return [Facet(row["source"], row["status"], row["priority"], row["category"], row["problems"]) for row in rows]


async def source_names(connection: Connection) -> Sequence[str]:
    """Return the names of all sources, in order."""
    return [row["name"] for row in await connection.fetch(queries("problem_list")["sources"])]


async def write_csv(
    connection: Connection, query: ProblemQuery, now: datetime, write: Callable[[bytes], Coroutine[Any, Any, None]]
) -> None:
    """Write the whole list as CSV, in its order, with its columns; for a connection without a statement timeout."""
    values, order = await _values(connection, query, now), _ORDERS[query.sort]
    columns = ", ".join(f"{_text_of(column)} as {column}" for column in query.col)
    directed = ", ".join(_directed(key, order) for key in _whole_key(order))
    report = "report.service_problem" if query.as_of is None else "report.service_problem_at($14::timestamptz)"
    sql = f"""
select {columns}
from {_relation(query)}
inner join bridge.source as o on p.source_id = o.id
inner join {report} as r on o.name = r.source and p.id = r.id
where {_SHOWN[query.state]} and {_WHERE}
order by {directed}
"""  # noqa: S608  # nosec B608 -- made of the constants above
    await connection.copy_from_query(sql, *values, output=write, format="csv", header=True)


async def _rows(connection: Connection, query: ProblemQuery, keys: Sequence[Any]) -> list[dict[str, Any]]:
    ids = ([row["source_id"] for row in keys], [row["id"] for row in keys])
    if query.as_of is None:
        rows = await connection.fetch(queries("problem_list")["rows"], *ids)
    else:
        rows = await connection.fetch(queries("problem_list")["rows_then"], *ids, query.as_of)
    return [dict(row) for row in rows]


async def _values(connection: Connection, query: ProblemQuery, now: datetime) -> list[Any]:
    """The parameters of the conditions, in order; a text that is the id of a problem finds that problem only."""
    sources = await connection.fetch(queries("problem_list")["sources"])
    chosen = [row["id"] for row in sources if row["name"] in query.source] if query.source else None
    exact = None
    if query.q:
        found = await connection.fetchval(queries("problem_list")["has_id"], [row["id"] for row in sources], query.q)
        exact = query.q if found else None
    values = [
        chosen,
        list(query.status) or None,
        list(query.priority) or None,
        list(query.category) or None,
        *query.changed.bounds(now),
        *query.created.bounds(now),
        query.service or None,
        query.party or None,
        query.region or None,
        exact,
        None if exact is not None else list(query.words) or None,
    ]
    return values if query.as_of is None else [*values, query.as_of]


def _relation(query: ProblemQuery) -> str:
    return _NOW if query.as_of is None else _THEN


class _Step(Struct, frozen=True):
    """A part of the list that one index scan gives: `template` with {0}, {1}, … for its parameters."""

    template: str
    order: str
    arguments: tuple[Any, ...] = ()

    def condition(self, before: int) -> str:
        """The condition, its parameters numbered after `before` others."""
        return self.template.format(*(f"${before + n}" for n in range(1, len(self.arguments) + 1)))


def _steps(order: ListOrder, cursor: Sequence[Any] | None) -> list[_Step]:
    """The parts that follow a position, in their order; None: the whole list."""
    keys, sign = _whole_key(order), "<" if order.descending else ">"
    whole = ", ".join(_directed(key, order) for key in keys)
    beyond = f" and ({', '.join(keys)}) {sign} ({_places(order)})"
    if order.whole:
        return [_Step("", whole) if cursor is None else _Step(beyond, whole, tuple(cursor))]
    tail = ", ".join(_directed(key, order) for key in keys[1:])
    known, unknown = f" and {order.keys[0]} is not null", f" and {order.keys[0]} is null"
    in_nulls = cursor is not None and cursor[0] is None
    nulls, times = _Step(unknown, tail), _Step(known, whole)
    if cursor is not None and in_nulls:
        nulls = _Step(
            f"{unknown} and (p.source_id, p.id) {sign} ({{0}}::smallint, {{1}}::text)", tail, tuple(cursor[1:])
        )
    elif cursor is not None:
        times = _Step(beyond, whole, tuple(cursor))
    if order.descending:  # nulls first
        return [nulls, times] if cursor is None or in_nulls else [times]
    return [nulls] if in_nulls else [times, nulls]


def _whole_key(order: ListOrder) -> tuple[str, ...]:
    return (*order.keys, "p.source_id", "p.id")


def _directed(key: str, order: ListOrder) -> str:
    return f"{key} desc" if order.descending else key


def _places(order: ListOrder) -> str:
    types = [*("integer" if key == _URGENCY[0] else "timestamptz" for key in order.keys), "smallint", "text"]
    return ", ".join(f"{{{n}}}::{kind}" for n, kind in enumerate(types))


def _packed(sort: Sort, key: Sequence[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps([sort.value, *key])).decode().rstrip("=")


def _cursor(text: str, sort: Sort, order: ListOrder) -> list[Any] | None:
    """Read a position; each value has the type that the statement expects."""
    if not text:
        return None
    try:
        kind, *raw = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if kind != sort.value or len(raw) != len(order.keys) + 2:
            raise CursorError(text)
        keys = [_key(value, key, nullable=not order.whole) for value, key in zip(raw, order.keys, strict=False)]
        return [*keys, convert(raw[-2], _SmallInt), convert(raw[-1], str)]
    except (ValueError, TypeError) as error:
        raise CursorError(text) from error


def _key(value: Any, key: str, *, nullable: bool) -> Any:
    if value is None and nullable:
        return None
    if key == _URGENCY[0]:
        return convert(value, _Integer)
    at = datetime.fromisoformat(convert(value, str))
    if at.tzinfo is None:
        raise CursorError(value)
    return at


def _text_of(column: str) -> str:
    """A column as it goes into a CSV."""
    if column in _INSTANTS:
        return f"to_json(r.{column}) #>> '{{}}'"
    return f"r.{column}" if column in _NUMBERS else _GUARDED.format(f"r.{column}")
