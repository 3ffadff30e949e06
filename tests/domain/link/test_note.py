"""Each original stands once on the other side, whatever is quoted, repeated, or goes round."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.key import note_code
from bridge.domain.link.note import NoteRule, copy_text, heading, leading_codes, plain, seen, uncopied
from bridge.domain.link.template import read_template
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import RemoteNote

LEFT, RIGHT = Side.LEFT, Side.RIGHT
BOTH = frozenset(Side)
KEY = "tb-1"
AT = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
TEXTS = st.text(max_size=30)


def note(number: int, text: str) -> RemoteNote:
    return RemoteNote(str(number), "Eve", AT, text)


def copied(key: str, notes: dict[Side, list[RemoteNote]], into: frozenset[Side] = BOTH) -> int:
    """Write what is missing, as a sender would; return how many were written."""
    missing = list(uncopied(seen(key, notes), into))
    for one in missing:
        first = heading("noc", "7", one.note.author, one.note.at, one.code)
        target = notes[one.side.other]
        target.append(note(1000 + len(target), copy_text(first, one.note.text)))
    return len(missing)


@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5))
def test_each_original_is_copied_once_and_copies_never(left: list[str], right: list[str]) -> None:
    notes = {side: [note(i, text) for i, text in enumerate(texts)] for side, texts in ((LEFT, left), (RIGHT, right))}
    assert copied(KEY, notes) == len(left) + len(right)
    assert copied(KEY, notes) == 0
    assert len(notes[LEFT]) == len(notes[RIGHT]) == len(left) + len(right)


@given(st.lists(TEXTS, max_size=4), st.sampled_from([LEFT, RIGHT]))
def test_only_the_sides_that_are_written_to_get_copies(texts: list[str], into: Side) -> None:
    notes = {side: [note(i, text) for i, text in enumerate(texts)] for side in Side}
    copied(KEY, notes, frozenset([into]))
    assert len(notes[into.other]) == len(texts)
    assert len(notes[into]) == 2 * len(texts)


def test_a_person_who_quotes_a_copy_is_heard() -> None:
    notes = {LEFT: [note(1, "hello")], RIGHT: []}
    copied(KEY, notes)
    quoted = notes[RIGHT][0].text
    notes[RIGHT].append(note(2, f"I saw this:\n{quoted}"))
    assert copied(KEY, notes) == 1
    assert notes[LEFT][-1].text.endswith("hello")


def test_notes_that_go_round_three_systems_come_to_rest() -> None:
    a, b, c = [note(1, "hello")], [], []
    rings: Sequence[tuple[str, list[RemoteNote], list[RemoteNote]]] = [("ab", a, b), ("bc", b, c), ("ca", c, a)]
    written = [sum(copied(key, {LEFT: left, RIGHT: right}) for key, left, right in rings) for _ in range(4)]
    assert written[-1] == 0
    assert max(map(len, (a, b, c))) <= 3


def test_a_copy_whose_original_is_gone_is_known_by_the_codes_kept() -> None:
    code = note_code(KEY, "left", "9")
    copy = note(1, f"noc 7 · Eve [{code}]\ngone")
    (stranger,) = seen(KEY, {RIGHT: [copy]})
    assert not stranger.is_copy
    (known,) = seen(KEY, {RIGHT: [copy]}, [code])
    assert (known.is_copy, known.copy_of) == (True, "")


@given(TEXTS, TEXTS, TEXTS)
def test_a_heading_is_one_line_with_one_code(system: str, ticket: str, author: str) -> None:
    code = note_code(KEY, "left", "1")
    line = heading(system, ticket, author, AT, code)
    assert len(line.splitlines()) == 1
    assert leading_codes(line) == [code]


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_copy_fits_and_says_what_was_cut(text: str, most: int) -> None:
    first = heading("noc", "7", "Eve", AT, note_code(KEY, "left", "1"))
    copy = copy_text(first, text, most)
    assert copy.startswith(first)
    if len(first) + 40 <= most:
        assert len(copy) <= most
        assert ("(cut:" in copy) == (len(plain(text)) > most - len(first) - 1) or "(cut:" in text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("if a < b & b > c then stop", "if a < b & b > c then stop"),
        ("<p>Hello <b>you</b></p><p>1 &lt; 2</p>", "Hello you\n\n1 < 2"),
        ("see [code]<a href='x'>the <b>graph</b></a>[/code] there", "see the graph there"),
        ("[CODE]plain[/code] and [code] alone", "plain and (code) alone"),
        ("<script>alert(1)</script><br>x", "x"),
        ("a\r\nb\x00\x1bc\u2028d", "a\nbcd"),
        ("lone \ud800 half", "lone  half"),
        ("", ""),
    ],
)
def test_texts_become_plain(text: str, read: str) -> None:
    assert plain(text) == read


@given(st.text(st.sampled_from("<>&;/abdiv p![]code\n\"'="), max_size=200))
def test_no_text_raises_and_nothing_that_serves_as_html_is_left(text: str) -> None:
    assert "[code]" not in plain(text).lower()


@pytest.mark.parametrize("part", ["<!--", "<div>", "<a b=", "[code]", "[code]<b>", "&#x41;", "\n[n:aaaaaaaa]"])
def test_a_long_hostile_note_is_cut(part: str) -> None:
    assert len(copy_text("h [n:aaaaaaaa]", part * 100_000)) <= 4000
    assert len(leading_codes(part * 100_000)) < 100_000


def test_a_rule_says_what_the_first_line_is_and_which_notes_are_from_before() -> None:
    template = read_template("{{ system }}/{{ ticket }} by {{ author }}", "system", "ticket", "author", "at")
    rule = NoteRule(BOTH, template=template)
    assert rule.first_line("noc", "7", note(1, "x"), "n:abcdefgh") == "noc/7 by Eve [n:abcdefgh]"
    assert NoteRule().first_line("noc", "7", note(1, "x"), "n:a") == "noc 7 · Eve · 2026-11-30 01:00 UTC [n:a]"
    linked = AT + timedelta(minutes=1)
    stampless = RemoteNote("1", "Eve", None, "x")
    assert rule.is_old(note(1, "x"), linked, first_look=False)
    assert not rule.is_old(note(1, "x"), AT, first_look=True)
    assert [rule.is_old(stampless, linked, first_look=first) for first in (True, False)] == [True, False]
    assert not NoteRule(since_link=False).is_old(stampless, linked, first_look=True)


def test_work_notes_are_read_only_where_they_are_named() -> None:
    def in_journal(name: str) -> RemoteNote:
        return RemoteNote("1", "Eve", None, "x", name)

    usual = NoteRule()
    assert [usual.is_read(Side.LEFT, in_journal(name)) for name in ("", "comments", "work_notes")] == [
        True,
        True,
        False,
    ]
    desk = NoteRule(journals={Side.LEFT: frozenset({"work_notes"}), Side.RIGHT: frozenset()})
    assert [desk.is_read(Side.LEFT, in_journal(name)) for name in ("", "comments", "work_notes")] == [
        False,
        False,
        True,
    ]
    assert not desk.is_read(Side.RIGHT, in_journal("work_notes"))
