"""The list of problems where words, a service, a party or a place are asked for, by the words that are kept for it
(`bridge.storage.problem_search`).

Common and rare words need different ways, and no estimate tells which a word is. So the first rows of the list without
the search are looked at: when enough of them are found, that is the page, and there are more than can be counted.
Otherwise what is searched is rare here: all of it comes from the index on words, is sorted, and is counted exactly.

What changed since its words were made is looked at itself, as is a problem whose words do not fit.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from msgspec import Struct

from bridge.domain.problem_query import ProblemQuery, Show
from bridge.storage import walked_list
from bridge.storage.database import Connection
from bridge.storage.list_condition import (
    EXTRA_JOIN,
    FILTERS,
    LINKED_JOIN,
    OWN,
    PARAMETERS,
    SEARCHES,
    SHOWN,
    WORDS,
    references,
)
from bridge.storage.list_order import ORDERS
from bridge.storage.queries import queries
from bridge.storage.walked_list import FoundRows

MOST_WALKED: Final = 2000
"""Rows of the list that are looked at for a common word."""
MOST_LOOKED_UP: Final = 100_000
"""Problems with the words that are looked up and sorted; the list of more is walked, until a second is over."""
MOST_READ: Final = 5_000
"""The same where the body of each is read, for columns of the sources' own."""
FEW_LOOKED_UP: Final = 2_000
"""Of more, those of a state that few problems have are picked out first."""
MOST_BEHIND: Final = 20_000
"""Changes whose problems are looked at by a search; with more a page says that it may lack some."""
SAMPLED_PERCENT: Final = 0.02
"""Of the pages of the table of words: some hundred rows of a million."""

_PENDING: Final = "pending as materialized (select u.source_id, u.id from bridge.unsearched({0}::integer) as u)"
_QUERY: Final = "bridge.search_query($13::text[], $15::text[])"
_NARROW: Final = "bridge.search_query($16::text[], $15::text[])"
"""Without the words that most problems have: the index would go through all of their entries."""
_BY_BODY: Final = f"""(
    select {SEARCHES}
    from bridge.console_problem as p
    where p.source_id = {{0}}.source_id and p.id = {{0}}.id
)"""  # noqa: S608  # nosec B608 -- made of constants
_NAMED: Final = f"""
by_words as materialized (
    (
        select w.source_id, w.id
        from bridge.problem_search as w
        where
            w.words @@ {_NARROW} and (w.words @@ {_QUERY}) is true and w.complete
            and ($1::smallint[] is null or w.source_id = any($1))
            and (w.source_id, w.id) not in (select t.source_id, t.id from pending as t)
        limit {{0}}
    )
    union all
    select l.source_id, l.id
    from (
        select t.source_id, t.id from pending as t
        union
        select w.source_id, w.id from bridge.problem_search as w where not w.complete
    ) as l
    where {_BY_BODY.format("l")}
)"""  # noqa: S608  # nosec B608 -- made of constants
"""Keys of the problems with the words; of the index so many at most."""
_PICKED: Final[Mapping[Show, str]] = {
    show: f"""
        and ((select count(*) from by_words) <= {FEW_LOOKED_UP} or (n.source_id, n.id) in (
            select p.source_id, p.id from bridge.console_problem as p where {condition}
        ))"""  # noqa: S608  # nosec B608 -- made of constants
    for show, condition in (
        # as in the conditions of service_problem_open_status_age_idx and service_problem_deleted_updated_at_idx
        (Show.OPEN, "p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected')"),
        (Show.DELETED, "p.deleted_at is not null"),
    )
}
"""Few problems are open or deleted: their keys come from an index, sooner than each of many is looked up."""

_ONE: Final = """
        select
            o.source_id, o.id, o.status, o.category, o.priority, o.created_at, o.updated_at, o.status_changed_at,
            o.first_seen_at, o.deleted_at
        from bridge.console_problem as o
        where o.source_id = n.source_id and o.id = n.id
        limit 1
    """
"""A problem that was found, by its key: `limit` keeps the planner from reading all problems where it takes what is
found for many.
"""


_HIT: Final = f"""case
        when (c.source_id, c.id) in (select t.source_id, t.id from pending as t) then {_BY_BODY.format("c")}
        else (
            select case when w.complete then w.words @@ {_QUERY} else {_BY_BODY.format("w")} end
            from bridge.problem_search as w
            where w.source_id = c.source_id and w.id = c.id
        )
    end"""  # noqa: S608  # nosec B608 -- made of constants
"""Whether a candidate `c` has the words."""


class KeptWords(Struct, frozen=True):
    """What a list can be searched by. `usable`: there are words for all problems that it can have; `behind`: some
    changes will be missing; `made`: for so many problems so far, while the first words are made.
    """

    usable: bool = False
    behind: bool = False
    made: int | None = None


async def kept_words(connection: Connection, query: ProblemQuery) -> KeptWords:
    """Return what there are words for."""
    if query.as_of is not None:
        return KeptWords()
    row = await connection.fetchrow(queries("problem_list")["search_state"], MOST_BEHIND + 1)
    assert row is not None  # noqa: S101 -- functions always answer
    usable = row["covers"] == "all" or (row["covers"] == "open" and query.state is Show.OPEN)
    return KeptWords(usable, usable and row["waiting"] > MOST_BEHIND, row["scanned"])


async def find(connection: Connection, query: ProblemQuery, values: list[Any]) -> FoundRows:
    """Find a page; CursorError for a wrong `after`."""
    found = await _walk(connection, query, values)
    if found is not None:
        return found
    return await _look_up(connection, query, values) or await _walk_on(connection, query, values)


async def _walk_on(connection: Connection, query: ProblemQuery, values: list[Any]) -> FoundRows:
    """Look at the rows of the list without the search, for as long as a page may take."""
    test, pending = f"case when {_HIT} then {OWN.format('c')} end", f"{_PENDING.format(MOST_BEHIND)},\n"
    return await walked_list.find(connection, query, values, test=test, before=pending, arguments=[references(values)])


async def _walk(connection: Connection, query: ProblemQuery, values: list[Any]) -> FoundRows | None:
    """Look at the next rows of the list without the search; None where too few of them are found."""
    order = ORDERS[query.sort]
    found: list[Any] = []
    left = MOST_WALKED
    for step in order.steps(order.cursor(query.after)):
        arguments = [*values, references(values), *step.arguments, left]
        sql = f"""
with {_PENDING.format(MOST_BEHIND)},
candidate as materialized (
    select p.source_id, p.id, {order.columns}, row_number() over (order by {step.order}) as place
    from bridge.console_problem as p
    where {SHOWN[query.state]} and {FILTERS}{step.condition(PARAMETERS + 1)}
    order by {step.order}
    limit ${len(arguments)}
),
hit as (
    select c.* from candidate as c
    where {_HIT} and {OWN.format("c")}
)
select t.walked, h.*
from (select count(*) as walked from candidate) as t
left join hit as h on true
order by h.place
"""  # noqa: S608  # nosec B608 -- made of constants
        rows = await connection.fetch(sql, *arguments)
        found += [row for row in rows if row["id"] is not None]
        left -= rows[0]["walked"]
        if left <= 0:
            break
    if left > 0:  # that was all
        return FoundRows(found[: query.limit + 1], len(found), more=bool(query.after))
    return FoundRows(found[: query.limit + 1], len(found), more=True) if len(found) > query.limit else None


async def _look_up(connection: Connection, query: ProblemQuery, values: list[Any]) -> FoundRows | None:
    """Find everything by its words, and sort it; None where too many problems have them."""
    order = ORDERS[query.sort]
    most = MOST_READ if query.own else MOST_LOOKED_UP
    arguments = [*values, references(values), await _narrow(connection, values)]
    parts = []
    for step in order.steps(order.cursor(query.after)):
        parts.append(f"(true{step.condition(len(arguments))})")
        arguments += step.arguments
    arguments.append(query.limit + 1)
    sql = f"""
with {_PENDING.format(MOST_BEHIND)},
{_NAMED.format(most + 1)},
listed as materialized (
    select p.source_id, p.id, p.priority, p.created_at, p.updated_at, p.first_seen_at, p.status_changed_at
    from by_words as n
    cross join lateral ({_ONE}) as p
    where (select count(*) from by_words) <= {most}{_PICKED.get(query.state, "")}
        and {SHOWN[query.state]} and {FILTERS} and {OWN.format("p")}
),
after as (
    select p.source_id, p.id, {order.columns}, row_number() over (order by {order.clause}) as place
    from listed as p
    where {" or ".join(parts)}
    order by {order.clause}
    limit ${len(arguments)}
)
select t.counted, t.named, a.*
from (select (select count(*) from listed) as counted, (select count(*) from by_words) as named) as t
left join after as a on true
order by a.place
"""  # noqa: S608  # nosec B608 -- made of constants
    rows = await connection.fetch(sql, *arguments)
    if rows[0]["named"] > most:
        return None
    return FoundRows([row for row in rows if row["id"] is not None], rows[0]["counted"], more=False)


async def _narrow(connection: Connection, values: list[Any]) -> list[str] | None:
    """The words that are asked for without those that most problems have, by a sample; all of them where nothing else
    would be left.
    """
    words: list[str] | None = values[WORDS]
    if words is None or len(words) + len(references(values) or ()) < 2:
        return words
    rows = await connection.fetch(queries("problem_list")["broad_words"], words, SAMPLED_PERCENT)
    narrow = [word for word in words if word not in {row["word"] for row in rows}]
    return narrow or (words if references(values) is None else None)


async def write_csv(
    connection: Connection,
    query: ProblemQuery,
    values: list[Any],
    columns: str,
    write: Callable[[bytes], Coroutine[Any, Any, None]],
) -> None:
    """Write the whole list as CSV, with columns of `r`, in its order."""
    sql = f"""
with {_PENDING.format("null")},
{_NAMED.format("null")}
select {columns}
from by_words as n
inner join bridge.console_problem as p on n.source_id = p.source_id and n.id = p.id
inner join bridge.source as o on p.source_id = o.id
inner join report.service_problem as r on o.name = r.source and p.id = r.id
{EXTRA_JOIN if query.extra else ""}{LINKED_JOIN if query.linked else ""}
where {SHOWN[query.state]} and {FILTERS} and {OWN.format("p")}
order by {ORDERS[query.sort].clause}
"""  # noqa: S608  # nosec B608 -- made of constants
    arguments = [*values, references(values), await _narrow(connection, values)]
    await connection.copy_from_query(sql, *arguments, output=write, format="csv", header=True)
