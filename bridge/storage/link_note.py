"""Notes of linked tickets: which stand where, and which are copies of which."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from bridge.domain.link.word_map import Side
from bridge.storage.database import Connection
from bridge.storage.queries import queries
from bridge.storage.row_builder import columns


class NoteState(StrEnum):
    """What a note is."""

    ORIGIN = "origin"
    """Somebody wrote it there."""
    COPY = "copy"
    """We wrote it; its first line has the code of its original."""
    SKIPPED = "skipped"
    """Not to be copied: from before the link, or against the direction of the rule."""


class LinkNoteRow(Struct, frozen=True):
    """A note of a link. `code`: of an original that of its copy, of a copy that of its original.

    `copied_at`: of an original, when its copy was confirmed.
    """

    link_id: int
    side: Side
    note: str
    code: str
    state: NoteState
    copy_of: str | None = None
    author: str | None = None
    text_hash: bytes | None = None
    noted_at: datetime | None = None
    copied_at: datetime | None = None


async def of_links(connection: Connection, link_ids: Iterable[int]) -> dict[int, list[LinkNoteRow]]:
    """Return the notes of links, oldest first."""
    found: dict[int, list[LinkNoteRow]] = {}
    for row in await connection.fetch(queries("link_note")["of_links"], sorted(link_ids)):
        values = dict(row) | {"side": Side(row["side"]), "state": NoteState(row["state"])}
        found.setdefault(row["link_id"], []).append(LinkNoteRow(**values))
    return found


async def add(connection: Connection, notes: Sequence[LinkNoteRow]) -> int:
    """Add notes that were read; return how many are new or have another text. One that is known stays what it is."""
    rows = [
        (
            one.link_id,
            one.side.value,
            one.note,
            one.code,
            one.copy_of,
            one.state.value,
            one.author,
            one.text_hash,
            one.noted_at,
        )
        for one in notes
    ]
    return len(await connection.fetch(queries("link_note")["add"], *columns(rows))) if rows else 0


async def confirm(connection: Connection, copies: Sequence[tuple[int, str]], at: datetime) -> None:
    """The copies with these codes, of these links, stand on the other side."""
    if copies:
        await connection.execute(queries("link_note")["confirm"], *columns(copies), at)
