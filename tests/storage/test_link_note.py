"""A note is known once on its side, stays what it is, and says when its copy stands on the other."""

import pytest

from bridge.domain.link.word_map import Side
from bridge.storage import link_note
from bridge.storage.database import Database
from bridge.storage.link_note import LinkNoteRow, NoteState
from tests.link_tables import NOON, add_links, add_rule

pytestmark = pytest.mark.anyio


async def test_notes_are_added_once_and_an_edit_is_noticed(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        note = LinkNoteRow(number, Side.LEFT, "17", "n:abcdefgh", NoteState.ORIGIN, None, "Anna", b"one", NOON)
        assert await link_note.add(connection, [note]) == 1
        assert await link_note.add(connection, [note]) == 0
        edited = LinkNoteRow(number, Side.LEFT, "17", "n:abcdefgh", NoteState.SKIPPED, None, "Anna", b"two", NOON)
        assert await link_note.add(connection, [edited]) == 1
        [found] = (await link_note.of_links(connection, [number]))[number]
        assert (found.state, found.text_hash, found.copied_at) == (NoteState.ORIGIN, b"two", None)


async def test_a_copy_is_confirmed_by_the_code_of_its_original_once(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        notes = [
            LinkNoteRow(number, Side.LEFT, "17", "n:abcdefgh", NoteState.ORIGIN),
            LinkNoteRow(number, Side.RIGHT, "4", "n:abcdefgh", NoteState.COPY, copy_of="17"),
        ]
        assert await link_note.add(connection, notes) == 2
        await link_note.confirm(connection, [(number, "n:abcdefgh")], NOON)
        await link_note.confirm(connection, [(number, "n:abcdefgh")], NOON.replace(hour=13))
        copied = {one.note: one.copied_at for one in (await link_note.of_links(connection, [number]))[number]}
        assert copied == {"17": NOON, "4": None}
        shown = await connection.fetchval("select notes from report.link")
        assert shown == 1
