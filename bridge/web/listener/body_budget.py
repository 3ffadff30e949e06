"""How much room bodies may take at a time, all requests together.

A body is counted while it is read, unpacked, stored and answered; what would be too much is told to come again. One
body alone is always let in, whatever the bound: how large that may be is another limit. How many requests there are is
bounded by the connections (`bridge.web.connections`), what waits to be stored by `bridge.ingest.group_commit`.
"""

from typing import Self

from bridge.web.refusal import Refusal


class BodyReservation:
    """What one request takes of the room."""

    __slots__ = ("_room", "taken_bytes")

    def __init__(self, room: "BodyBudget") -> None:
        """Take nothing yet."""
        self._room = room
        self.taken_bytes = 0

    def __enter__(self) -> Self:
        """Nothing is taken until it is asked for."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give everything back."""
        self.leave()

    def leave(self) -> None:
        """The same, where it is no block; once."""
        self._room.taken_bytes -= self.taken_bytes

    def take(self, more_bytes: int) -> None:
        """Take more (or, below 0, give some back); Refusal when others have taken too much already."""
        others_bytes = self._room.taken_bytes - self.taken_bytes
        if more_bytes > 0 and others_bytes and self._room.taken_bytes + more_bytes > self._room.most_bytes:
            raise Refusal(503, "overloaded", "too much is being received at a time", retry_after_seconds=1)
        self.taken_bytes += more_bytes
        self._room.taken_bytes += more_bytes


class BodyBudget:
    """Room for `most_bytes` of bodies."""

    def __init__(self, most_bytes: int) -> None:
        """Start empty."""
        self.most_bytes = most_bytes
        self.taken_bytes = 0

    def place(self) -> BodyReservation:
        """A place in it, for a `with`; what it took is free again when the block ends."""
        return BodyReservation(self)
