"""The list of problems in the console: a page of it, how many there are, sums for its filters, and all of it as CSV.

A statement is put together from constants (`list_condition`, `list_order`); every value is a parameter.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from bridge.domain.problem_query import COLUMNS, EXTRA, LINKED, ProblemQuery, Show
from bridge.storage import searched_list, walked_list
from bridge.storage.database import Connection
from bridge.storage.list_condition import (
    COLUMN_PARAMETERS,
    EVERY,
    EXTRA_JOIN,
    FILTERS,
    LINKED_JOIN,
    OWN,
    SEARCHES,
    SHOWN,
    searches,
    values_of,
)
from bridge.storage.list_order import ORDERS
from bridge.storage.queries import queries
from bridge.storage.searched_list import KeptWords
from bridge.storage.walked_list import FoundRows

MOST_COUNTED: Final = 10_000
"""Beyond it a count says "more than"."""
FEW: Final = 10_000
"""Lists that are sorted as a whole."""

_NOW = "bridge.console_problem as p"
_THEN = """(
    select
        s.id as source_id, a.id, a.status, a.priority, a.category, a.created_at, a.updated_at, a.status_changed_at,
        a.first_seen_at, a.deleted_at, a.body
    from report.service_problem_at($15::timestamptz) as a
    inner join bridge.source as s on a.source = s.name
) as p"""
_OWN = OWN.format("p")
_FEW_COLUMNS = "p.source_id, p.id, p.priority, p.created_at, p.updated_at, p.first_seen_at, p.status_changed_at"
"""What orders are made of."""
_PARTS: Final[Mapping[Show, Sequence[str]]] = {
    **{show: (condition,) for show, condition in SHOWN.items()},
    Show.ALL: (SHOWN[Show.OPEN], SHOWN[Show.DELETED]),
}
"""What a list shows, as parts that an index of the sums has each."""
_GUARDED = "case when {0} ~ E'^[=+\\\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]' then '''' || {0} else {0} end"
"""A text that a spreadsheet would take for a formula gets an apostrophe before it."""
_INSTANTS = frozenset(name for name in COLUMNS if name.endswith("_at"))
_NUMBERS = frozenset({"priority", "affected_services"})


_LINKED_OF = f"""
select {", ".join(f"l.{one}" for one in LINKED)}
from unnest($1::smallint[], $2::text[]) with ordinality as p (source_id, id, place){LINKED_JOIN}
order by p.place
"""  # noqa: S608  # nosec B608 -- made of constants


class ProblemPage(Struct, frozen=True):
    """Rows as report.service_problem has them; `after` is where the next page begins, "" at the end. `counted` problems
    are in the list, `more`: more than that. `behind`: what changed lately may be missing. `made`: a search had to read
    the problems, because words are made, for so many problems so far. `looked_at`: the page is not full, because it
    took too long to look at more than so many problems; `after` goes on with them.
    """

    rows: Sequence[Mapping[str, Any]]
    after: str
    counted: int
    more: bool = False
    behind: bool = False
    made: int | None = None
    looked_at: int | None = None


class Facet(Struct, frozen=True):
    """How many problems have these values; `deleted`: of those that are gone at their source."""

    source: str
    status: str
    priority: int | None
    category: str | None
    deleted: bool
    problems: int


async def page(
    connection: Connection,
    query: ProblemQuery,
    now: datetime,
    sources: Mapping[str, int],
    *,
    about: int | None = None,
) -> ProblemPage:
    """Return a page of the list; CursorError for a wrong `after`. `sources`: the ids of all, by name. `about`: how many
    problems the list has, where that is known; else they are counted.
    """
    values = await values_of(connection, query, now, sources)
    order, words = ORDERS[query.sort], KeptWords()
    if searches(values):
        words = await searched_list.kept_words(connection, query)
    if words.usable:
        done = await searched_list.find(connection, query, values)
    elif query.as_of is None and (searches(values) or query.own):
        done = await walked_list.find(connection, query, values)
    elif query.as_of is not None:
        counted = await _count_then(connection, query, values)
        more = counted > MOST_COUNTED
        done = FoundRows(await _find(connection, query, values), min(counted, MOST_COUNTED), more)
    elif about is None:
        done = await _find_uncounted(connection, query, values)
    elif about <= FEW:
        done = FoundRows(await _find_few(connection, query, values, sources), about, more=False)
    else:
        done = FoundRows(await _find(connection, query, values), about, more=False)
    shown = done.rows[: query.limit]
    after = order.place(shown[-1]) if len(done.rows) > query.limit else done.after
    rows = await _rows(connection, query, shown)
    return ProblemPage(rows, after, done.counted, done.more, words.behind, words.made, done.looked_at)


async def _find(connection: Connection, query: ProblemQuery, values: list[Any]) -> list[Any]:
    """Find the keys of a page, and of one row more."""
    order = ORDERS[query.sort]
    values = _with_instant(values, query)
    found: list[Any] = []
    for step in order.steps(order.cursor(query.after)):
        arguments = [*values, *step.arguments, query.limit + 1 - len(found)]
        sql = f"""
select p.source_id, p.id, {order.columns}
from {_relation(query)}
where {SHOWN[query.state]} and {FILTERS} and {SEARCHES} and {_OWN}{step.condition(len(values))}
order by {step.order}
limit ${len(arguments)}
"""  # noqa: S608  # nosec B608 -- made of constants
        found += await connection.fetch(sql, *arguments)
        if len(found) > query.limit:
            break
    return found


async def _find_few(
    connection: Connection, query: ProblemQuery, values: list[Any], sources: Mapping[str, int]
) -> list[Any]:
    """The same for a list of a few problems, by columns only: read all of it and sort, because walking an order would
    go past many others. All sources and statuses are named, so that the indexes of the sums lead to each.
    """
    order = ORDERS[query.sort]
    named = [
        list(sources.values()) if values[0] is None else values[0],
        EVERY if values[1] is None else values[1],
        *values[2:],
    ]
    steps, arguments = _steps(query, named[:COLUMN_PARAMETERS])
    few = " union all ".join(
        f"select {_FEW_COLUMNS} from {_NOW} where {part} and p.status <> '' and {FILTERS}"  # noqa: S608  # nosec B608 -- as below
        for part in _PARTS[query.state]
    )
    sql = f"""
with few as materialized ({few})
select p.source_id, p.id, {order.columns}
from few as p
where {steps}
order by {order.clause}
limit ${len(arguments)}
"""  # noqa: S608  # nosec B608 -- made of constants
    return list(await connection.fetch(sql, *arguments))


async def _find_uncounted(connection: Connection, query: ProblemQuery, values: list[Any]) -> FoundRows:
    """The same for a list of nobody knows how many: a few are read, counted and sorted at once; more are walked."""
    order = ORDERS[query.sort]
    steps, arguments = _steps(query, values[:COLUMN_PARAMETERS])
    sql = f"""
with few as materialized (
    select {_FEW_COLUMNS} from {_NOW} where {SHOWN[query.state]} and {FILTERS}
    limit {FEW + 1}
),
found as (
    select p.source_id, p.id, {order.columns}, row_number() over (order by {order.clause}) as place
    from few as p
    where {steps}
    order by {order.clause}
    limit ${len(arguments)}
)
select t.counted, f.*
from (select count(*) as counted from few) as t
left join found as f on true
order by f.place
"""  # noqa: S608  # nosec B608 -- made of constants
    rows = await connection.fetch(sql, *arguments)
    counted = rows[0]["counted"]
    if counted > FEW:
        return FoundRows(await _find(connection, query, values), FEW, more=True)
    return FoundRows([row for row in rows if row["id"] is not None], counted, more=False)


def _steps(query: ProblemQuery, arguments: list[Any]) -> tuple[str, list[Any]]:
    """The condition on the place where a page begins, and the parameters with it and with how many rows it takes."""
    order = ORDERS[query.sort]
    steps = []
    for step in order.steps(order.cursor(query.after)):
        steps.append(f"(true{step.condition(len(arguments))})")
        arguments = [*arguments, *step.arguments]
    return " or ".join(steps), [*arguments, query.limit + 1]


async def _count_then(connection: Connection, query: ProblemQuery, values: list[Any]) -> int:
    """Count the problems of a list as of then; MOST_COUNTED + 1 stands for all numbers above."""
    sql = f"""
select count(*) from (
    select from {_THEN}
    where {SHOWN[query.state]} and {FILTERS} and {SEARCHES} and {_OWN}
    limit {MOST_COUNTED + 1}
) as t
"""  # noqa: S608  # nosec B608 -- made of constants
    counted: int = await connection.fetchval(sql, *_with_instant(values, query))
    return counted


async def facets(connection: Connection) -> Sequence[Facet]:
    """Return the sums that the numbers beside the filters are made of; about 0.2 s for a million problems."""
    rows = await connection.fetch(queries("problem_list")["facets"])
    return [Facet(**row) for row in rows]


async def extra_columns(connection: Connection) -> Sequence[str]:
    """Return the columns of the sources' own attributes, with `EXTRA` before their names."""
    return [f"{EXTRA}{row['name']}" for row in await connection.fetch(queries("problem_list")["extra_columns"])]


async def all_sources(connection: Connection) -> Mapping[str, int]:
    """Return the ids of all sources by their names, in the order of these."""
    return {row["name"]: row["id"] for row in await connection.fetch(queries("problem_list")["sources"])}


async def write_csv(
    connection: Connection, query: ProblemQuery, now: datetime, write: Callable[[bytes], Coroutine[Any, Any, None]]
) -> None:
    """Write the whole list as CSV, in its order, with its columns; for a connection without a statement timeout."""
    values = await values_of(connection, query, now, await all_sources(connection))
    columns = ", ".join(_text_of(column) for column in query.col)
    if searches(values) and (await searched_list.kept_words(connection, query)).usable:
        await searched_list.write_csv(connection, query, values, columns, write)
        return
    report = "report.service_problem" if query.as_of is None else "report.service_problem_at($15::timestamptz)"
    sql = f"""
select {columns}
from {_relation(query)}
inner join bridge.source as o on p.source_id = o.id
inner join {report} as r on o.name = r.source and p.id = r.id
{EXTRA_JOIN if query.extra else ""}{LINKED_JOIN if query.linked else ""}
where {SHOWN[query.state]} and {FILTERS} and {SEARCHES} and {_OWN}
order by {ORDERS[query.sort].clause}
"""  # noqa: S608  # nosec B608 -- made of constants
    await connection.copy_from_query(sql, *_with_instant(values, query), output=write, format="csv", header=True)


async def _rows(connection: Connection, query: ProblemQuery, keys: Sequence[Any]) -> list[dict[str, Any]]:
    ids = ([row["source_id"] for row in keys], [row["id"] for row in keys])
    if query.as_of is None:
        rows = await connection.fetch(queries("problem_list")["rows"], *ids)
    else:
        rows = await connection.fetch(queries("problem_list")["rows_then"], *ids, query.as_of)
    shown = [dict(row) for row in rows]
    if query.extra and rows:
        shown = _joined(shown, await connection.fetch(_extra_of(query.extra), *ids))
    if query.linked and rows:
        shown = _joined(shown, await connection.fetch(_LINKED_OF, *ids))
    return shown


def _joined(rows: list[dict[str, Any]], more: Sequence[Any]) -> list[dict[str, Any]]:
    return [row | dict(others) for row, others in zip(rows, more, strict=True)]


def _extra_of(columns: Sequence[str]) -> str:
    return f"""
select {", ".join(_extra_text(one) for one in columns)}
from unnest($1::smallint[], $2::text[]) with ordinality as k (source_id, id, place)
inner join bridge.source as s on k.source_id = s.id
inner join report.service_problem_extra as x on s.name = x.source and k.id = x.id
order by k.place
"""  # noqa: S608  # nosec B608 -- names that `read_query` knows, quoted


def _extra_text(column: str) -> str:
    """A column of a source's own attributes, whatever its type, as text under its full name."""
    name = column.removeprefix(EXTRA).replace('"', '""')
    return f"""to_json(x."{name}") #>> '{{}}' as "{EXTRA}{name}\""""


def _with_instant(values: list[Any], query: ProblemQuery) -> list[Any]:
    return values if query.as_of is None else [*values, query.as_of]


def _relation(query: ProblemQuery) -> str:
    return _NOW if query.as_of is None else _THEN


def _text_of(column: str) -> str:
    """A column as it goes into a CSV, with its name."""
    if column.startswith(EXTRA):
        text, _, name = _extra_text(column).partition(" as ")
        return f"{_GUARDED.format(f'({text})')} as {name}"
    if column in LINKED:
        text = f"array_to_string(l.{column}, ', ')"
        return f"{_GUARDED.format(text)} as {column}"
    if column in _INSTANTS:
        return f"to_json(r.{column}) #>> '{{}}' as {column}"
    return f"{f'r.{column}' if column in _NUMBERS else _GUARDED.format(f'r.{column}')} as {column}"
