"""How fast a source is asked for single problems: a fixed number of requests a second, evenly spaced."""

from time import monotonic

import anyio


class RequestPace:
    """Spaces requests; may be used by many tasks at once."""

    def __init__(self, per_second: float) -> None:
        """Let `per_second` requests start each second; 0: any number."""
        self._interval_seconds = 1 / per_second if per_second > 0 else 0.0
        self._next_at = 0.0

    async def wait_turn(self, requests: int = 1) -> None:
        """Wait until so many more requests may start."""
        delay_seconds = max(0.0, self._next_at - monotonic())
        self._next_at = max(self._next_at, monotonic()) + requests * self._interval_seconds
        await anyio.sleep(delay_seconds)
