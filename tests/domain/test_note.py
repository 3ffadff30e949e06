"""A note keeps its identity whenever it is read."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.note import notes_of, with_code

FEW = st.text(max_size=3)
NOTES = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "author", "date", "text"), FEW)), max_size=6)


@given(NOTES)
def test_ids_are_the_same_at_each_reading(notes: list[dict[str, Any]]) -> None:
    first = notes_of({"note": notes})
    assert first == notes_of({"note": notes})
    assert all(note.id for note in first)


def test_two_notes_with_one_id_are_two() -> None:
    assert [note.id for note in notes_of({"note": [{"id": "1"}, {"id": "1"}, {"id": 1}]})] == ["1", "1-2", "1-3"]


@given(NOTES, NOTES)
def test_a_note_that_is_added_renames_none_before_it(before: list[dict[str, Any]], added: list[dict[str, Any]]) -> None:
    assert notes_of({"note": before + added})[: len(before)] == notes_of({"note": before})


def test_authors_and_times_are_read_as_far_as_they_go() -> None:
    notes = notes_of(
        {"note": [{"author": {"name": "Eve"}, "date": "2026-11-30T01:00:00Z", "text": "hi"}, {"date": "x"}]}
    )
    assert [(note.author, note.at, note.text) for note in notes] == [
        ("Eve", datetime(2026, 11, 30, 1, tzinfo=UTC), "hi"),
        ("", None, ""),
    ]
    assert notes_of({"note": {"text": "alone", "id": "1"}})[0].text == "alone"
    assert notes_of({"note": "none"}) == []


def test_a_code_counts_in_the_first_line_only() -> None:
    assert with_code({"note": [{"text": "noc 7 [n:abc]\nhello"}]}, "n:abc")
    assert not with_code({"note": [{"text": "he wrote\n> noc 7 [n:abc]"}]}, "n:abc")
