"""Which notes of a link are still to be copied: decided on what the tables say, in the transaction that decides it.

A note is remembered once it was seen, and stays what it was taken for: written there, a copy, or not to be copied. A
copy that somebody deletes is not made again, and an edited note is not copied again.
"""

from collections.abc import Mapping
from hashlib import blake2b

import orjson

from bridge.domain.link.life import LinkState
from bridge.domain.link.note import SeenNote, copy_text, seen, uncopied
from bridge.domain.link.sent_write import SentWrite
from bridge.domain.link.word_map import Side
from bridge.domain.note import notes_of
from bridge.domain.ticket_system import RemoteNote
from bridge.links.decided_write import DecidedWrite
from bridge.links.rule_run import RuleRun
from bridge.storage import link_note, link_ticket, outbox
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.link_note import LinkNoteRow, NoteState
from bridge.storage.outbox import OutboxRow, Wanted, WriteKind

Notes = Mapping[Side, list[RemoteNote]]


async def want_copies(connection: Connection, run: RuleRun, link: LinkRow) -> int:
    """Remember the notes of both tickets, and have copied what is missing; return how many copies that are."""
    rule = run.rule.notes
    if not rule.into or link.state is not LinkState.LINKED:
        return 0
    known = {(row.side, row.note): row for row in (await link_note.of_links(connection, [link.id])).get(link.id, [])}
    codes = [row.code for row in known.values() if row.state is not NoteState.COPY]
    found = seen(link.key, await _notes(connection, run, link), codes)
    first_look = link.left_revision is None or link.right_revision is None
    new = [_row(link, one, run, first_look=first_look) for one in found if (one.side, one.note.id) not in known]
    await link_note.add(connection, new)
    state = {(row.side, row.note): row for row in new} | known
    wanted = [
        Wanted(link.id, link.rule_id, run.source_ids[one.side.other], one.side.other, WriteKind.NOTE, one.code)
        for one in uncopied(found, rule.into)
        if (row := state[one.side, one.note.id]).state is NoteState.ORIGIN and row.copied_at is None
        if rule.is_read(one.side, one.note)
    ]
    await outbox.put(connection, wanted)
    return len(wanted)


async def decide_copy(connection: Connection, run: RuleRun, link: LinkRow, row: OutboxRow) -> DecidedWrite | None:
    """Return the copy of a row of the outbox; None: its original is not there any more, or not to be copied."""
    rule, notes = run.rule.notes, await _notes(connection, run, link)
    side, ticket = row.side.other, link.ticket(row.side.other)
    for one in seen(link.key, {side: notes[side]}):
        if one.code == row.item and not one.is_copy and ticket is not None and rule.is_read(side, one.note):
            line = rule.first_line(run.rule.sources[side], ticket, one.note, one.code)
            sent = SentWrite(WriteKind.NOTE.value, row.side, item=row.item)
            values = {"text": copy_text(line, one.note.text), "journal": rule.writes.get(row.side, "")}
            return DecidedWrite(link, sent, values)
    return None


async def _notes(connection: Connection, run: RuleRun, link: LinkRow) -> dict[Side, list[RemoteNote]]:
    """The notes of both tickets as they are known now."""
    keys = {side: (run.source_ids[side], link.ticket(side) or "") for side in Side}
    rows = await link_ticket.read(connection, keys.values())
    return {side: notes_of(orjson.loads(rows[key].body)) if key in rows else [] for side, key in keys.items()}


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
        text_hash=blake2b(note.text.encode("utf-8", "surrogatepass"), digest_size=16).digest(),
        noted_at=note.at,
    )
