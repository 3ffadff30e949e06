"""Notes of a ticket: from the rows of `sys_journal_field`, or out of the display value of a journal column.

A display value holds all entries, the newest first, each behind a line such as `2026-11-30 10:00:00 - Beth Anglin (Work
notes)`. Its time is in the time zone and format of the account, so it is taken for no instant.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

from bridge.domain import timestamp
from bridge.domain.ticket_system import JOURNALS, RemoteNote
from bridge.servicenow.wire import instant_of

_HEAD: Final = re.compile(r"^(.{6,40}) - (.{1,100}) \(([^()\n]{1,60})\)$", re.MULTILINE)


def note_of(row: Mapping[str, str]) -> RemoteNote:
    """Return the note of a row of `sys_journal_field`."""
    found = timestamp.read(instant_of(row.get("sys_created_on", "")))
    at = None if found is None or found.unset else found.at
    author, text = row.get("sys_created_by", ""), row.get("value", "")
    return RemoteNote(row.get("sys_id", ""), author, at, text, row.get("element", ""))


def notes_in(shown: Mapping[str, str]) -> list[RemoteNote]:
    """Return the notes in the display values of journals, by column, each the oldest first. A note is named by its
    author, time and text, and by how many of these came before.
    """
    notes: list[RemoteNote] = []
    seen: Counter[str] = Counter()
    for journal in JOURNALS:
        text = shown.get(journal, "")
        heads = list(_HEAD.finditer(text))
        ends = [*(head.start() for head in heads[1:]), len(text)]
        for head, end in reversed(list(zip(heads, ends, strict=False))):
            said = text[head.end() : end].strip("\n")
            named = blake2b("\x1f".join((head[2], head[1], head[3], said)).encode("utf-8", "replace"), digest_size=10)
            seen[named.hexdigest()] += 1
            number = seen[named.hexdigest()]
            note_id = named.hexdigest() if number == 1 else f"{named.hexdigest()}-{number}"
            notes.append(RemoteNote(note_id, head[2], None, said, journal))
    return notes


def as_items(notes: Iterable[RemoteNote]) -> list[dict[str, Any]]:
    """Return notes as those of a version 4 problem."""
    return [
        {"id": note.id, "author": note.author, "text": note.text, "journal": note.journal}
        | ({} if note.at is None else {"date": note.at.isoformat()})
        for note in notes
    ]
