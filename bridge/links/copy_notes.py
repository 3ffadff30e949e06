"""Which notes of a link are still to be copied: decided on what the tables say, in the transaction that decides it.

A note is remembered once it was seen, and stays what it was taken for: written there, a copy, or not to be copied. A
copy that somebody deletes is not made again, and an edited note is not copied again: edits are counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import structlog
from msgspec.structs import replace

from bridge.domain.link.life import LinkState
from bridge.domain.link.note import SeenNote, copy_text, seen, uncopied
from bridge.domain.link.sent_write import SentWrite
from bridge.domain.link.word_map import Side
from bridge.domain.note import notes_of
from bridge.domain.ticket_system import RemoteNote
from bridge.links.decided_write import DecidedWrite
from bridge.links.rule_run import RuleRun, Tickets
from bridge.storage import link_note, link_ticket, outbox
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.link_note import LinkNoteRow, NoteState
from bridge.storage.outbox import OutboxRow, Wanted, WriteKind

log = structlog.get_logger(__name__)

Notes = Mapping[Side, list[RemoteNote]]


@dataclass(frozen=True, slots=True)
class NotesSeen:
    """What was found. `wanted`: copies to be made; `edited`: notes that were copied and say something else now, by the
    side they stand on.
    """

    wanted: int = 0
    edited: Counter[Side] = field(default_factory=Counter)


async def want_copies(connection: Connection, run: RuleRun, links: Sequence[LinkRow], tickets: Tickets) -> NotesSeen:
    """Remember the notes of the tickets of links, and have copied what is missing. A link whose notes cannot be read
    keeps back no other. `tickets`: those of the links, as they were read when they were decided.
    """
    linked = [link for link in links if link.state is LinkState.LINKED] if run.rule.notes.into else []
    if not linked:
        return NotesSeen()
    notes = {link.id: _notes(link, tickets) for link in linked}
    linked = [link for link in linked if any(notes[link.id].values())]
    if not linked:
        return NotesSeen()
    known = await link_note.of_links(connection, [link.id for link in linked])
    new: list[LinkNoteRow] = []
    edited: list[LinkNoteRow] = []
    wanted: list[Wanted] = []
    for link in linked:
        try:
            more, changed, missing = _copies(run, link, known.get(link.id, []), notes[link.id])
        except Exception:  # the bulkhead: what one link meets is its own
            log.exception("notes cannot be read", rule=run.rule.name, link=link.id)
            continue
        new += more
        edited += changed
        wanted += missing
    await link_note.add(connection, new + edited)
    await outbox.put(connection, wanted)
    return NotesSeen(len(wanted), Counter(row.side for row in edited if row.copied_at is not None))


def _copies(
    run: RuleRun, link: LinkRow, noted: Sequence[LinkNoteRow], notes: Notes
) -> tuple[list[LinkNoteRow], list[LinkNoteRow], list[Wanted]]:
    """The notes of a link that are new, those that were edited, and what is to be copied."""
    rule = run.rule.notes
    known = {(row.side, row.note): row for row in noted}
    codes = [row.code for row in known.values() if row.state is not NoteState.COPY]
    found = list({(one.side, one.note.id): one for one in reversed(seen(link.key, notes, codes))}.values())[::-1]
    first_look = link.left_revision is None or link.right_revision is None
    new = [_row(link, one, run, first_look=first_look) for one in found if (one.side, one.note.id) not in known]
    read = [(row, _hash(one.note.text)) for one in found if (row := known.get((one.side, one.note.id))) is not None]
    edited = [replace(row, text_hash=text_hash) for row, text_hash in read if row.text_hash not in (None, text_hash)]
    state = {(row.side, row.note): row for row in new} | known
    wanted = [
        Wanted(link.id, link.rule_id, run.source_ids[one.side.other], one.side.other, WriteKind.NOTE, one.code)
        for one in uncopied(found, rule.into)
        if (row := state[one.side, one.note.id]).state is NoteState.ORIGIN and row.copied_at is None
        if rule.is_read(one.side, one.note)
    ]
    return new, edited, wanted


async def decide_copy(connection: Connection, run: RuleRun, link: LinkRow, row: OutboxRow) -> DecidedWrite | None:
    """Return the copy of a row of the outbox; None: its original is not there any more, or not to be copied."""
    rule, notes = run.rule.notes, _notes(link, await run.tickets_of(connection, [link]))
    side, ticket = row.side.other, link.ticket(row.side.other)
    for one in seen(link.key, {side: notes[side]}):
        if one.code == row.item and not one.is_copy and ticket is not None and rule.is_read(side, one.note):
            line = rule.first_line(run.rule.sources[side], ticket, one.note, one.code)
            known_at = await _known_at(connection, run, row.side, link)
            sent = SentWrite(WriteKind.NOTE.value, row.side, version=known_at, item=row.item)
            values = {"text": copy_text(line, one.note.text), "journal": rule.writes.get(row.side, "")}
            return DecidedWrite(link, sent, values)
    return None


async def _known_at(connection: Connection, run: RuleRun, side: Side, link: LinkRow) -> str | None:
    """When the ticket of a side last changed, as far as it is known now."""
    key = (run.source_ids[side], link.ticket(side) or "")
    row = (await link_ticket.read(connection, [key])).get(key)
    return None if row is None or row.updated_at is None else row.updated_at.isoformat()


def _notes(link: LinkRow, tickets: Tickets) -> Notes:
    """The notes of both tickets of a link."""
    found = {side: tickets.get((side, link.ticket(side) or "")) for side in Side}
    return {side: [] if ticket is None else notes_of({"note": ticket.note}) for side, ticket in found.items()}


def _row(link: LinkRow, one: SeenNote, run: RuleRun, *, first_look: bool) -> LinkNoteRow:
    rule, note = run.rule.notes, one.note
    state = NoteState.ORIGIN
    if one.is_copy:
        state = NoteState.COPY
    elif (
        one.side.other not in rule.into
        or not rule.is_read(one.side, note)
        or rule.is_old(note, link.linked_at, first_look=first_look)
    ):
        state = NoteState.SKIPPED
    return LinkNoteRow(
        link.id,
        one.side,
        note.id,
        one.code,
        state,
        copy_of=one.copy_of or None,
        author=note.author or None,
        text_hash=_hash(note.text),
        noted_at=note.at,
    )


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
