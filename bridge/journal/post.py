"""A posted body and its row in the journal, with a checksum of its own, since pages of SQLite have none."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Post:
    """One posted body as it came. `damaged`: it is not what was written; its time is then that of reading it."""

    source: str
    received_at: datetime
    event_hint: str | None
    raw: bytes
    damaged: bool = False


def size_of_post(post: Post) -> int:
    """Return the bytes of a post."""
    return len(post.raw)


def row_of(post: Post) -> tuple[str, str, str | None, bytes, bytes]:
    received_at = post.received_at.isoformat()
    checksum = _checksum(post.source, received_at, post.event_hint, post.raw)
    return post.source, received_at, post.event_hint, checksum, post.raw


def _checksum(source: str, received_at: str, event_hint: str | None, raw: bytes) -> bytes:
    digest = blake2b(raw, digest_size=8)
    digest.update(f"\0{source}\0{received_at}\0{event_hint}".encode())
    return digest.digest()


def post_of(source: str, received_at: str, event_hint: str | None, checksum: bytes, raw: bytes) -> Post:
    if _checksum(source, received_at, event_hint, raw) == checksum:
        return Post(source, instant_of(received_at), event_hint, raw)
    hint = None if event_hint is None else _without_nul(event_hint)
    return Post(_without_nul(source), datetime.now(UTC), hint, raw, damaged=True)


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def instant_of(text: str) -> datetime:
    """Return the time that this says; now, when it cannot be read."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
