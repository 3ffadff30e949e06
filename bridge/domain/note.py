"""The notes of a version 4 body, under ids that stay the same whenever it is read."""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from bridge.domain import timestamp
from bridge.domain.ticket_system import JOURNALS, RemoteNote


def notes_of(record: Mapping[str, Any]) -> list[RemoteNote]:
    """Return the notes of a version 4 body in its order.

    A note without an id is named by its author, time and text. No two have the same: of equal names the later ones say
    how many came before.
    """
    listed = record.get("note")
    parts = listed if isinstance(listed, list) else [listed]
    seen: Counter[str] = Counter()
    notes = []
    for part in parts:
        if not isinstance(part, dict):
            continue
        author, date, text = _name(part.get("author")), part.get("date"), part.get("text")
        text = text if isinstance(text, str) else ""
        named = _text_of(part.get("id")) or _digest(author, str(date), text)
        seen[named] += 1
        note_id = named if seen[named] == 1 else f"{named}-{seen[named]}"
        found = timestamp.read(date)
        at = None if found is None or found.unset else found.at
        notes.append(RemoteNote(note_id, author, at, text, _journal_of(part)))
    return notes


def with_code(record: Mapping[str, Any], code: str) -> bool:
    """Is there a note whose first line has this code?"""
    return any(code in note.text.partition("\n")[0] for note in notes_of(record))


def vanished(before: Iterable[Mapping[str, Any]], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the elements of the notes that one of these bodies has, and the present one has not, by id or by author
    and text; each once, in their order.
    """
    there = [*notes_of(now)]
    found = []
    for body in before:
        listed = body.get("note")
        parts = [part for part in (listed if isinstance(listed, list) else [listed]) if isinstance(part, dict)]
        for part, note in zip(parts, notes_of({"note": parts}), strict=True):
            if not any(note.id == one.id or (note.author, note.text) == (one.author, one.text) for one in there):
                found.append(part)
                there.append(note)
    return found


def _journal_of(part: Mapping[str, Any]) -> str:
    """ServiceNow's own TMF APIs name the journal as the type of a note."""
    kind = part.get("@type")
    return _text_of(part.get("journal")) or (kind if isinstance(kind, str) and kind in JOURNALS else "")


def _text_of(value: object) -> str:
    return value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""


def _name(author: object) -> str:
    """Version 3's samples have an object for an author."""
    if isinstance(author, dict):
        return next((each for name in ("name", "id") if isinstance(each := author.get(name), str)), "")
    return author if isinstance(author, str) else ""


def _digest(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
