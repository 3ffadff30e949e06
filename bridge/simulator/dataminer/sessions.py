"""Sessions of Web Services v1: made by ConnectApp, lost after five idle minutes, at LogOut, or when IIS recycles."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

_IDLE = timedelta(minutes=5)


class WebSessions:
    """The live sessions and when each was used last."""

    def __init__(self, clock: Callable[[], datetime], dice: Random) -> None:
        """Start without any."""
        self._clock = clock
        self._dice = dice
        self._used: dict[str, datetime] = {}
        self.opened = 0
        """How many were made so far."""

    def __len__(self) -> int:
        return len(self._used)

    def open(self) -> str:
        """Make one and return its id."""
        connection = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        self._used[connection] = self._clock()
        self.opened += 1
        return connection

    def touch(self, connection: object) -> bool:
        """Use a session; return whether it is alive."""
        used = self._used.get(connection) if isinstance(connection, str) else None
        if used is None:
            return False
        if self._clock() - used > _IDLE:
            del self._used[str(connection)]
            return False
        self._used[str(connection)] = self._clock()
        return True

    def close(self, connection: object) -> None:
        """End a session, if there is one."""
        if isinstance(connection, str):
            self._used.pop(connection, None)

    def close_all(self) -> None:
        """End all of them, as a recycled application pool does."""
        self._used.clear()
