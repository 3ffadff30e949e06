"""Decides writes again and stores their intents right before they are sent, many in one transaction.

What the target was found to say is stored first, as an observation like any other. A crash after the commit leaves rows
in state `sending`, with an intent, which `bridge.links.settle` settles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from bridge.links.conclude import EndedWrite, begin, ended
from bridge.links.decided_write import DecidedWrite, UndecidableNowError, WriteDecisions
from bridge.links.target import WriteTarget
from bridge.links.together import Together
from bridge.schedule import now
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome

Claimed: TypeAlias = DecidedWrite | WriteOutcome | None
"""What may be sent now. An outcome: nothing is missing; None: not to be sent now."""


@dataclass(slots=True)
class WriteClaims:
    """Claims the rows of one target."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    _together: Together[tuple[OutboxRow, Entry | None], Claimed | UndecidableNowError] = field(init=False)

    def __post_init__(self) -> None:
        """Claim together what comes at the same time."""
        self._together = Together(self._claim)

    async def claim(self, row: OutboxRow, read: Entry | None) -> Claimed:
        """Decide a row again and store its intent. `read`: what the target says now. UndecidableNowError: later."""
        claimed = await self._together.put((row, read))
        if isinstance(claimed, UndecidableNowError):
            raise claimed
        return claimed

    async def _claim(self, claims: Sequence[tuple[OutboxRow, Entry | None]]) -> Sequence[Claimed | UndecidableNowError]:
        if entries := [read for _, read in claims if read is not None]:
            await store_items(self.database, entries, touch=False)
        source, rows = self.target.source, [row for row, _ in claims]
        seconds = self.target.writer.capabilities.settle_seconds + source.settings.request_timeout_seconds
        async with self.database.transaction() as connection:
            await source.fence.hold(connection)
            decided = await self.decisions.decide(connection, rows)
            wanted = [(row, one) for row in rows if isinstance(one := decided[row.id], DecidedWrite)]
            over = [EndedWrite(row, _nothing_missing(row)) for row in rows if decided[row.id] is None]
            until = now() + timedelta(seconds=seconds)
            begun = await begin(connection, wanted, token=source.fence.token, until=until)
            await ended(connection, over)
        claimed: list[Claimed | UndecidableNowError] = []
        for row in rows:
            one = decided[row.id]
            if one is None:
                claimed.append(_nothing_missing(row))
            else:
                claimed.append(one if row.id in begun or isinstance(one, UndecidableNowError) else None)
        return claimed


def _nothing_missing(row: OutboxRow) -> WriteOutcome:
    return WriteOutcome.UNCHANGED if row.kind is WriteKind.UPDATE else WriteOutcome.DROPPED
