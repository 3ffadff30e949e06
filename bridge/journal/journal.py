"""The local journal: where notifications are kept durably while Postgres cannot take them.

An SQLite file in `data_dir`, in WAL mode with synchronous=FULL: a commit returns after fsync, frames of the log are
checksummed by SQLite, and a tail torn by a power cut is rolled back on opening, so only what was never answered can be
lost. SQLite rather than an append-only file of our own, because draining from the front while appending at the end, and
giving space back, is what a database already does right. Every row carries a checksum of its own, over all of it, since
SQLite's pages in the main file have none; a row that fails it is handed out marked, for a dead letter. A file that is
damaged is rescued when it is opened (`bridge.journal.file`); damage that shows later ends the process, and the
next one opens the file.

`append` takes many posts for one fsync (`bridge.ingest.group_commit` gathers them). All work runs in one thread at a
time, never on the event loop. Crash after the commit: the post is replayed, whether or not its sender was answered.
Crash between the commit in Postgres and `drop`: the post is replayed again, and is a duplicate there.
"""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from bridge.errors import PermanentError, TransientError
from bridge.journal.file import UNREADABLE, connected

log = structlog.get_logger(__name__)

_ROW_BYTES = 128
"""What a row costs beside its body, for the bound; generous."""
_ORDINARY_BYTES = 4096
_HANDED_OUT_BYTES = 8 * 1024 * 1024
"""Most that is read at a time, unless one alone is larger."""
_RETRY_SECONDS = 5
_PROCESSES = 128
"""Processes that may share a data directory: as many workers as there can be, while those before them still stop."""
_ADOPT_ROWS = 500

T = TypeVar("T")


class JournalFullError(TransientError):
    """The journal holds as much as it may, or the disk is full."""


@dataclass(frozen=True, slots=True)
class Post:
    """One posted body as it came. `damaged`: it is not what was written; its time is then that of reading it."""

    source: str
    received_at: datetime
    event_hint: str | None
    raw: bytes
    damaged: bool = False


class Journal:
    """An open journal; use `opened`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, max_bytes: int) -> None:
        """Wrap a connection whose schema is there."""
        self._connection = connection
        self._one_at_a_time = CapacityLimiter(1)
        self._max_bytes = max_bytes
        self.path = path
        self.waiting, self.waiting_bytes, self.oldest_at = 0, 0, None
        self._measure()

    waiting: int
    """Posts that are not in Postgres yet."""
    waiting_bytes: int
    oldest_at: datetime | None
    """When the oldest of them was received."""

    async def append(self, posts: Sequence[Post]) -> None:
        """Keep posts; durable on return. JournalFullError when they do not fit, and then none of them is kept."""
        await self._in_thread(lambda: self._append(posts))

    async def keep(self, posts: Sequence[Post]) -> Sequence[None]:
        """`append`, as a group commit wants it: a result for each."""
        await self.append(posts)
        return [None] * len(posts)

    @property
    def full(self) -> bool:
        """Is there no room for a notification of ordinary size any more?"""
        return self.waiting_bytes + _ORDINARY_BYTES > self._max_bytes

    async def first(self, limit: int) -> list[tuple[int, Post]]:
        """Return the oldest posts with their numbers, in order of arrival: so many, or fewer when they are large."""
        return await self._in_thread(lambda: self._first(limit))

    async def drop(self, until: int) -> None:
        """Forget every post up to this number: Postgres has them."""
        await self._in_thread(lambda: self._drop(until))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # not abandoned on cancellation: an answer must not depend on a commit whose end nobody saw
        with anyio.CancelScope(shield=True):
            result = await to_thread.run_sync(work, limiter=self._one_at_a_time)
        return result  # noqa: RET504 -- returned outside the scope, which swallows its own cancellation

    def _append(self, posts: Sequence[Post]) -> None:
        size = sum(len(post.raw) + _ROW_BYTES for post in posts)
        if self.waiting_bytes + size > self._max_bytes:
            raise JournalFullError(
                f"the local journal holds {self.waiting_bytes} of {self._max_bytes} bytes",
                retry_after_seconds=_RETRY_SECONDS,
            )
        self._insert(posts, size)

    def _insert(self, posts: Sequence[Post], size: int) -> None:
        rows = [_written(post) for post in posts]
        with self._transaction():
            self._connection.executemany(
                "insert into post (source, received_at, event_hint, checksum, raw) values (?, ?, ?, ?, ?)", rows
            )
        self.waiting += len(posts)
        self.waiting_bytes += size
        if self.oldest_at is None:
            self.oldest_at = posts[0].received_at

    def _first(self, limit: int) -> list[tuple[int, Post]]:
        rows = self._connection.execute(
            "select id, source, received_at, event_hint, checksum, raw from post order by id limit ?", (limit,)
        )
        found: list[tuple[int, Post]] = []
        size = 0
        with closing(rows):
            for number, source, received_at, hint, checksum, raw in rows:
                size += len(raw)
                if found and size > _HANDED_OUT_BYTES:
                    break
                found.append((number, _read(source, received_at, hint, checksum, raw)))
        return found

    def _drop(self, until: int) -> None:
        with self._transaction():
            self._connection.execute("delete from post where id <= ?", (until,))
        self._measure()
        if self.waiting == 0:
            self._connection.execute("pragma incremental_vacuum")
            self._connection.execute("pragma wal_checkpoint(truncate)")

    def _measure(self) -> None:
        number, size, oldest = self._connection.execute(
            "select count(*), coalesce(sum(length(raw) + ?), 0), min(received_at) from post", (_ROW_BYTES,)
        ).fetchone()
        self.waiting, self.waiting_bytes = number, size
        self.oldest_at = None if oldest is None else _instant(oldest)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("begin immediate")
            yield
            self._connection.execute("commit")
        except sqlite3.OperationalError as error:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise JournalFullError(
                f"the local journal cannot be written: {error}", retry_after_seconds=_RETRY_SECONDS
            ) from error

    def adopt(self, path: Path) -> None:
        """Move what waits in the journal of a process that is gone into ours. Dying in between leaves some of it
        twice.
        """
        with ExitStack() as stack:
            if not _locked(path, stack):
                return
            connection = connected(path)
            stack.callback(connection.close)
            other = Journal(connection, path, self._max_bytes)
            while numbered := other._first(_ADOPT_ROWS):
                posts = [post for _, post in numbered]
                self._insert(posts, sum(len(post.raw) + _ROW_BYTES for post in posts))
                other._drop(numbered[-1][0])


@contextmanager
def opened(data_dir: Path, *, max_bytes: int) -> Iterator[Journal]:
    """Open the journal of a data directory, made if need be; PermanentError when the directory cannot be written.

    A second process on the same directory gets a file of its own. What a process that is gone left in its file is moved
    into ours, so that it is replayed.
    """
    with ExitStack() as stack:
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            path = next((path for path in _paths(data_dir) if _locked(path, stack)), None)
            if path is None:
                raise PermanentError(
                    f"all {_PROCESSES} journals in {data_dir} are in use by other processes: run fewer of them, or set "
                    "another data_dir for some"
                )
            connection = connected(path)
            stack.callback(connection.close)
        except (OSError, sqlite3.OperationalError) as error:
            raise PermanentError(
                f"no local journal can be opened in {data_dir} ({error!r}): set a data_dir that can be written"
            ) from error
        journal = Journal(connection, path, max_bytes)
        for left in _paths(data_dir):
            if left != path and left.exists():
                journal.adopt(left)
        if journal.waiting:
            log.info("journal waits to be replayed", posts=journal.waiting, since=str(journal.oldest_at))
        yield journal


def size_of_post(post: Post) -> int:
    """What a post weighs, in bytes."""
    return len(post.raw)


def waiting_in(data_dir: Path) -> tuple[int, datetime | None]:
    """How many posts wait in the journals of a data directory, and since when; for whoever only looks."""
    number, oldest = 0, None
    for path in _paths(data_dir):
        if path.exists():
            found, since = _waiting_in(path)
            number += found
            oldest = min(filter(None, (oldest, since)), default=None)
    return number, oldest


def _waiting_in(path: Path) -> tuple[int, datetime | None]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            number, since = connection.execute("select count(*), min(received_at) from post").fetchone()
    except UNREADABLE as error:
        log.warning("a local journal cannot be read", path=str(path), error=str(error))
        return 0, None
    return number, None if since is None else _instant(since)


def _paths(data_dir: Path) -> list[Path]:
    return [
        data_dir / "journal.sqlite",
        *(data_dir / f"journal-{number}.sqlite" for number in range(2, _PROCESSES + 1)),
    ]


def _locked(path: Path, stack: ExitStack) -> bool:
    """Take the lock of a journal file, until the stack unwinds or the process dies; False when another process has
    it.
    """
    with ExitStack() as unless_locked:
        lock = unless_locked.enter_context(path.with_suffix(".lock").open("wb"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        stack.push(unless_locked.pop_all())
    return True


def _written(post: Post) -> tuple[str, str, str | None, bytes, bytes]:
    received_at = post.received_at.isoformat()
    checksum = _checksum(post.source, received_at, post.event_hint, post.raw)
    return post.source, received_at, post.event_hint, checksum, post.raw


def _checksum(source: str, received_at: str, event_hint: str | None, raw: bytes) -> bytes:
    digest = blake2b(raw, digest_size=8)
    digest.update(f"\0{source}\0{received_at}\0{event_hint}".encode())
    return digest.digest()


def _read(source: str, received_at: str, event_hint: str | None, checksum: bytes, raw: bytes) -> Post:
    if _checksum(source, received_at, event_hint, raw) == checksum:
        return Post(source, _instant(received_at), event_hint, raw)
    hint = None if event_hint is None else _without_nul(event_hint)
    return Post(_without_nul(source), datetime.now(UTC), hint, raw, damaged=True)


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _instant(text: str) -> datetime:
    """When this says; now, when that cannot be read any more."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
