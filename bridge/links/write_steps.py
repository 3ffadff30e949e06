"""What senders do around their requests, for many links in one transaction: writes are decided again and their intents
stored right before they are sent, and what the target answered ends them.

First is stored what the target was found to say, as observations like any other. An answered write ends in the same
transaction, and its link is decided again, because nothing could be decided while it was under way. Claimed rows are
decided on what the tables say now. A crash before the commit leaves answered writes without an answer, one after it
claimed rows in state `sending`, with an intent: `bridge.links.settle` settles both.

Of a group that cannot be stored as a whole, each is done alone (`bridge.links.together`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from bridge.errors import PermanentError
from bridge.links.conclude import EndedWrite, answered, begin
from bridge.links.decided_write import DecidedLinks, DecidedWrite, UndecidableNowError, WriteDecisions
from bridge.links.target import WriteTarget
from bridge.links.together import Together
from bridge.schedule import now
from bridge.storage import conflict, outbox
from bridge.storage import link as link_table
from bridge.storage.database import Connection, Database
from bridge.storage.link import LinkRow
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import store_items
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome

Claimed: TypeAlias = DecidedWrite | WriteOutcome | None
"""What may be sent now. An outcome: nothing is missing; None: not to be sent now."""


class DividedError(PermanentError):
    """One of a group has to be stored alone."""


@dataclass(frozen=True, slots=True)
class _StepItem:
    """A row to be claimed, or a write that was answered. `says`: what the target was found to say, if it was read."""

    row: OutboxRow
    says: Entry | None
    write: EndedWrite | None = None


@dataclass(slots=True)
class WriteSteps:
    """Claims and confirms the writes to one target."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    _together: Together[_StepItem, Claimed | UndecidableNowError] = field(init=False)

    def __post_init__(self) -> None:
        """Do together what comes at the same time."""
        self._together = Together(self._do)

    async def claim(self, row: OutboxRow, read: Entry | None) -> Claimed:
        """Decide a row again and store its intent. `read`: what the target says now. UndecidableNowError: later."""
        claimed = await self._together.put(_StepItem(row, read))
        if isinstance(claimed, UndecidableNowError):
            raise claimed
        return claimed

    async def confirm(self, write: EndedWrite, says: Entry) -> None:
        """Store what the target says and end a write."""
        await self._together.put(_StepItem(write.row, says, write))

    async def _do(self, parts: Sequence[_StepItem]) -> Sequence[Claimed | UndecidableNowError]:
        step = _Step(self.target, self.decisions, parts)
        if step.entries:
            await store_items(self.database, step.entries, touch=False, within=step.lock, then=step.carry_out)
        else:
            async with self.database.transaction() as connection:
                await step.lock(connection)
                await step.carry_out(connection, (), Stored())
        return [step.claimed.get(part.row.id) for part in parts]


@dataclass(slots=True)
class _Step:
    """One transaction; `lock` begins it again when another writer was faster. Each part is of another link."""

    target: WriteTarget
    decisions: WriteDecisions
    parts: Sequence[_StepItem]
    entries: list[Entry] = field(init=False)
    claimed: dict[int, Claimed | UndecidableNowError] = field(default_factory=dict)
    _links: dict[int, LinkRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is done yet."""
        self.entries = [part.says for part in self.parts if part.says is not None]

    async def lock(self, connection: Connection) -> None:
        """Hold the lease, then the links: what observations lock comes after them."""
        self.claimed.clear()
        await self.target.source.fence.hold(connection)
        self._links = await link_table.lock(connection, [part.row.link_id for part in self.parts])

    async def carry_out(self, connection: Connection, entries: Sequence[Entry], _stored: Stored) -> None:
        """End what was answered, decide all, store intents. One alone goes on without its observation, where that is a
        dead letter: Postgres does not take it.
        """
        if len(self.parts) > 1 and len(entries) < len(self.entries):
            raise DividedError("one of the group is stored alone")
        opened = await conflict.opened(connection, self._links)
        writes = [part.write for part in self.parts if part.write is not None]
        over, conflicts_changed = await answered(connection, writes, self._links, opened.fields)
        if conflicts_changed:
            opened = await conflict.opened(connection, self._links)
        links = self._links | over
        rows = [part.row for part in self.parts if part.write is None]
        if rows:
            decided = await self.decisions.decide(connection, links, rows, over, opened)
        else:
            decided = await self.decisions.decide_answered(connection, links, over, opened)
        begun = await self._begin(connection, rows, decided)
        await link_table.save(connection, list((over | decided.links | begun).values()))

    async def _begin(
        self, connection: Connection, rows: Sequence[OutboxRow], decided: DecidedLinks
    ) -> dict[int, LinkRow]:
        """Store the intents of what is still wanted, and end the rest; return the links with their intents."""
        source = self.target.source
        seconds = self.target.writer.capabilities.settle_seconds + source.settings.request_timeout_seconds
        wanted = [(row, one) for row in rows if isinstance(one := decided.writes[row.id], DecidedWrite)]
        until = now() + timedelta(seconds=seconds)
        begun = await begin(connection, wanted, token=source.fence.token, until=until)
        ended = {row.id: _nothing_missing(row) for row in rows if decided.writes[row.id] is None}
        if ended:
            await outbox.end(connection, ended, at=now())
        for row in rows:
            one = decided.writes[row.id]
            if isinstance(one, DecidedWrite):
                self.claimed[row.id] = one if row.link_id in begun else None
            else:
                self.claimed[row.id] = ended.get(row.id, one)
        return begun


def _nothing_missing(row: OutboxRow) -> WriteOutcome:
    return WriteOutcome.UNCHANGED if row.kind is WriteKind.UPDATE else WriteOutcome.DROPPED
