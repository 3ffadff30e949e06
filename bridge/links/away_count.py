"""Is it a ticket that fails, or the target? Told by how many requests in a row have failed."""

from dataclasses import dataclass, field
from typing import Final

from bridge.errors import BridgeError, DatabaseUnavailableError, TransientError, without_frames
from bridge.storage.lease import LeaseLostError

_IN_A_ROW: Final = 3
"""So many failures, with nothing that worked between them, say that the target is away."""


@dataclass(slots=True)
class AwayCount:
    """The failures of one pass over the rows of one target. `stop`: no further request is to start."""

    failures: list[BridgeError] = field(default_factory=list)
    stop: bool = False
    _in_a_row: int = 0

    def failed(self, error: TransientError) -> None:
        """A request failed; a pause that was asked for, Postgres and a lost lease concern all rows at once."""
        self.failures.append(without_frames(error))
        self._in_a_row += 1
        concerns_all = isinstance(error, DatabaseUnavailableError | LeaseLostError)
        self.stop |= concerns_all or error.retry_after_seconds is not None or self._in_a_row >= _IN_A_ROW

    def worked(self) -> None:
        """The target answered."""
        self._in_a_row = 0
