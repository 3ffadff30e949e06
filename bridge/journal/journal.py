"""The local journal: where notifications are kept durably while Postgres cannot take them.

An SQLite file in `data_dir`, in WAL mode with synchronous=FULL: a commit returns after fsync. Every row has a checksum
of its own, since SQLite's pages have none; a row that fails it is handed out marked, for a dead letter. A damaged file
is repaired when it is opened (`bridge.journal.file`); damage that shows later ends the process.

When the disk refuses writes, posts are refused (their senders are answered 503) and `problem` says why. What Postgres
has is then deleted with the help of a reserve (`bridge.journal.reserve`); where even that fails it is not handed out
again by this process, and deleted later. A file that is deleted while it is open is written again.

`append` takes many posts for one fsync (`bridge.ingest.group_commit` gathers them). All work runs in one thread at a
time, never on the event loop. A crash after the commit: the post is replayed, whether or not its sender was answered.
A crash between the commit in Postgres and `drop`: the post is replayed again, and is a duplicate there.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import anyio
import orjson
import structlog
from anyio import CapacityLimiter, to_thread

from bridge.errors import TransientError
from bridge.journal import file
from bridge.journal.post import Post, instant_of, post_of, row_of
from bridge.journal.reserve import Reserve, reserve_bytes

log = structlog.get_logger(__name__)

_ROW_BYTES = 128
"""What a row takes beside its body, for the bound; generous."""
_ORDINARY_BYTES = 4096
_PAGE_BYTES = 4096
_VACUUM_PAGES, _VACUUM_PAGES_ON_FULL_DISK = 1024, 32
_HANDED_OUT_BYTES = 8 * 1024 * 1024
"""Most that is read at a time, unless one alone is larger."""
_RETRY_SECONDS = 5
_ADOPT_ROWS = 500
_LEAST_FREE_BYTES = 256 * 1024
"""With less the disk counts as full before a write has failed."""
_INSERT = "insert into post (source, received_at, event_hint, checksum, raw) values (?, ?, ?, ?, ?)"

T = TypeVar("T")


class JournalFullError(TransientError):
    """The journal holds as much as it may, or the disk refuses to be written."""


class Journal:
    """An open journal; use `bridge.journal.directory.opened`."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, max_bytes: int, *, locks: ExitStack | None = None
    ) -> None:
        """Wrap a connection whose schema is there. `locks` hold the lock of the file."""
        self._connection = connection
        self._one_at_a_time = CapacityLimiter(1)
        self._max_bytes = max_bytes
        self._locks = locks or ExitStack()
        self._reserve = Reserve(path.with_suffix(".reserve"), reserve_bytes(path.parent))
        # the log stays smaller than the reserve, with which it can be written to the main file on a full disk
        connection.execute(f"pragma wal_autocheckpoint = {self._reserve.size_bytes // 2 // _PAGE_BYTES}")
        self._position = 0
        """What has a number up to this is in Postgres, or set aside."""
        self._aside: list[int] = []
        self.path = path
        self.problem: str | None = None
        """Why the disk refuses to be written, and what to do; None while it does not."""
        self.waiting, self.waiting_bytes, self.oldest_at = 0, 0, None
        self._measure()
        self._identity = file.identity(path)

    waiting: int
    """Posts that are not in Postgres yet."""
    waiting_bytes: int
    """Bytes of all posts in the file."""
    oldest_at: datetime | None
    """When the oldest of those that wait was received."""

    @property
    def aside(self) -> int:
        """Posts that could not be stored for a reason of their own: kept in the file, tried again by the next
        process.
        """
        return len(self._aside)

    @property
    def full(self) -> bool:
        """Is there no room for a notification of ordinary size?"""
        return self.problem is not None or self.waiting_bytes + _ORDINARY_BYTES > self._max_bytes

    async def append(self, posts: Sequence[Post]) -> None:
        """Keep posts; durable on return. JournalFullError when they do not fit, and then none of them is kept."""
        await self._in_thread(lambda: self._append(posts))

    async def keep(self, posts: Sequence[Post]) -> Sequence[None]:
        """`append`, as a group commit wants it: a result for each."""
        await self.append(posts)
        return [None] * len(posts)

    async def first(self, limit: int) -> list[tuple[int, Post]]:
        """Return the oldest posts with their numbers, in order of arrival: so many, or fewer when they are large."""
        return await self._in_thread(lambda: self._first(limit))

    async def drop(self, until: int, *, aside: Sequence[int] = ()) -> None:
        """Forget every post up to this number: Postgres has them, but for those set `aside`. They are deleted now, or
        when the disk allows it.
        """
        await self._in_thread(lambda: self._drop(until, aside))

    async def check(self) -> None:
        """See whether the disk can be written, and delete what could not be deleted before."""
        await self._in_thread(self._check)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # not abandoned on cancellation: an answer must not depend on a commit whose end nobody saw
        with anyio.CancelScope(shield=True):
            result = await to_thread.run_sync(work, limiter=self._one_at_a_time)
        return result  # noqa: RET504 -- returned outside the scope, which swallows its own cancellation

    def _append(self, posts: Sequence[Post]) -> None:
        size = sum(len(post.raw) + _ROW_BYTES for post in posts)
        if self.waiting_bytes + size > self._max_bytes:
            raise JournalFullError(
                f"the local journal holds {self.waiting_bytes} of {self._max_bytes} bytes (journal.max_bytes): see why "
                "Postgres does not take them",
                retry_after_seconds=_RETRY_SECONDS,
            )
        try:
            self._restore_if_deleted()
            self._reserve.hold()
            self._insert(posts, size)
        except (sqlite3.OperationalError, OSError) as error:
            self._note(error)
            raise JournalFullError(
                f"the local journal cannot be written: {self.problem}", retry_after_seconds=_RETRY_SECONDS
            ) from error
        self._note(None)

    def _insert(self, posts: Sequence[Post], size: int) -> None:
        rows = [row_of(post) for post in posts]
        with _transaction(self._connection):
            self._connection.executemany(_INSERT, rows)
        self.waiting += len(posts)
        self.waiting_bytes += size
        if self.oldest_at is None:
            self.oldest_at = posts[0].received_at
        if self._identity[1] is None:
            self._identity = file.identity(self.path)

    def _first(self, limit: int) -> list[tuple[int, Post]]:
        rows = self._connection.execute(
            "select id, source, received_at, event_hint, checksum, raw from post where id > ? order by id limit ?",
            (self._position, limit),
        )
        found: list[tuple[int, Post]] = []
        size = 0
        with closing(rows):
            for number, source, received_at, hint, checksum, raw in rows:
                size += len(raw)
                if found and size > _HANDED_OUT_BYTES:
                    break
                found.append((number, post_of(source, received_at, hint, checksum, raw)))
        return found

    def _drop(self, until: int, aside: Sequence[int] = ()) -> None:
        self._position = max(self._position, until)
        self._aside += aside
        try:
            self._delete()
        except sqlite3.OperationalError as error:
            self._note(error)
            if self._reserve.release():
                with suppress(sqlite3.OperationalError, OSError):
                    self._delete()
                    self._reserve.hold()  # out of the space that was freed
        self._measure()

    def _delete(self) -> None:
        (newest,) = self._connection.execute("select coalesce(max(id), 0) from post").fetchone()
        all_of_it = newest <= self._position and not self._aside
        with _transaction(self._connection):
            if all_of_it:  # without a condition SQLite only forgets the pages, and needs hardly any space
                self._connection.execute("delete from post")
            else:
                self._connection.execute(
                    "delete from post where id <= ? and id not in (select value from json_each(?))",
                    (self._position, orjson.dumps(self._aside).decode()),
                )
        if all_of_it:
            self._shrink()
        elif self.problem is not None:
            self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _shrink(self) -> None:
        """Give the pages of an empty file back to the disk, some at a time: each step takes space in the log first."""
        pages = _VACUUM_PAGES if self.problem is None else _VACUUM_PAGES_ON_FULL_DISK
        left, before = 0, -1
        while left != before:
            self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()
            before, (left,) = left, self._connection.execute("pragma freelist_count").fetchone()
            self._connection.executescript(f"pragma incremental_vacuum({pages})")  # `execute` frees one

    def _check(self) -> None:
        try:
            self._restore_if_deleted()
            if self.problem is not None:
                self._delete()
                self._measure()
            self._reserve.hold()
            _demand_free_space(self.path.parent)
        except (sqlite3.OperationalError, OSError) as error:
            self._note(error)
        else:
            self._note(None)

    def _note(self, error: Exception | None) -> None:
        """Remember, and log when it changes, whether the disk can be written."""
        before, self.problem = self.problem, None if error is None else f"{error}: {file.remedy(error)}"
        if error is not None and before is None:
            log.warning(
                "the local journal cannot be written",
                path=str(self.path),
                error=str(error),
                remedy=file.remedy(error),
                waiting=self.waiting,
            )
        elif error is None and before is not None:
            log.info("the local journal can be written again", path=str(self.path), waiting=self.waiting)

    def _measure(self) -> None:
        number, oldest = self._connection.execute(
            "select count(*), min(received_at) from post where id > ?", (self._position,)
        ).fetchone()
        (size,) = self._connection.execute(
            "select coalesce(sum(length(raw) + ?), 0) from post", (_ROW_BYTES,)
        ).fetchone()
        self.waiting, self.waiting_bytes = number, size
        self.oldest_at = None if oldest is None else instant_of(oldest)

    def _restore_if_deleted(self) -> None:
        """Write the file again, out of the one that is still open, when it was deleted or replaced: what was answered
        would not survive this process.
        """
        if file.identity(self.path) == self._identity:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.with_suffix(".lock").exists():
            file.lock(self.path, self._locks)
        self._connection = file.written_again(self._connection, self.path)
        self._identity = file.identity(self.path)
        log.warning(
            "the local journal was deleted while it was open, written again",
            path=str(self.path),
            posts=self.waiting,
            remedy="leave the files in data_dir to the bridge",
        )

    def adopt(self, path: Path) -> None:
        """Move what waits in the journal of a process that is gone into ours. Dying in between leaves some of it
        twice.
        """
        with ExitStack() as stack:
            if not file.lock(path, stack):
                return
            connection = file.connected(path)
            stack.callback(connection.close)
            other = Journal(connection, path, self._max_bytes)
            other._reserve.release()  # it stays with the files of processes that run
            while numbered := other._first(_ADOPT_ROWS):
                posts = [post for _, post in numbered]
                self._insert(posts, sum(len(post.raw) + _ROW_BYTES for post in posts))
                other._drop(numbered[-1][0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def _demand_free_space(directory: Path) -> None:
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize < _LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
