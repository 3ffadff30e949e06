"""Reading a dead letter again, as this version of the program understands it.

What can be understood now is stored through the same door as any observation, and then the letter is settled. A crash
between the two leaves a letter that waits; replaying it again changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.domain.observation import Notification, Observation, Via
from bridge.domain.vocabulary import BUILT_IN
from bridge.errors import PermanentError, UnreadableError
from bridge.http.row import Row
from bridge.settings import SourceSettings
from bridge.sources.state import filter_of, vocabulary_of
from bridge.storage import dead_letter
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire


async def replay(database: Database, number: int, sources: Mapping[str, SourceSettings]) -> str | None:
    """Replay one letter, in the words and by the filter of its source as `sources` have it; return why it still waits,
    None when it was replayed. PermanentError for an unknown number.
    """
    async with database.connection() as connection:
        letter = await dead_letter.show(connection, number)
    if letter is None:
        raise PermanentError(f"there is no dead letter {number}: see `tmf656-bridge dead-letters list`")
    if letter["state"] != "waiting":
        return f"was {letter['state']} before"
    try:
        entries = _entries(letter, sources.get(letter["source"]))
    except UnreadableError as error:
        return f"still not understood: {error}"
    if "dead_letter" in (await store_items(database, entries)).outcomes:
        return "refused by Postgres again"
    async with database.transaction() as connection:
        await dead_letter.settle(connection, number, "replayed")
    return None


def _entries(letter: dict[str, Any], settings: SourceSettings | None) -> list[Entry]:
    """Read the bytes as they were received; UnreadableError when any part of them is not understood. `settings`: of the
    source, None where it is not configured any more.
    """
    received_at: datetime = letter["received_at"]
    vocabulary = BUILT_IN if settings is None else vocabulary_of(settings)
    chosen = None if settings is None else filter_of(settings)
    if letter["via"] == Via.PUSH.value:
        events = wire.read_notifications(
            letter["raw"], received_at=received_at, event_hint=letter["event_hint"], vocabulary=vocabulary
        )
        for event in events:
            if event.error is not None:
                raise event.error
        read: list[tuple[Observation | None, Notification | None]] = [
            (each.observation, each) for event in events if (each := event.notification) is not None
        ]
    else:
        item = Row(text=letter["raw"]).read()
        via = Via(letter["via"])
        read = [(wire.read_problem(item, asked_at=received_at, via=via, vocabulary=vocabulary), None)]
    return [
        Entry(letter["source_id"], seen, notification, True if chosen is None or seen is None else chosen.keeps(seen))
        for seen, notification in read
    ]
