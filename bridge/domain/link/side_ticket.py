"""A ticket of one side of a link, as the tables know it."""

from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from bridge.domain.ticket_system import Record

ENDED: Final = frozenset({"resolved", "closed", "cancelled", "rejected"})
"""Our statuses that end a ticket."""


class SideTicket(Struct, frozen=True):
    """What is known of a ticket. `key`: that of its link. `status`: ours (`domain.status`).

    `keys`: texts in it that look like keys of ours. `revision`: counts what was stored of it; `observed_at`: our clock
    when that was said, `via` the way it came. `note`: its notes, as a problem of version 4 has them.
    """

    id: str
    source: str
    record: Record
    status: str = ""
    revision: int = 0
    deleted: bool = False
    key: str | None = None
    url: str | None = None
    via: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    status_changed_at: datetime | None = None
    observed_at: datetime | None = None
    keys: frozenset[str] = frozenset()
    note: Any = None

    @property
    def ended(self) -> bool:
        """Has its status ended it?"""
        return self.status in ENDED

    def about(self, name: str) -> str | None:
        """Return what every ticket has: id, url, created_at, updated_at, key or source, as text."""
        value = getattr(self, name)
        return value.isoformat() if isinstance(value, datetime) else value

    def names(self) -> dict[str, Any]:
        """Return what a template may say of it: what every ticket has, and its record over that."""
        own = {name: self.about(name) or "" for name in ("id", "url", "created_at", "updated_at", "key", "source")}
        return own | self.record
