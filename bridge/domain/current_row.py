"""What the current row of a problem holds, apart from its body: enough to decide most observations. Pure."""

from datetime import datetime

from msgspec import Struct

from bridge.domain.fact import EPOCH, Fact
from bridge.domain.observation import Kind, Via


class CurrentRow(Struct):
    """The current row as it was read. `content_…`: of the newest whole statement; `doubt_…`: of an answer that looked
    older than it; `missed_at`: when a complete pass did not return the problem.
    """

    revision: int
    content_at: datetime | None
    content_hash: bytes | None
    content_observed_at: datetime | None
    content_via: Via | None
    confirmed_at: datetime | None
    effective_at: datetime
    observed_at: datetime
    patched: bool
    has_partials: bool
    deleted_at: datetime | None
    doubt_hash: bytes | None
    doubt_at: datetime | None
    missed_at: datetime | None
    status: str
    status_at: datetime | None
    updated_at: datetime | None
    via: Via

    def content(self) -> Fact | None:
        """Return the newest whole statement, without its body."""
        if self.content_at is None or self.content_hash is None:
            return None
        return Fact(
            effective_at=self.content_at,
            content_hash=self.content_hash,
            kind=Kind.FULL,
            observed_at=self.content_observed_at or self.observed_at,
            via=self.content_via or Via.PUSH,
            body=b"",
            confirmed_at=self.confirmed_at,
            status=self.status,
        )

    def content_stamp(self) -> datetime | None:
        """Return the update time that the content states; earlier than `content_at` where that time stood still."""
        if self.content_at is None or self.updated_at is None or self.patched:
            return self.content_at
        return min(self.updated_at, self.content_at)

    def status_since(self) -> datetime | None:
        """Since when the current status is known to hold; where the time of the content is ours, not since before."""
        if self.content_at is None or self.updated_at == self.content_at:
            return self.status_at
        return max(self.status_at or EPOCH, self.content_at)
