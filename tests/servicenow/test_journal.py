"""Notes out of journal rows and of display values."""

from datetime import UTC, datetime

from bridge.domain.note import notes_of
from bridge.servicenow.journal import as_items, note_of, notes_in

SHOWN = """2026-11-30 02:10:00 - Beth Anglin (Work notes)
second line
with two lines

2026-11-30 02:00:00 - System Administrator (Work notes)
first

"""


def test_a_row_of_the_journal_is_a_note() -> None:
    row = {
        "sys_id": "a1",
        "element": "comments",
        "sys_created_on": "2026-11-30 10:00:00",
        "sys_created_by": "beth",
        "value": "hi",
    }
    note = note_of(row)
    assert (note.id, note.author, note.at, note.text) == ("a1", "beth", datetime(2026, 11, 30, 10, tzinfo=UTC), "hi")
    assert note.journal == "comments"
    item = {"id": "a1", "author": "beth", "text": "hi", "journal": "comments", "date": "2026-11-30T10:00:00+00:00"}
    assert as_items([note]) == [item]
    assert notes_of({"note": [item]}) == [note]
    assert note_of({"sys_created_on": "yesterday"}).at is None


def test_display_values_are_split_oldest_first_and_state_no_instant() -> None:
    notes = notes_in({"comments": "", "work_notes": SHOWN})
    assert [(note.author, note.text, note.at, note.journal) for note in notes] == [
        ("System Administrator", "first", None, "work_notes"),
        ("Beth Anglin", "second line\nwith two lines", None, "work_notes"),
    ]


def test_ids_stay_when_a_note_is_added_and_differ_for_equal_notes() -> None:
    newer = "2026-11-30 02:20:00 - Beth Anglin (Work notes)\nthird\n\n" + SHOWN
    assert [note.id for note in notes_in({"work_notes": newer})][:2] == [
        note.id for note in notes_in({"work_notes": SHOWN})
    ]
    twice = [note.id for note in notes_in({"work_notes": SHOWN + SHOWN})]
    assert len(set(twice)) == 4


def test_a_text_without_a_head_is_no_note() -> None:
    assert notes_in({"comments": "nothing that looks like one"}) == []
