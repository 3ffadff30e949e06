"""Writes that wait, are under way or have ended, one row each.

A sender reads what is `due`, reads the target, decides again, and calls `begin` in the transaction that stores the
intent in the link: from then on the request may have been sent. What a crash leaves in state `sending` is found by
`sending`, and settled by reading the target. At most one row of a link is being sent at a time.

All of these run in the caller's transaction, which the caller fences (`lease.LeaderFence`); the functions for people
(`requeue`) need no lease.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from msgspec import Struct

from bridge.domain.link.word_map import Side
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.queries import queries
from bridge.storage.row_builder import columns


class WriteKind(StrEnum):
    """What is to be done at the target."""

    CREATE = "create"
    UPDATE = "update"
    NOTE = "note"
    END_DUPLICATE = "end_duplicate"


class WriteOutcome(StrEnum):
    """How a write ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    """The target said so already."""
    REFUSED = "refused"
    """The target took it and did not keep it."""
    DROPPED = "dropped"
    """Nothing was missing any more."""


class Wanted(Struct, frozen=True):
    """Something to be written to a side of a link.

    `item`: the code of a note, the id of a duplicate. `fields`: {field: {"from", "to"}}. `cause`: {"source", "id",
    "revision", "via", "changed_at", "observed_at"}.
    """

    link_id: int
    rule_id: int
    source_id: int
    side: Side
    kind: WriteKind
    item: str = ""
    ends_ticket: bool = False
    fields: dict[str, Any] = {}
    cause: dict[str, Any] | None = None


class OutboxRow(Struct, frozen=True):
    """An open row. `state`: waiting, sending or blocked."""

    id: int
    link_id: int
    rule_id: int
    source_id: int
    side: Side
    kind: WriteKind
    item: str
    state: str
    attempts: int
    due_at: datetime
    token: int | None
    sent_at: datetime | None
    ends_ticket: bool
    fields: dict[str, Any]
    cause: dict[str, Any] | None
    status: int | None
    error: str | None
    created_at: datetime

    def target_of(self, link: LinkRow) -> str | None:
        """The ticket that is written to."""
        return self.item if self.kind is WriteKind.END_DUPLICATE else link.ticket(self.side)


class OpenWrites(Struct, frozen=True):
    """How many rows of a kind are open, and since when the oldest. `runs`: their rule is on."""

    target: str
    rule: str
    kind: str
    state: str
    runs: bool
    writes: int
    oldest_at: datetime


async def put(connection: Connection, wanted: Sequence[Wanted]) -> None:
    """Have these written. A row that is open already says what is missing now; a blocked one waits again only when
    that has changed.
    """
    rows = [
        (
            one.link_id,
            one.rule_id,
            one.source_id,
            one.side.value,
            one.kind.value,
            one.item,
            one.ends_ticket,
            orjson.dumps(one.fields, option=orjson.OPT_SORT_KEYS),
            None if one.cause is None else orjson.dumps(one.cause),
        )
        for one in wanted
    ]
    if rows:
        await connection.execute(queries("outbox")["put"], *columns(rows))


async def drop(connection: Connection, rows: Sequence[tuple[int, Side, WriteKind]]) -> None:
    """Nothing is missing any more on these sides of these links: end what waits or is blocked."""
    if rows:
        keys = [(link_id, side.value, kind.value) for link_id, side, kind in rows]
        await connection.execute(queries("outbox")["drop"], *columns(keys))


async def due(
    connection: Connection, source_id: int, at: datetime, *, busy: Iterable[int] = (), limit: int
) -> list[OutboxRow]:
    """Return what may be sent to a source now, at most one row a link; `busy`: links that this process works on."""
    found = await connection.fetch(queries("outbox")["due"], source_id, at, sorted(busy), limit)
    rows = await read(connection, [row["id"] for row in found])
    return [rows[row["id"]] for row in found if row["id"] in rows]


async def read(connection: Connection, outbox_ids: Sequence[int]) -> dict[int, OutboxRow]:
    """Return rows by id."""
    rows = await connection.fetch(queries("outbox")["by_id"], list(outbox_ids))
    return {row["id"]: _read(row.items()) for row in rows}


async def open_of(connection: Connection, link_ids: Iterable[int]) -> dict[int, list[OutboxRow]]:
    """Return the open rows of links, by link."""
    found: dict[int, list[OutboxRow]] = {}
    for row in await connection.fetch(queries("outbox")["open_of"], sorted(link_ids)):
        found.setdefault(row["link_id"], []).append(_read(row.items()))
    return found


async def begin(
    connection: Connection, fields: Mapping[int, Mapping[str, Any]], *, token: int | None, at: datetime
) -> set[int]:
    """Mark rows as being sent under a lease; store their intents in the same transaction. `fields`: what is sent, by
    row, each of another link.

    Return those that may be sent. Not one whose rule was paused meanwhile, of whose link another write is not settled,
    or which is gone.
    """
    sent = [orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in fields.values()]
    rows = await connection.fetch(queries("outbox")["begin"], list(fields), token, at, sent)
    return {row["id"] for row in rows}


async def end(
    connection: Connection, outcomes: Mapping[int, WriteOutcome], *, at: datetime, status: int | None = None
) -> set[int]:
    """End rows whose outcomes are known; return those that nobody else has ended."""
    words = [outcome.value for outcome in outcomes.values()]
    return {row["id"] for row in await connection.fetch(queries("outbox")["end"], list(outcomes), words, status, at)}


async def block(
    connection: Connection,
    outbox_id: int,
    error: str,
    *,
    status: int | None = None,
    fields: Mapping[str, Any] | None = None,
) -> bool:
    """Have a person look at it: nothing that we could change would help. `fields`: those still to be written."""
    left = None if fields is None else orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    return await connection.fetchval(queries("outbox")["block"], outbox_id, status, error, left) is not None


async def postpone(
    connection: Connection,
    outbox_id: int,
    due_at: datetime,
    *,
    counted: bool,
    error: str | None = None,
    status: int | None = None,
) -> bool:
    """It was certainly not done: try again at `due_at`. Not `counted`: the target was away or asked for a pause."""
    found = await connection.fetchval(queries("outbox")["postpone"], outbox_id, due_at, int(counted), status, error)
    return found is not None


async def note_error(connection: Connection, outbox_id: int, error: str) -> bool:
    """Say why the outcome of a row is not known; False: it is known by now."""
    return await connection.fetchval(queries("outbox")["note_error"], outbox_id, error) is not None


async def requeue(connection: Connection, link_ids: Sequence[int], *, error: str = "") -> list[int]:
    """Try blocked rows of links again, those with this text in their error; return the links. The caller holds them."""
    rows = await connection.fetch(queries("outbox")["requeue"], list(link_ids), error)
    return sorted({row["link_id"] for row in rows})


async def blocked_links(connection: Connection, rule_id: int, error: str = "") -> list[int]:
    """Return the links of a rule with a blocked row, with this text in its error."""
    return [row["link_id"] for row in await connection.fetch(queries("outbox")["blocked_links"], rule_id, error)]


class BlockedFilter(Struct, frozen=True):
    """Which blocked rows are meant; None: any. `error`: a text that stands in the error."""

    rule: str | None = None
    target: str | None = None
    kind: str | None = None
    error: str | None = None


async def blocked(
    connection: Connection, chosen: BlockedFilter, *, after: int = 0, up_to: int, limit: int
) -> list[int]:
    """Return the next blocked rows, the oldest first."""
    values = (chosen.rule, chosen.target, chosen.kind, chosen.error, after, up_to, limit)
    return [row["id"] for row in await connection.fetch(queries("outbox")["blocked"], *values)]


async def requeue_rows(connection: Connection, outbox_ids: Sequence[int]) -> list[int]:
    """Try these again, as far as they are still blocked. Return the link of each that is."""
    rows = await connection.fetch(queries("outbox")["requeue_rows"], list(outbox_ids))
    return [row["link_id"] for row in rows]


async def sending(connection: Connection, source_id: int, link_ids: Iterable[int]) -> list[OutboxRow]:
    """Return what was sent to a source for these links and whose outcome is not known."""
    rows = await connection.fetch(queries("outbox")["sending"], source_id, sorted(link_ids))
    return [_read(row.items()) for row in rows]


async def next_due(connection: Connection, source_id: int) -> tuple[datetime | None, int]:
    """When the next row of a source may be sent, and how many wait."""
    row = await connection.fetchrow(queries("outbox")["next_due"], source_id)
    return (None, 0) if row is None else (row["due_at"], row["waiting"])


async def figures(connection: Connection) -> list[OpenWrites]:
    """Open rows by target, rule, kind and state."""
    return [OpenWrites(**dict(row)) for row in await connection.fetch(queries("outbox")["figures"])]


async def oscillating(connection: Connection, *, since: datetime, writes: int) -> list[tuple[str, int, str]]:
    """(rule, link, field) of fields that were written at least `writes` times since, and to both sides."""
    rows = await connection.fetch(queries("outbox")["oscillating"], since, writes)
    return [(row["rule"], row["link_id"], row["field"]) for row in rows]


async def begun_since(connection: Connection, rule_id: int, at: datetime) -> int:
    """Return how many creates of a rule were begun since."""
    return int(await connection.fetchval(queries("outbox")["begun_since"], rule_id, at))


async def ended_items(connection: Connection, link_ids: Iterable[int], kind: WriteKind) -> set[tuple[int, str]]:
    """(link, item) of the writes of a kind that were sent and answered."""
    rows = await connection.fetch(queries("outbox")["ended_items"], sorted(link_ids), kind.value)
    return {(row["link_id"], row["item"]) for row in rows}


async def drop_all(connection: Connection, link_ids: Sequence[int]) -> None:
    """Nothing is to be written for these links any more, but what is being sent."""
    await connection.execute(queries("outbox")["drop_all"], list(link_ids))


async def history(connection: Connection, link_id: int, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return the latest writes of a link for people, `fields` and `cause` as JSON values."""
    rows = await connection.fetch(queries("outbox")["history"], link_id, limit)
    return [
        dict(row) | {name: None if row[name] is None else orjson.loads(row[name]) for name in ("fields", "cause")}
        for row in rows
    ]


def _read(row: Iterable[tuple[str, Any]]) -> OutboxRow:
    values = dict(row)
    values["side"] = Side(values["side"])
    values["kind"] = WriteKind(values["kind"])
    values["fields"] = orjson.loads(values["fields"])
    values["cause"] = None if values["cause"] is None else orjson.loads(values["cause"])
    return OutboxRow(**values)
