"""Reading a dead letter again, as this version of the program understands it.

What can be understood now is stored through the same door as any observation, and then the letter is settled. A crash
between the two leaves a letter that waits; replaying it again changes nothing.
"""

from datetime import datetime
from typing import Any

from bridge.domain.observation import Via
from bridge.errors import PermanentError, UnreadableError
from bridge.http.row import Row
from bridge.storage import dead_letter
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire


async def replay(database: Database, number: int) -> str | None:
    """Replay one letter; return why it still waits, None when it was replayed. PermanentError for an unknown number."""
    async with database.connection() as connection:
        letter = await dead_letter.show(connection, number)
    if letter is None:
        raise PermanentError(f"there is no dead letter {number}: see `tmf656-bridge dead-letters list`")
    if letter["state"] != "waiting":
        return f"was {letter['state']} before"
    try:
        entries = _entries(letter)
    except UnreadableError as error:
        return f"still not understood: {error}"
    if "dead_letter" in (await store_items(database, entries)).outcomes:
        return "refused by Postgres again"
    async with database.transaction() as connection:
        await dead_letter.settle(connection, number, "replayed")
    return None


def _entries(letter: dict[str, Any]) -> list[Entry]:
    """Read the bytes as they were received; UnreadableError when any part of them is not understood."""
    received_at: datetime = letter["received_at"]
    if letter["via"] == Via.PUSH.value:
        events = wire.read_notifications(letter["raw"], received_at=received_at, event_hint=letter["event_hint"])
        for event in events:
            if event.error is not None:
                raise event.error
        read = [event.notification for event in events if event.notification is not None]
        return [Entry(letter["source_id"], each.observation, each) for each in read]
    item = Row(text=letter["raw"]).read()
    return [Entry(letter["source_id"], wire.read_problem(item, asked_at=received_at, via=Via(letter["via"])))]
