"""The list of problems where a condition takes the body of each problem: columns of the sources' own attributes, and
words while none are kept.

Nothing leads to such problems, so the list without that condition is walked in its order, piece by piece, until a page
is full or a second is over. A page that ends before says how many problems it looked at, and the next one goes on
there: no list is too long for this, it only takes more pages.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from msgspec import Struct

from bridge.domain.problem_query import ProblemQuery
from bridge.storage.database import Connection
from bridge.storage.list_condition import FILTERS, OWN, SEARCHES, SHOWN
from bridge.storage.list_order import ORDERS, ListStep

MOST_SECONDS: Final = 1.0
FIRST_PIECE: Final = 500
_PIECE_SECONDS: Final = 0.25
"""How long a piece is meant to take."""
_LONGEST_PIECE: Final = 20_000

BY_BODY: Final = f"""(
        select {SEARCHES} and {OWN.format("p")}
        from bridge.console_problem as p
        where p.source_id = c.source_id and p.id = c.id
    )"""  # noqa: S608  # nosec B608 -- made of constants
"""Whether a candidate `c` is in the list."""


class FoundRows(Struct, frozen=True):
    """Keys of a page and of one row more, if there is one; how many the list has, `more` for more than that.
    `looked_at`: the page ended after so many problems, before it was full, and the next one begins at `after`.
    """

    rows: Sequence[Any]
    counted: int
    more: bool
    looked_at: int | None = None
    after: str = ""


async def find(
    connection: Connection,
    query: ProblemQuery,
    values: list[Any],
    *,
    test: str = BY_BODY,
    before: str = "",
    arguments: Sequence[Any] = (),
) -> FoundRows:
    """Find a page; CursorError for a wrong `after`. `test`: a condition on a candidate `c`, `before`: common table
    expressions that it needs, `arguments`: of both, after `values`.
    """
    order = ORDERS[query.sort]
    given = [*values, *arguments]
    until = monotonic() + MOST_SECONDS
    found: list[Any] = []
    looked_at, piece = 0, FIRST_PIECE
    steps = order.steps(order.cursor(query.after))
    while steps:
        began = monotonic()
        sql = _statement(query, steps[0], len(given), test, before)
        rows = await connection.fetch(sql, *given, *steps[0].arguments, piece)
        found += [row for row in rows if row["hit"]]
        walked = rows[0]["walked"] if rows else 0
        looked_at += walked
        if walked < piece:
            steps = steps[1:]
        elif len(found) <= query.limit:
            place = order.place(dict(rows[-1]))
            if monotonic() >= until:
                return FoundRows(found, len(found), more=True, looked_at=looked_at, after=place)
            steps = order.steps(order.cursor(place))
        if steps and len(found) > query.limit and looked_at >= FIRST_PIECE:
            return FoundRows(found, len(found), more=True)
        piece = _next_piece(piece, monotonic() - began)
    return FoundRows(found, len(found), more=bool(query.after))


def _next_piece(piece: int, seconds: float) -> int:
    """So many problems that they take about a quarter of a second, and at most four times as many as before."""
    wanted = int(piece * _PIECE_SECONDS / max(seconds, 0.001))
    return max(FIRST_PIECE, min(wanted, 4 * piece, _LONGEST_PIECE))


def _statement(query: ProblemQuery, step: ListStep, given: int, test: str, before: str) -> str:
    """The next candidates: those that are in the list, and the last one, which says where to go on."""
    order = ORDERS[query.sort]
    return f"""
with {before}candidate as materialized (
    select p.source_id, p.id, {order.columns}, row_number() over (order by {step.order}) as place
    from bridge.console_problem as p
    where {SHOWN[query.state]} and {FILTERS}{step.condition(given)}
    order by {step.order}
    limit ${given + len(step.arguments) + 1}
),
walked as (select count(*) as walked from candidate),
tested as (
    select c.*, t.walked, ({test}) is true as hit
    from candidate as c
    cross join walked as t
)
select t.* from tested as t
where t.hit or t.place = t.walked
order by t.place
"""  # noqa: S608  # nosec B608 -- made of constants
