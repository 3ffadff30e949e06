"""The end of a write: what came of it goes into the tables in the transaction that stores what the target said.

Every function runs inside the caller's transaction, which the caller fences. A write whose outcome is not known stays
in state `sending`, with its intent in the link, until `bridge.links.settle` has read the target.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from msgspec.structs import replace

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.sent_write import SentWrite, WriteResult, never_known, restored
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Ticket
from bridge.errors import BridgeError
from bridge.links.decided_write import DecidedWrite
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


@dataclass(frozen=True, slots=True)
class EndedWrite:
    """A write that is over. `ticket`: what the target answered."""

    row: OutboxRow
    outcome: WriteOutcome
    ticket: Ticket | None = None
    result: WriteResult = field(default_factory=WriteResult)


def unexpected(error: Exception) -> str:
    """What people read of an error that was not expected where it came."""
    return str(error) if isinstance(error, BridgeError) else f"unexpected {type(error).__name__}, see the log"


async def begin(
    connection: Connection,
    decided: Sequence[tuple[OutboxRow, DecidedWrite]],
    *,
    token: int | None,
    until: datetime,
) -> dict[int, LinkRow]:
    """Mark rows, each of another link, as about to be sent; return, by its number, the link of each that may be, with
    its intent, for the caller to save in this transaction. `until`: how long they may be worked on.
    """
    fields = {row.id: _shown(one.sent) or row.fields for row, one in decided}
    begun = await outbox.begin(connection, fields, token=token, at=now()) if fields else set()
    links = {}
    for row, one in decided:
        if row.id in begun:
            state = LinkState.UNSURE if row.kind is WriteKind.CREATE else one.link.state
            links[row.link_id] = replace(one.link, state=state, intent=one.sent.stored(), unsure_until=until)
    return links


def _shown(sent: SentWrite) -> dict[str, Any]:
    return {name: {"from": each.before, "to": each.text} for name, each in sent.fields.items()}


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
    ticket: Ticket | None = None,
) -> bool:
    """It was not done, or not all of it (`result`; `ticket`: what was answered then): try again, or have a person look.
    Return whether it is blocked.
    """
    link = await _locked(connection, row)
    attempts = row.attempts + failure.counts
    blocked = failure.blocks or attempts >= most_attempts
    if blocked:
        left = None if link is None or link.intent is None or result is None else _left(link.intent, result)
        changed = await outbox.block(connection, row.id, failure.error, status=failure.status, fields=left)
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
    if ticket is not None:
        link = _marked(link, row.side, ticket, now())
    await _settled(connection, row, link, result or WriteResult())
    return blocked


def _left(intent: Mapping[str, Any], result: WriteResult) -> dict[str, Any]:
    return {name: one for name, one in _shown(restored(intent)).items() if name not in result.base}


async def ended(connection: Connection, writes: Sequence[EndedWrite]) -> set[int]:
    """They are done, or nothing was to be done, each of another link; return the rows that nobody else has ended."""
    if not writes:
        return set()
    links = await link_table.lock(connection, [one.row.link_id for one in writes])
    over, _ = await answered(connection, writes, links)
    await link_table.save(connection, list(over.values()))
    return {one.row.id for one in writes if one.row.link_id in over}


async def answered(
    connection: Connection,
    writes: Sequence[EndedWrite],
    links: Mapping[int, LinkRow],
    open_fields: Collection[tuple[int, str]] | None = None,
) -> tuple[dict[int, LinkRow], bool]:
    """The same for `links` that the caller has locked, and saves: return, by number, those of the rows that nobody else
    has ended, and whether conflicts have changed. `open_fields`: (link, field) of which one is open, None: not known.
    """
    if not writes:
        return {}, False
    at = now()
    over = await outbox.end(connection, {one.row.id: one.outcome for one in writes}, at=at)
    known = [one for one in writes if one.row.id in over and one.row.link_id in links]
    copied = [one.row for one in known if one.row.kind is WriteKind.NOTE and one.outcome is WriteOutcome.DONE]
    if copied:
        await link_note.confirm(connection, [(row.link_id, row.item) for row in copied], at)
    ends = [one for one in known if one.row.kind is WriteKind.END_DUPLICATE and one.outcome is WriteOutcome.DONE]
    await conflict.settle(connection, [(one.row.link_id, "") for one in ends], at, agreed=True)
    settled = []
    for one in known:
        link = links[one.row.link_id]
        if one.ticket is not None and one.row.kind is not WriteKind.END_DUPLICATE:
            link = _marked(link, one.row.side, one.ticket, at)
            if one.row.kind is WriteKind.CREATE:
                link = _joined(link, one.row.side, one.ticket, at)
        settled.append((one.row, link, one.result))
    found, changed = await _kept(connection, settled, open_fields)
    return found, changed or bool(ends)


async def _settled(connection: Connection, row: OutboxRow, link: LinkRow, result: WriteResult) -> None:
    """Keep what came of a row, and save its link."""
    links, _ = await _kept(connection, [(row, link, result)])
    await link_table.save(connection, list(links.values()))


async def _kept(
    connection: Connection,
    settled: Sequence[tuple[OutboxRow, LinkRow, WriteResult]],
    open_fields: Collection[tuple[int, str]] | None = None,
) -> tuple[dict[int, LinkRow], bool]:
    """Keep the conflicts that came of rows; return their links, not saved yet, and whether a conflict has changed. Only
    its own intent is over: a row that was never sent leaves that of another write.
    """
    links, over = {}, []
    told: list[NewConflict] = []
    kept: list[NewConflict] = []
    for row, before, result in settled:
        base = {name: (each[Side.LEFT], each[Side.RIGHT]) for name, each in result.base.items()}
        link = replace(before, base=before.base | base | _reached(before, row.side, result.reached))
        if link.intent is None or _is_intent_of(link, row):
            link = replace(link, intent=None, unsure_until=None)
        links[link.id] = link
        over += [(link.id, name) for name in result.base]
        for name, found in result.conflicts.items():
            overwritten = found.kind is ConflictKind.OVERWRITTEN
            (told if overwritten else kept).append(
                NewConflict(
                    link.id,
                    name,
                    found.kind,
                    left_value=found.left,
                    right_value=found.right,
                    winner=row.side.other if overwritten else None,
                )
            )
    if open_fields is not None and not told:
        over = [each for each in over if each in open_fields]
    await conflict.keep(connection, told)
    await conflict.settle(connection, over, now(), agreed=False)
    await conflict.keep(connection, kept)
    return links, bool(told or over or kept)


def _reached(link: LinkRow, side: Side, reached: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What a target was moved to on the way is no change by a person; what it follows from is one still."""
    found = {}
    for name, says in reached.items():
        left, right = link.base.get(name, ("", ""))
        found[name] = (says, right) if side is Side.LEFT else (left, says)
    return found


async def given_up(connection: Connection, row: OutboxRow, link: LinkRow, by: str) -> bool:
    """A person ends a write of which nobody will know whether it was done; False: its outcome is known by now.

    Nothing is written again for it: fields become conflicts, a note counts as copied, a ticket that may have been made
    is not made again (the link is separated). The decider looks at the link next.
    """
    if not await outbox.end(connection, {row.id: WriteOutcome.DROPPED}, at=now()):
        return False
    sent = restored(link.intent) if link.intent else SentWrite(row.kind.value, row.side, item=row.item)
    link = replace(link, checked_at=None)
    if row.kind is WriteKind.CREATE:
        reason = f"given up by {by}: nobody knows whether its counterpart was made"
        link = replace(link, state=LinkState.UNLINKED, state_reason=reason, behind_since=None)
    if row.kind is WriteKind.NOTE:
        await link_note.confirm(connection, [(link.id, row.item)], now())
        lost = NewConflict(link.id, f"note {row.item}", ConflictKind.UNCERTAIN)
        await conflict.keep(connection, [lost])
    await _settled(connection, row, link, never_known(sent))
    return True


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
