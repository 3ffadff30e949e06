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
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import anyio
import orjson
import structlog
from anyio import CapacityLimiter, to_thread

from bridge.errors import PermanentError, TransientError
from bridge.journal import file
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
_PROCESSES = 128
"""Processes that may share a data directory: as many workers as there can be, while those before them still stop."""
_ADOPT_ROWS = 500
_LEAST_FREE_BYTES = 256 * 1024
"""With less the disk counts as full before a write has failed."""
_INSERT = "insert into post (source, received_at, event_hint, checksum, raw) values (?, ?, ?, ?, ?)"

T = TypeVar("T")


class JournalFullError(TransientError):
    """The journal holds as much as it may, or the disk refuses to be written."""


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
        rows = [_row_of(post) for post in posts]
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
                found.append((number, _post_of(source, received_at, hint, checksum, raw)))
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
        before, self.problem = self.problem, None if error is None else f"{error}: {_remedy(error)}"
        if error is not None and before is None:
            log.warning(
                "the local journal cannot be written",
                path=str(self.path),
                error=str(error),
                remedy=_remedy(error),
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
        self.oldest_at = None if oldest is None else _instant(oldest)

    def _restore_if_deleted(self) -> None:
        """Write the file again, out of the one that is still open, when it was deleted or replaced: what was answered
        would not survive this process.
        """
        if file.identity(self.path) == self._identity:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.with_suffix(".lock").exists():
            _lock(self.path, self._locks)
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
            if not _lock(path, stack):
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
def opened(data_dir: Path, *, max_bytes: int) -> Iterator[Journal]:
    """Open the journal of a data directory, made if need be; PermanentError when the directory cannot be written.

    A second process on the same directory gets a file of its own. What a process that is gone left in its file is moved
    into ours, so that it is replayed; while the disk is full it stays there.
    """
    with ExitStack() as stack:
        journal = _open(data_dir, max_bytes, stack)
        journal._check()  # noqa: SLF001 -- not in a thread: nothing runs yet
        for left in _paths(data_dir):
            if left != journal.path and left.exists() and journal.problem is None:
                try:
                    journal.adopt(left)
                except sqlite3.OperationalError as error:
                    log.warning(
                        "a journal that was left behind stays where it is",
                        path=str(left),
                        error=str(error),
                        remedy=f"{_remedy(error)}, then restart",
                    )
        if journal.waiting:
            log.info("journal waits to be replayed", posts=journal.waiting, since=str(journal.oldest_at))
        yield journal


def _open(data_dir: Path, max_bytes: int, stack: ExitStack) -> Journal:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        path = next((path for path in _paths(data_dir) if _lock(path, stack)), None)
        if path is None:
            raise PermanentError(
                f"all {_PROCESSES} journals in {data_dir} are in use by other processes: run fewer of them, or set "
                "another data_dir for some"
            )
        try:
            connection = file.connected(path)
        except (OSError, sqlite3.OperationalError):
            if not Reserve(path.with_suffix(".reserve"), reserve_bytes(data_dir)).release():
                raise
            connection = file.connected(path)
    except (OSError, sqlite3.OperationalError) as error:
        raise PermanentError(
            f"no local journal can be opened in data_dir {data_dir} ({error}): {_remedy(error)}, or set another "
            "data_dir that can be written"
        ) from error
    journal = Journal(connection, path, max_bytes, locks=stack)
    stack.callback(journal.close)
    return journal


def size_of_post(post: Post) -> int:
    """Return the bytes of a post."""
    return len(post.raw)


def waiting_in(data_dir: Path) -> tuple[int, datetime | None]:
    """How many posts wait in the journals of a data directory, and since when; for commands that only look."""
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
    except file.UNREADABLE as error:
        log.warning("a local journal cannot be read", path=str(path), error=str(error))
        return 0, None
    return number, None if since is None else _instant(since)


def _paths(data_dir: Path) -> list[Path]:
    return [
        data_dir / "journal.sqlite",
        *(data_dir / f"journal-{number}.sqlite" for number in range(2, _PROCESSES + 1)),
    ]


def _lock(path: Path, stack: ExitStack) -> bool:
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


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def _remedy(error: Exception) -> str:
    """Return what to do so that the disk can be written again."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) or isinstance(error, PermissionError):
        return "let the user of this process write to data_dir"
    if code == sqlite3.SQLITE_CANTOPEN or isinstance(error, FileNotFoundError | NotADirectoryError):
        return "make data_dir a directory that the user of this process can write to"
    if code == sqlite3.SQLITE_IOERR:
        return "free space on the disk of data_dir, and see that it is in order and not mounted read-only"
    return "free space on the disk of data_dir"


def _demand_free_space(directory: Path) -> None:
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize < _LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _row_of(post: Post) -> tuple[str, str, str | None, bytes, bytes]:
    received_at = post.received_at.isoformat()
    checksum = _checksum(post.source, received_at, post.event_hint, post.raw)
    return post.source, received_at, post.event_hint, checksum, post.raw


def _checksum(source: str, received_at: str, event_hint: str | None, raw: bytes) -> bytes:
    digest = blake2b(raw, digest_size=8)
    digest.update(f"\0{source}\0{received_at}\0{event_hint}".encode())
    return digest.digest()


def _post_of(source: str, received_at: str, event_hint: str | None, checksum: bytes, raw: bytes) -> Post:
    if _checksum(source, received_at, event_hint, raw) == checksum:
        return Post(source, _instant(received_at), event_hint, raw)
    hint = None if event_hint is None else _without_nul(event_hint)
    return Post(_without_nul(source), datetime.now(UTC), hint, raw, damaged=True)


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _instant(text: str) -> datetime:
    """Return the time that this says; now, when it cannot be read."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
