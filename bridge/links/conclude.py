"""The end of a write: what came of it goes into the tables in the transaction that stores what the target said.

Every function runs inside the caller's transaction, which the caller fences. A write whose outcome is not known stays
in state `sending`, with its intent in the link, until `bridge.links.settle` has read the target.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.sent_write import SentWrite, WriteResult, restored
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Ticket
from bridge.errors import BridgeError
from bridge.schedule import now
from bridge.storage import conflict, link_note, outbox
from bridge.storage import link as link_table
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome

log = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 5.0
_LONGEST_RETRY_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A write that was certainly not done. `blocks`: trying again cannot help; `counts`: it uses up an attempt;
    `pause_seconds`: not again before.
    """

    error: str
    status: int | None = None
    blocks: bool = False
    counts: bool = False
    pause_seconds: float = 0.0


def unexpected(error: Exception) -> str:
    """What people read of an error that was not expected where it came."""
    return str(error) if isinstance(error, BridgeError) else f"unexpected {type(error).__name__}, see the log"


async def begin(
    connection: Connection, row: OutboxRow, link: LinkRow, sent: SentWrite, *, token: int | None, until: datetime
) -> bool:
    """Store that the write is about to be sent; False: it is not to be sent. `until`: how long it may be worked on."""
    shown = {name: {"from": each.before, "to": each.text} for name, each in sent.fields.items()}
    if not await outbox.begin(connection, row.id, token=token, at=now(), fields=shown or row.fields):
        return False
    state = LinkState.UNSURE if row.kind is WriteKind.CREATE else link.state
    await link_table.save(connection, [replace(link, state=state, intent=sent.stored(), unsure_until=until)])
    return True


async def unknown(connection: Connection, row: OutboxRow, error: str, *, until: datetime) -> None:
    """It may have been done, and is settled after `until`, when the target cannot be working on it any more. Its intent
    stays, so that nothing is decided for the link on a value that may be ours.
    """
    link = await _locked(connection, row)
    if await outbox.note_error(connection, row.id, error) and link is not None:
        await link_table.save(connection, [replace(link, unsure_until=until)])


async def failed(
    connection: Connection,
    row: OutboxRow,
    failure: Failure,
    *,
    most_attempts: int,
    result: WriteResult | None = None,
) -> bool:
    """It was not done, or not all of it (`result`): try again, or have a person look. Return whether it is blocked."""
    link = await _locked(connection, row)
    attempts = row.attempts + failure.counts
    blocked = failure.blocks or attempts >= most_attempts
    if blocked:
        changed = await outbox.block(connection, row.id, failure.error, status=failure.status)
    else:
        seconds = min(_RETRY_SECONDS * 2**row.attempts, _LONGEST_RETRY_SECONDS) if failure.counts else 0.0
        due_at = now() + timedelta(seconds=max(seconds, failure.pause_seconds))
        changed = await outbox.postpone(
            connection, row.id, due_at, counted=failure.counts, error=failure.error, status=failure.status
        )
    if link is None or not changed:
        return blocked
    if row.kind is WriteKind.CREATE and link.state in (LinkState.UNSURE, LinkState.CREATING):
        state, reason = (LinkState.BLOCKED, failure.error) if blocked else (LinkState.CREATING, None)
        link = replace(link, state=state, state_reason=reason)
    await _settled(connection, row, link, result or WriteResult())
    return blocked


async def ended(
    connection: Connection,
    row: OutboxRow,
    outcome: WriteOutcome,
    *,
    ticket: Ticket | None = None,
    result: WriteResult | None = None,
) -> bool:
    """It is done, or nothing was to be done. False: somebody else has ended it."""
    link = await _locked(connection, row)
    at = now()
    if not await outbox.end(connection, row.id, outcome, at=at):
        return False
    if link is None:
        return True
    if ticket is not None and row.kind is not WriteKind.END_DUPLICATE:
        link = _marked(link, row.side, ticket, at)
    if row.kind is WriteKind.END_DUPLICATE and outcome is WriteOutcome.DONE:
        await conflict.settle(connection, [(link.id, "")], at, agreed=True)
    if row.kind is WriteKind.NOTE and outcome is WriteOutcome.DONE:
        await link_note.confirm(connection, link.id, row.item, at)
    if ticket is not None and row.kind is WriteKind.CREATE:
        link = _joined(link, row.side, ticket, at)
    await _settled(connection, row, link, result or WriteResult())
    return True


async def _settled(connection: Connection, row: OutboxRow, link: LinkRow, result: WriteResult) -> None:
    """Keep what came of a row. Only its own intent is over: a row that was never sent leaves that of another write."""
    base = {name: (each[Side.LEFT], each[Side.RIGHT]) for name, each in result.base.items()}
    link = replace(link, base=link.base | base)
    if link.intent is None or _is_intent_of(link, row):
        link = replace(link, intent=None, unsure_until=None)
    await link_table.save(connection, [link])
    told = {name for name, found in result.conflicts.items() if found.kind is ConflictKind.OVERWRITTEN}
    kept = {
        name: NewConflict(
            link.id,
            name,
            found.kind,
            left_value=found.left,
            right_value=found.right,
            winner=row.side.other if name in told else None,
        )
        for name, found in result.conflicts.items()
    }
    await conflict.keep(connection, [kept[name] for name in told])
    await conflict.settle(connection, [(link.id, name) for name in result.base], now(), agreed=False)
    await conflict.keep(connection, [kept[name] for name in kept.keys() - told])


def _is_intent_of(link: LinkRow, row: OutboxRow) -> bool:
    sent = restored(link.intent or {})
    return (sent.kind, sent.side, sent.item) == (row.kind.value, row.side, row.item)


async def duplicates(connection: Connection, row: OutboxRow, tickets: list[str]) -> None:
    """Other tickets carry the key of this link: a person has to look at them."""
    values = ", ".join(tickets)
    log.warning("several tickets carry one key", link=row.link_id, kept=tickets[0], others=tickets[1:])
    left, right = (values, None) if row.side is Side.LEFT else (None, values)
    await conflict.keep(
        connection, [NewConflict(row.link_id, "", ConflictKind.DUPLICATE, left_value=left, right_value=right)]
    )


async def _locked(connection: Connection, row: OutboxRow) -> LinkRow | None:
    return (await link_table.lock(connection, [row.link_id])).get(row.link_id)


def _marked(link: LinkRow, side: Side, ticket: Ticket, at: datetime) -> LinkRow:
    """What the side says with an older stamp, or was asked before, is no change."""
    stamp = None if ticket.updated_at is None else ticket.updated_at.isoformat()
    mark = {"updated_at": stamp, "version": ticket.version, "answered_at": at.isoformat()}
    return replace(link, left_mark=mark) if side is Side.LEFT else replace(link, right_mark=mark)


def _joined(link: LinkRow, side: Side, ticket: Ticket, at: datetime) -> LinkRow:
    """The counterpart is known."""
    link = replace(link, left_id=ticket.id) if side is Side.LEFT else replace(link, right_id=ticket.id)
    if link.state in (LinkState.UNSURE, LinkState.CREATING, LinkState.BLOCKED):
        link = replace(link, state=LinkState.LINKED, state_reason=None, linked_at=link.linked_at or at)
    return link
