"""Notes in step: which are copies, which are still to be copied, and what a copy says. Pure.

Notes are a set that only grows. A copy begins with a heading, whose code names its original; the code is computed from
the link, the side and the note (`key.note_code`), so it is the same after a crash and after a restored backup. A note
is a copy only where a code of *this* link stands in its headings. A note that quotes a copy further down is an
original; one that came from a third system is copied on, but never back to where it began.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import html_text

from bridge.domain.link.key import note_code
from bridge.domain.link.template import TextTemplate
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import WORK_NOTES, RemoteNote

MOST_READ: Final = 65_536
"""Characters of a note that are looked at."""
_NAME_CHARACTERS: Final = 80
_LINE_CHARACTERS: Final = 400
_CLOCKS_DIFFER: Final = timedelta(seconds=2)
_CODE: Final = re.compile(r"\[(n:[a-z2-7]{8})\]")
_HEADING: Final = re.compile(r".{0,600}\[n:[a-z2-7]{8}\]\s*")
_MARK: Final = re.compile(r"\[(/?code)\]", re.IGNORECASE)
_TAG: Final = re.compile(
    r"<(?:/(?:p|div|span|b|i|a|li|ul|ol|td|tr|table|body|html)\s*>|br\s*/?>|!doctype|html[\s>])", re.IGNORECASE
)
"""What stands in HTML, and not in a sentence that compares a with b."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class NoteRule:
    """Which notes are copied. `into`: sides that get copies; `since_link`: none from before both were joined;
    `template`: of the first line, from system, ticket, author and at. `journals`: those that are read of a side, none
    named: all but the work notes, which stay inside; `writes`: the journal of a side that copies go into.
    """

    into: frozenset[Side] = frozenset()
    since_link: bool = True
    template: TextTemplate | None = None
    journals: Mapping[Side, frozenset[str]] = field(default_factory=dict)
    writes: Mapping[Side, str] = field(default_factory=dict)

    def is_read(self, side: Side, note: RemoteNote) -> bool:
        """May this note be copied, by the journal that it stands in?"""
        named = self.journals.get(side)
        return note.journal in named if named else note.journal != WORK_NOTES

    def is_old(self, note: RemoteNote, linked_at: datetime | None, *, first_look: bool) -> bool:
        """Is this note from before the link? One without a time is, where it stands there at the first look."""
        if not self.since_link or linked_at is None:
            return False
        return first_look if note.at is None else note.at < linked_at - _CLOCKS_DIFFER

    def first_line(self, system: str, ticket: str, note: RemoteNote, code: str) -> str:
        """Return the first line of a copy."""
        at = "" if note.at is None else _written(note.at)
        line = self.template and self.template.render(system=system, ticket=ticket, author=note.author, at=at)
        return (
            f"{_one_line(line, _LINE_CHARACTERS)} [{code}]"
            if line
            else heading(system, ticket, note.author, note.at, code)
        )


@dataclass(frozen=True, slots=True)
class SeenNote:
    """A note of one side of a link. `code`: of an original that of its copy, of a copy that of its original.

    `copy_of`: of a copy, the note that it was made of, where that still stands on the other side; else "".
    """

    side: Side
    note: RemoteNote
    code: str
    is_copy: bool = False
    copy_of: str = ""


def seen(key: str, notes: Mapping[Side, Sequence[RemoteNote]], known: Collection[str] = ()) -> list[SeenNote]:
    """Tell originals from copies. `key`: of the link; `known`: codes of originals that may no longer stand anywhere."""
    originals = {note_code(key, side.value, note.id): note.id for side in Side for note in notes.get(side, ())}
    codes = originals.keys() | set(known)
    found = []
    for side in Side:
        for note in notes.get(side, ()):
            mine = [code for code in leading_codes(note.text) if code in codes]
            if mine:
                found.append(SeenNote(side, note, mine[0], is_copy=True, copy_of=originals.get(mine[0], "")))
            else:
                found.append(SeenNote(side, note, note_code(key, side.value, note.id)))
    return found


def uncopied(notes: Iterable[SeenNote], into: Collection[Side]) -> Iterator[SeenNote]:
    """Yield the originals of which no copy stands on the other side, in their order. `into`: the sides written to."""
    listed = list(notes)
    copied = {(note.side, note.code) for note in listed if note.is_copy}
    for note in listed:
        if not note.is_copy and note.side.other in into and (note.side.other, note.code) not in copied:
            yield note


def leading_codes(text: str) -> list[str]:
    """Return the codes in the headings that a text begins with; a note that was copied twice begins with two."""
    codes: list[str] = []
    for line in text[:MOST_READ].lstrip().splitlines():
        if not _HEADING.fullmatch(line):
            break
        codes += _CODE.findall(line)
    return codes


def heading(system: str, ticket: str, author: str, at: datetime | None, code: str) -> str:
    """Return the first line of a copy: where the note comes from, who wrote it and when, and its code."""
    parts = [f"{_one_line(system)} {_one_line(ticket)}".strip(), _one_line(author), "" if at is None else _written(at)]
    return " · ".join(part for part in parts if part) + f" [{code}]"


def copy_text(first_line: str, text: str, most_characters: int = 4000) -> str:
    """Return the text of a copy, cut with a mark to what a target takes (ServiceNow's journals: 4,000 characters)."""
    body = plain(text)
    room = max(most_characters - len(first_line) - 1, 0)
    if len(body) > room:
        mark = f"\n… (cut: {len(text):,} characters)"
        body = body[: max(room - len(mark), 0)].rstrip() + mark
    return f"{first_line}\n{body}" if body else first_line


def plain(text: str) -> str:
    """Return a note as plain text: HTML is read, control characters go, and marks of HTML in ServiceNow are defused."""
    text = _CONTROL.sub("", text[:MOST_READ].replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(_without_marked_html(text))
    if _TAG.search(text):
        text = _of_html(text)
    return _MARK.sub(r"(\1)", text).strip()


def _without_marked_html(text: str) -> Iterator[str]:
    """Yield the parts of a text; those between `[code]` and `[/code]` are HTML for ServiceNow, and are read so."""
    start, opened = 0, False
    for mark in _MARK.finditer(text):
        closes = mark[1].startswith("/")
        if closes != opened:
            continue
        part = text[start : mark.start()]
        yield _of_html(part) if opened else part
        start, opened = mark.end(), not opened
    yield f"[code]{text[start:]}" if opened else text[start:]


def _of_html(text: str) -> str:
    return html_text.extract_text(text) if "<" in text or "&" in text else text


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _one_line(text: str, most_characters: int = _NAME_CHARACTERS) -> str:
    """A part of a heading: no line breaks, and nothing that reads like a code."""
    return " ".join(_CONTROL.sub(" ", text).replace("[", "(").replace("]", ")").split())[:most_characters]
