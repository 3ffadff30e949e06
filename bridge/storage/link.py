"""Links: two tickets that are kept in step.

The decider, the senders and the commands write to them. Each locks the rows that it changes (`lock`) or writes with
the revision that it read (`save`): one that another writer changed meanwhile is not written, ConcurrentUpdateError.

Locks are taken in one order: the lease, the rule, links, then what observations lock (problems, requests to fetch), and
the outbox, notes and conflicts of links that are locked already. Several links are locked at once, in the order of
their ids; who holds some and needs more takes them only where nobody else holds them (`lock_more`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from msgspec import Struct, field

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.storage.database import Connection
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.queries import queries
from bridge.storage.row_builder import columns

BaseOfFields = dict[str, tuple[str, str]]
"""Field → what left and right said when it was last settled."""


class LinkRow(Struct, frozen=True):
    """A row of bridge.link; the comments of its columns hold here too.

    Mark: of a side that was written to, {"updated_at", "version", "answered_at"}. Revision of a side: of the
    ticket that was last decided on.
    """

    id: int
    rule_id: int
    key: str
    origin: str
    state: LinkState
    state_since: datetime
    created_at: datetime
    generation: int = 0
    revision: int = 1
    state_reason: str | None = None
    left_id: str | None = None
    right_id: str | None = None
    left_revision: int | None = None
    right_revision: int | None = None
    base: BaseOfFields = field(default_factory=dict)
    left_mark: dict[str, Any] | None = None
    right_mark: dict[str, Any] | None = None
    intent: dict[str, Any] | None = None
    linked_at: datetime | None = None
    checked_at: datetime | None = None
    behind_since: datetime | None = None
    unsure_until: datetime | None = None

    def ticket(self, side: Side) -> str | None:
        """The ticket of a side."""
        return self.left_id if side is Side.LEFT else self.right_id

    @property
    def tickets(self) -> list[tuple[Side, str]]:
        """The side and id of each ticket."""
        return [(side, ticket_id) for side in Side if (ticket_id := self.ticket(side)) is not None]

    def revision_of(self, side: Side) -> int | None:
        """The revision of the ticket of a side that was last decided on; None: it was never decided on."""
        return self.left_revision if side is Side.LEFT else self.right_revision

    def mark(self, side: Side) -> dict[str, Any] | None:
        """The mark of a side."""
        return self.left_mark if side is Side.LEFT else self.right_mark


class NewLink(Struct, frozen=True):
    """A link to be added. `origin`: left, right, match or operator."""

    rule_id: int
    key: str
    origin: str
    state: LinkState
    left_id: str | None = None
    right_id: str | None = None
    generation: int = 0
    state_reason: str | None = None
    linked_at: datetime | None = None


async def add(connection: Connection, links: Sequence[NewLink]) -> dict[str, int]:
    """Add links and return their ids by key; one whose key or ticket is linked already is left out."""
    rows = [
        (
            new.rule_id,
            new.generation,
            new.origin,
            new.key,
            new.left_id,
            new.right_id,
            new.state.value,
            new.state_reason,
            new.linked_at,
        )
        for new in links
    ]
    if not rows:
        return {}
    return {row["key"]: row["id"] for row in await connection.fetch(queries("link")["add"], *columns(rows))}


async def read(connection: Connection, link_ids: Iterable[int]) -> dict[int, LinkRow]:
    """Return links by id."""
    rows = await connection.fetch(queries("link")["by_id"], sorted(set(link_ids)))
    return {row["id"]: _read(row.items()) for row in rows}


async def lock(connection: Connection, link_ids: Iterable[int]) -> dict[int, LinkRow]:
    """The same, locked until the end of the transaction."""
    rows = await connection.fetch(queries("link")["lock"], sorted(set(link_ids)))
    return {row["id"]: _read(row.items()) for row in rows}


async def lock_more(connection: Connection, link_ids: Iterable[int]) -> dict[int, LinkRow]:
    """The same in a transaction that holds links; ConcurrentUpdateError when somebody else holds one of these, who may
    be waiting for ours.
    """
    wanted = set(link_ids)
    rows = await connection.fetch(queries("link")["lock_more"], sorted(wanted))
    if len(rows) != len(wanted):
        raise ConcurrentUpdateError("another writer holds one of the links")
    return {row["id"]: _read(row.items()) for row in rows}


async def of_tickets(
    connection: Connection, rule_id: int, left_ids: Iterable[str] = (), right_ids: Iterable[str] = ()
) -> list[int]:
    """Return the links of a rule that have one of these tickets, those that a person separated too."""
    rows = await connection.fetch(queries("link")["of_tickets"], rule_id, sorted(left_ids), sorted(right_ids))
    return sorted({row["id"] for row in rows})


async def decided_on(
    connection: Connection, rule_id: int, revisions: Mapping[tuple[Side, str], int]
) -> set[tuple[Side, str]]:
    """Return those of these tickets (side and id → revision) whose links were decided on these revisions."""
    ids = {side: [ticket_id for each, ticket_id in revisions if each is side] for side in Side}
    rows = await connection.fetch(queries("link")["decided_on"], rule_id, ids[Side.LEFT], ids[Side.RIGHT])
    found = {(Side(row["side"]), row["id"]): row["revision"] for row in rows}
    return {place for place, revision in found.items() if revisions.get(place) == revision}


async def keys(connection: Connection, wanted: Iterable[str]) -> set[str]:
    """Return those of these keys that a link has."""
    rows = await connection.fetch(queries("link")["keys"], sorted(set(wanted)))
    return {row["key"] for row in rows}


async def by_key(connection: Connection, keys: Iterable[str]) -> list[int]:
    """Return the links with one of these keys."""
    return [row["id"] for row in await connection.fetch(queries("link")["by_key"], sorted(keys))]


async def find(connection: Connection, named: str, rule: str | None = None) -> list[int]:
    """Return the links that a person names by number, key or either ticket."""
    return [row["id"] for row in await connection.fetch(queries("link")["find"], named, rule)]


async def save(connection: Connection, links: Sequence[LinkRow]) -> None:
    """Write links as they were decided; ConcurrentUpdateError when another writer changed one since it was read."""
    if not links:
        return
    rows = [
        (
            one.id,
            one.revision,
            one.state.value,
            one.state_reason,
            one.left_id,
            one.right_id,
            one.left_revision,
            one.right_revision,
            orjson.dumps(one.base),
            _json(one.left_mark),
            _json(one.right_mark),
            _json(one.intent),
            one.linked_at,
            one.checked_at,
            one.behind_since,
            one.unsure_until,
        )
        for one in sorted(links, key=lambda link: link.id)
    ]
    written = await connection.fetch(queries("link")["save"], *columns(rows))
    if len(written) != len(rows):
        raise ConcurrentUpdateError("another writer changed the same links first")


async def remove(connection: Connection, link_ids: Sequence[int]) -> None:
    """Forget tickets that wanted a counterpart and no longer meet the filter."""
    await connection.execute(queries("link")["remove"], list(link_ids))


async def in_state(connection: Connection, rule_id: int, state: LinkState, *, after: int = 0, limit: int) -> list[int]:
    """Return the next links of a rule in a state."""
    rows = await connection.fetch(queries("link")["in_state"], rule_id, state.value, after, limit)
    return [row["id"] for row in rows]


async def undecided(connection: Connection, rule_id: int, *, limit: int) -> list[int]:
    """Return links of a rule that are to be decided whatever changed: they were joined, or a write was given up."""
    return [row["id"] for row in await connection.fetch(queries("link")["undecided"], rule_id, limit)]


async def unsettled(
    connection: Connection,
    source_id: int,
    at: datetime,
    *,
    rule_ids: Iterable[int],
    busy: Iterable[int] = (),
    limit: int,
) -> list[int]:
    """Return links of rules with a request to that source of which no outcome is known, as far as they may be settled
    now, those first that have waited longest; `busy`: links that this process works on.
    """
    values = source_id, at, sorted(busy), sorted(rule_ids), limit
    rows = await connection.fetch(queries("link")["unsettled"], *values)
    return [row["id"] for row in rows]


async def pruned(
    connection: Connection, rule_id: int, left_source_id: int, right_source_id: int, *, limit: int
) -> list[int]:
    """Return links of a rule of whose tickets one was known once and is no more."""
    rows = await connection.fetch(queries("link")["pruned"], rule_id, left_source_id, right_source_id, limit)
    return [row["id"] for row in rows]


async def count(connection: Connection) -> list[tuple[str, str, int]]:
    """(rule, state, links)."""
    return [(row["rule"], row["state"], row["links"]) for row in await connection.fetch(queries("link")["count"])]


async def count_linked(connection: Connection, rule_id: int) -> int:
    """Return how many links of a rule join two tickets."""
    return int(await connection.fetchval(queries("link")["count_linked"], rule_id))


async def listed(
    connection: Connection,
    *,
    rule: str | None = None,
    state: str | None = None,
    behind: bool = False,
    conflicts: bool = False,
    after: int = 0,
    limit: int,
) -> list[dict[str, Any]]:
    """Return links for people, as `report.link` has them."""
    rows = await connection.fetch(queries("link")["listed"], rule, state, behind, conflicts, after, limit)
    return [dict(row) for row in rows]


def _read(row: Iterable[tuple[str, Any]]) -> LinkRow:
    values = dict(row)
    values["state"] = LinkState(values["state"])
    values["base"] = {name: (pair[0], pair[1]) for name, pair in orjson.loads(values["base"]).items()}
    for name in ("left_mark", "right_mark", "intent"):
        if values[name] is not None:
            values[name] = orjson.loads(values[name])
    return LinkRow(**values)


def _json(value: dict[str, Any] | None) -> bytes | None:
    return None if value is None else orjson.dumps(value)
