"""Is it a ticket that fails, or the target? Told by how many requests in a row have failed."""

from dataclasses import dataclass, field
from typing import Final

from bridge.errors import BridgeError, DatabaseUnavailableError, TransientError, without_frames
from bridge.storage.lease import LeaseLostError

_IN_A_ROW: Final = 3
"""So many failures, with nothing that worked between them, say that the target is away."""


@dataclass(slots=True)
class AwayCount:
    """The failures of one pass over the rows of one target. `stop`: no further request is to start.

    `failures`: the one that stopped it; until then the first.
    """

    failures: list[BridgeError] = field(default_factory=list)
    stop: bool = False
    _in_a_row: int = 0

    def failed(self, error: TransientError) -> None:
        """A request failed; a pause that was asked for, Postgres and a lost lease concern all rows at once."""
        self._in_a_row += 1
        concerns_all = isinstance(error, DatabaseUnavailableError | LeaseLostError)
        stops = concerns_all or error.retry_after_seconds is not None or self._in_a_row >= _IN_A_ROW
        if not self.failures or (stops and not self.stop):
            self.failures = [without_frames(error)]
        self.stop |= stops

    def worked(self) -> None:
        """The target answered."""
        self._in_a_row = 0


@dataclass(slots=True)
class SendPass:
    """What came of one pass of a sender so far. `error`: one of ours or of Postgres, not of a row."""

    away: AwayCount = field(default_factory=AwayCount)
    looked_at: int = 0
    moved: bool = False
    settling: bool = False
    waits: bool = False
    error: Exception | None = None
