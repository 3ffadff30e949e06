"""The conditions of the list of problems as SQL about a problem `p`, and the values of their parameters.

A statement is put together from the constants of this module and its order; every value is a parameter. A condition
that is not set compares a parameter that is null: the front's sessions plan with the values, so that condition is not
in the plan.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from bridge.domain.problem_query import EXTRA, ProblemQuery, Show
from bridge.domain.status import Status
from bridge.storage.database import Connection
from bridge.storage.queries import queries

SHOWN: Final[Mapping[Show, str]] = {
    Show.OPEN: "p.deleted_at is null",
    Show.CLOSED: "p.deleted_at is null",
    Show.DELETED: "p.deleted_at is not null",
    Show.ALL: "true",
}
"""What a list shows, but for the statuses: `values_of` names them, because an index goes past others by them."""
EVERY: Final = [one.value for one in Status]
_FINISHED: Final = [one.value for one in (Status.RESOLVED, Status.CLOSED, Status.CANCELLED, Status.REJECTED)]
_STATUSES: Final[Mapping[Show, list[str]]] = {
    Show.OPEN: [one for one in EVERY if one not in _FINISHED],
    Show.CLOSED: _FINISHED,
}
"""Which statuses a list can have, where not every one."""
FILTERS: Final = """
    ($1::smallint[] is null or p.source_id = any($1))
    and ($2::text[] is null or p.status = any($2))
    and ($3::integer[] is null or p.priority = any($3))
    and ($4::text[] is null or p.category = any($4))
    and ($5::timestamptz is null or p.updated_at >= $5) and ($6::timestamptz is null or p.updated_at < $6)
    and ($7::timestamptz is null or p.created_at >= $7) and ($8::timestamptz is null or p.created_at < $8)
    and ($9::text is null or p.id = $9)"""
"""Conditions that columns answer."""
SEARCHES: Final = """
    ($10::text is null or exists (
        select from bridge.list_element(p.body -> 'affectedService', 'id') as e
        where $10 in (e.item ->> 'id', e.item ->> 'name')
    ))
    and ($11::text is null or exists (
        select from bridge.list_element(p.body -> 'relatedParty', 'name') as e
        where $11 in (e.item ->> 'partyId', e.item ->> 'id', e.item ->> 'partyName', e.item ->> 'name')
    ))
    and ($12::text is null or exists (
        select from bridge.list_element(p.body -> 'affectedLocation', 'name') as e
        where $12 in (e.item ->> 'id', e.item ->> 'name')
    ))
    and ($13::text[] is null or bridge.search_finds(p.id, p.body, $13))"""
"""Conditions that take the body, problem by problem."""
OWN: Final = """(
    $14::jsonb is null or exists (
        select from report.service_problem_extra as y
        inner join bridge.source as z on y.source = z.name
        where z.id = {0}.source_id and y.id = {0}.id and not exists (
            select from jsonb_each($14::jsonb) as w
            where (w.value ? (to_jsonb(y) ->> w.key)) is not true
        )
    )
)"""
"""The condition on columns of the sources' own attributes, of a problem {0}: with each name one of its values."""
EXTRA_JOIN: Final = "inner join report.service_problem_extra as x on o.name = x.source and p.id = x.id"
"""For columns of the sources' own attributes, where there is a source `o`."""
LINKED_JOIN: Final = """
left join lateral (
    select
        array_agg(t.name order by c.link_id) as linked_source,
        array_agg(c.other_id order by c.link_id) as linked_id,
        array_agg(coalesce(o.body ->> 'href', '') order by c.link_id) as linked_href
    from bridge.console_counterpart as c
    inner join bridge.source as t on c.other_source_id = t.id
    left join bridge.console_problem as o on c.other_source_id = o.source_id and c.other_id = o.id
    where c.source_id = p.source_id and c.id = p.id
) as l on true"""
"""For columns of linked tickets `l` of a problem `p`: arrays, null where there is none."""
COLUMN_PARAMETERS: Final = 9
_SEARCH_PARAMETERS: Final = 13
PARAMETERS: Final = 14
"""How many parameters the first has, and all."""
WORDS: Final = _SEARCH_PARAMETERS - 1
"""The place of the words among the values."""
_REFERENCES: Final = (("service", 9), ("party", 10), ("place", 11))


async def values_of(
    connection: Connection, query: ProblemQuery, now: datetime, sources: Mapping[str, int]
) -> list[Any]:
    """The parameters of both, in order; a text that is the id of a problem finds that problem only. `sources`: the ids
    of all, by name.
    """
    chosen = [number for name, number in sources.items() if name in query.source] if query.source else None
    exact = None
    if query.q:
        found = await connection.fetchval(queries("problem_list")["has_id"], list(sources.values()), query.q)
        exact = query.q if found else None
    return [
        chosen,
        _statuses(query),
        list(query.priority) or None,
        list(query.category) or None,
        *query.changed.bounds(now),
        *query.created.bounds(now),
        exact,
        query.service or None,
        query.party or None,
        query.region or None,
        None if exact is not None else list(query.words) or None,
        _own(query),
    ]


def _statuses(query: ProblemQuery) -> list[str] | None:
    """Those that are asked for and that the state can have; None for every one."""
    possible = _STATUSES.get(query.state)
    if possible is None:
        return list(query.status) or None
    return [one for one in query.status if one in possible] if query.status else possible


def _own(query: ProblemQuery) -> bytes | None:
    values: dict[str, list[str]] = {}
    for name, text in query.own:
        values.setdefault(name.removeprefix(EXTRA), []).append(text)
    return orjson.dumps(values) if values else None


def searches(values: list[Any]) -> bool:
    """Is anything set that words are kept for?"""
    return any(value is not None for value in values[COLUMN_PARAMETERS:_SEARCH_PARAMETERS])


def references(values: list[Any]) -> list[str] | None:
    """What bridge.problem_search has for the service, party and place that are asked for."""
    return [f"{what} {values[place]}" for what, place in _REFERENCES if values[place] is not None] or None
