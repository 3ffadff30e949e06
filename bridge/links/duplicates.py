"""Tickets that carry the key of a link which has another ticket in that place: copied there by a person ("insert and
stay"), or made by a request that was carried out much too late.

A person is to look at them; with `duplicates = "cancel"` they are ended, with a note that names the one that stays, by
a row of the outbox (`end_duplicate`) whose item is their id. Doing so twice changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from bridge.domain.link.ending import Ending
from bridge.domain.link.field import ConflictKind, FieldWrite
from bridge.domain.link.key import note_code
from bridge.domain.link.note import heading
from bridge.domain.link.sent_write import SentWrite
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Record, Ticket
from bridge.errors import PermanentError
from bridge.links.decided_write import DecidedWrite
from bridge.links.rule_run import RuleRun, Tickets
from bridge.links.target import WriteTarget
from bridge.storage import conflict, outbox
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.outbox import OutboxRow, Wanted, WriteKind

log = structlog.get_logger(__name__)


async def keep_duplicates(
    connection: Connection,
    run: RuleRun,
    links: Mapping[int, LinkRow],
    found: Mapping[int, Sequence[tuple[Side, str]]],
    tickets: Tickets,
) -> int:
    """Have a person look at them, once, or have them ended: by link, the side and id of each. Return how many were not
    known yet.
    """
    if not found:
        return 0
    kept = await conflict.of_links(connection, found)
    tried = await outbox.ended_items(connection, found, WriteKind.END_DUPLICATE)
    new = 0
    for number, duplicates in sorted(found.items()):
        known = {
            (row.left_value, row.right_value): row.settled_at is not None or row.outcome != "waiting"
            for row in kept.get(number, ())
            if row.kind is ConflictKind.DUPLICATE
        }
        for side, ticket_id in sorted(duplicates):
            names = f"{links[number].ticket(side)}, {ticket_id}"
            values = (names, None) if side is Side.LEFT else (None, names)
            decided = known.get(values, False) or (number, ticket_id) in tried
            if not decided and ending_of_duplicate(run, side, tickets.get((side, ticket_id))) is not None:
                await outbox.put(connection, [_wanted(run, links[number], side, ticket_id)])
            if values in known:
                continue
            log.warning("several tickets carry one key", link=number, kept=links[number].ticket(side), other=ticket_id)
            await conflict.keep(connection, [NewConflict(number, "", ConflictKind.DUPLICATE, *values)])
            new += 1
    return new


async def decide_end(connection: Connection, run: RuleRun, link: LinkRow, row: OutboxRow) -> DecidedWrite | None:
    """Return how a duplicate is ended; None: it has ended, is gone or does not carry the key any more."""
    side, kept = row.side, link.ticket(row.side)
    tickets = await run.tickets_of(connection, [link])
    tickets |= await run.tickets(connection, [(side, row.item)])
    ticket = tickets.get((side, row.item))
    ending = ending_of_duplicate(run, side, ticket)
    if ticket is None or ending is None or link.key not in ticket.keys or kept in (None, row.item):
        return None
    pair = {side: ticket} | {each: one for (each, _), one in tickets.items() if each is not side}
    changes = run.rule.changes(side, {ending.field: FieldWrite(side, ending.word, "")}, pair)
    code = note_code(link.key, side.value, row.item)
    text = f"{heading(run.rule.sources[side], kept or '', '', None, code)}\nDuplicate of {kept}, which stays."
    sent = SentWrite(WriteKind.END_DUPLICATE.value, side, item=row.item)
    return DecidedWrite(link, sent, {"changes": changes, "text": text, "code": code})


async def end_duplicate(target: WriteTarget, ticket_id: str, values: Mapping[str, Any]) -> Ticket:
    """Write the note, where notes are taken, and the status; return the ticket as it is now."""
    if target.writer.capabilities.notes != "none":
        try:
            await target.writer.add_note(ticket_id, values["text"], code=values["code"])
        except PermanentError as error:  # the status is what matters
            log.info("duplicate gets no note", target=target.name, ticket=ticket_id, error=str(error))
    return await target.writer.change(ticket_id, values["changes"])


def has_ended(run: RuleRun, side: Side, record: Record) -> bool:
    """Does a record of a side mean that its ticket has ended?"""
    ending = run.endings.get(side)
    return ending is not None and run.rule.found_in(side, record).get(ending.field) in ending.words


def ending_of_duplicate(run: RuleRun, side: Side, ticket: SideTicket | None) -> Ending | None:
    """Return how a duplicate is ended; None: it is left to a person, or needs nothing."""
    wanted = run.rule.ends_duplicates and side in run.rule.creates
    return run.endings.get(side) if wanted and ticket is not None and not (ticket.deleted or ticket.ended) else None


def _wanted(run: RuleRun, link: LinkRow, side: Side, ticket_id: str) -> Wanted:
    return Wanted(link.id, link.rule_id, run.source_ids[side], side, WriteKind.END_DUPLICATE, ticket_id)
