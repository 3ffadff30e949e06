"""Stores what a target answered and ends the rows of the outbox, many in one transaction.

The answer is an observation like any other; the links are decided again in the same transaction, because nothing could
be decided while their writes were under way. A crash before the commit leaves writes without an answer, which
`bridge.links.settle` settles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.links.conclude import EndedWrite, ended
from bridge.links.decided_write import WriteDecisions
from bridge.links.target import WriteTarget
from bridge.links.together import Together
from bridge.storage import link as link_table
from bridge.storage.database import Connection, Database
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.link import LinkRow
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import store_items


@dataclass(slots=True)
class WriteConfirmations:
    """Confirms the writes to one target."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    _together: Together[tuple[EndedWrite, Entry], None] = field(init=False)

    def __post_init__(self) -> None:
        """Confirm together what comes at the same time."""
        self._together = Together(self._confirm)

    async def confirm(self, write: EndedWrite, says: Entry) -> None:
        """Store what the target says and end a write."""
        await self._together.put((write, says))

    async def _confirm(self, writes: Sequence[tuple[EndedWrite, Entry]]) -> Sequence[None]:
        of_entry = {id(entry): write for write, entry in writes}
        numbers = [write.row.link_id for write, _ in writes]
        over: set[int] = set()
        links: dict[int, LinkRow] = {}

        async def lock(connection: Connection) -> None:
            nonlocal links
            await self.target.source.fence.hold(connection)
            links = await link_table.lock(connection, numbers)

        async def end(connection: Connection, entries: Sequence[Entry], _stored: Stored) -> None:
            # alone also without its answer, where that is a dead letter: Postgres does not take it
            of_part = [writes[0][0]] if len(writes) == 1 else [of_entry[id(entry)] for entry in entries]
            saved = await ended(connection, of_part, links)
            await self.decisions.again(connection, [write.row.link_id for write in of_part], saved.values())
            over.update(write.row.id for write in of_part)

        await store_items(self.database, [entry for _, entry in writes], within=lock, then=end)
        if len(over) < len(writes):
            raise ConcurrentUpdateError("one of the answers is stored alone")
        return [None] * len(writes)
