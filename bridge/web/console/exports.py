"""How many lists are written as CSV at a time: each holds a connection for as long as its reader takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bridge.web.refusal import Refusal

MOST: Final = 2
"""Of four connections; the others are for pages."""


@dataclass(slots=True)
class ExportSlots:
    """One export a user, MOST in all."""

    _users: set[str] = field(default_factory=set)

    @contextmanager
    def taken(self, user: str) -> Iterator[None]:
        """Hold a place; Refusal (429, 503) when there is none."""
        if user in self._users:
            message = "Another export of yours is under way: let it end first."
            raise Refusal(429, "export_running", message, retry_after_seconds=10)
        if len(self._users) >= MOST:
            raise Refusal(503, "exports_full", "Others are exporting now: try again soon.", retry_after_seconds=10)
        self._users.add(user)
        try:
            yield
        finally:
            self._users.discard(user)
