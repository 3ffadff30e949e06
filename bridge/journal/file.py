"""The file of the journal: an SQLite database that is checked whenever it is opened, and repaired when it is damaged.

SQLite notices damage in its write-ahead log (frames are checksummed) but reports nothing: it takes what comes before.
In the main file it finds inconsistencies, when asked. What is found here is logged, and the files are copied as they
were before anything is written, since nothing else has those bytes:

- Damage inside the log: what came before it is kept. A tail that was torn by a power cut looks the same when the end of
  a commit reached the disk and its middle did not; then the copy holds posts that were never answered.
- Damage in the main file: every row that can still be read goes into a new file, with the checksum it had. The new file
  takes the old one's place when it is complete: a crash before that leaves everything as it was.
"""

import fcntl
import shutil
import sqlite3
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_SCHEMA = """
create table if not exists post (
    id integer primary key autoincrement,
    source text not null,
    received_at text not null,
    event_hint text,
    checksum blob not null,
    raw blob not null
) strict;
"""
_TRIAL = "insert into post (id, source, received_at, event_hint, checksum, raw) values (null, '', '', null, x'', x'')"
"""Finds faults in the tables' definitions."""
_LEGIBLE = """
with written (id, source, received_at, event_hint, checksum, raw) as (select * from post)
select
    id, coalesce(cast(source as text), ''), coalesce(cast(received_at as text), ''), cast(event_hint as text),
    coalesce(cast(checksum as blob), x''), coalesce(cast(raw as blob), x'')
from written
where id between ? and ?
order by id
"""
"""By place, since the names of columns may be damaged too."""
_NOT_THE_CONTENT = {
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN),
}
"""What says nothing of the file's content: another process, another user, another disk may do better."""
_MAGIC = b"SQLite format 3\x00"
_VERSIONS = {b"\x01\x01", b"\x02\x02"}
"""Of rollback journal and WAL; others make SQLite take the file for one that it may only read, or not even that."""
_LOG_HEADER = struct.Struct(">8I")
_LOG_MAGIC = 0x377F0682
_FRAME_HEADER = struct.Struct(">6I")
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; the second when damage gets into the text of the first."""
_EVERY = (1 << 63) - 1
_SOUGHT = 1_000_000
"""Numbers that are tried one by one behind a damaged place, the last ones."""


def identity(path: Path) -> tuple[int | None, int | None]:
    """Return which files stand at the place of a journal and of its log: their inodes, None where there is none."""
    return _inode(path), _inode(_beside(path, "-wal"))


def written_again(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Copy an open journal, whose file was deleted, into a new one at its place; return a connection to that, the old
    one is closed. When it fails the old connection is left open.
    """
    new = path.with_suffix(".rescued")
    _delete(new)
    with closing(_prepared(new)) as copy:
        copy.execute("begin")
        copy.executemany("insert into post values (?, ?, ?, ?, ?, ?)", connection.execute("select * from post"))
        copy.execute("commit")
    connection.close()  # it deletes what stands at the place of its log
    _delete(path)
    new.replace(path)
    return _prepared(path)


class _DamagedError(Exception):
    """A file is not whole; `copy` is one of it as it was."""

    def __init__(self, message: str, copy: Path) -> None:
        super().__init__(message)
        self.copy = copy


def connected(path: Path) -> sqlite3.Connection:
    """Open a file of the journal, made if need be. The caller holds its lock.

    Raises sqlite3.OperationalError and OSError when the place is at fault, never because of what is in the file.
    """
    rescued = path.with_suffix(".rescued")
    if not path.exists() and rescued.exists():  # it was about to take the place of a deleted file
        rescued.replace(path)
    try:
        return _prepared(path)
    except _DamagedError as damage:
        number = _rescued(damage.copy, path)
        log.warning("the local journal is damaged", copy=str(damage.copy), rescued=number, error=str(damage))
    return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with ExitStack() as stack:
        stack.callback(connection.close)
        try:
            _check(connection, path)
            _prepare(connection, path)
        except UNREADABLE as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _NOT_THE_CONTENT:
                raise
            raise _DamagedError(str(error), _put_aside(path)) from error  # put aside before closing, which writes
        stack.pop_all()
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise sqlite3.DatabaseError when the file is damaged. Writes nothing, unless the damage is in the log."""
    with path.open("rb") as file:
        head = file.read(20)
    if head and not (head.startswith(_MAGIC) and head[18:] in _VERSIONS):
        raise sqlite3.DatabaseError("the file does not begin like a journal")
    connection.text_factory = _text
    found = [row[0] for row in connection.execute("pragma quick_check(3)")]
    if found != ["ok"]:
        raise sqlite3.DatabaseError("; ".join(found))
    _check_log(connection, path)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    path.chmod(0o600)
    connection.execute("pragma auto_vacuum = incremental")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma secure_delete = off")  # some systems' default; it takes as much space as is deleted
    connection.execute(_SCHEMA)
    connection.execute("begin immediate")
    connection.execute(_TRIAL)
    connection.execute("rollback")


def _check_log(connection: sqlite3.Connection, path: Path) -> None:
    """Say so, and keep a copy, when the log holds commits that SQLite did not take."""
    (page_bytes,) = connection.execute("pragma page_size").fetchone()
    taken = _frames_taken(path)
    lost = sum(number >= taken for number in _commits(_beside(path, "-wal"), page_bytes))
    if lost:
        aside = _put_aside(path)
        connection.execute("pragma wal_checkpoint(truncate)")
        log.warning("the local journal is damaged", copy=str(aside), commits_lost=lost)


def _frames_taken(path: Path) -> int:
    """How many frames of the log SQLite took when it was read: mxFrame of the index it made (file format, 2.1)."""
    index = _beside(path, "-shm")
    header = index.read_bytes()[:20] if index.exists() else b""
    return int.from_bytes(header[16:], sys.byteorder)


def _commits(wal: Path, page_bytes: int) -> Iterator[int]:
    """The numbers of the frames that end a commit, of those that were written since the log last began."""
    if not wal.exists():
        return
    with wal.open("rb") as file:
        header = file.read(_LOG_HEADER.size)
        sound = len(header) == _LOG_HEADER.size and _sound(header)
        salts = _LOG_HEADER.unpack(header)[4:6] if sound else None
        for number in count():
            frame = file.read(_FRAME_HEADER.size)
            page = file.read(page_bytes)
            if len(page) < page_bytes:
                return
            _, pages_after_commit, *has, _, _ = _FRAME_HEADER.unpack(frame)
            if pages_after_commit and salts in (None, tuple(has)):
                yield number


def _sound(header: bytes) -> bool:
    """Is this the whole header of a log? (SQLite's file format, section 4.2.)"""
    words = struct.unpack(">8I" if header[3] & 1 else "<8I", header)
    first = second = 0
    for one, other in zip(words[:6:2], words[1:6:2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    magic, *_, sum_first, sum_second = _LOG_HEADER.unpack(header)
    return magic & ~1 == _LOG_MAGIC and (sum_first, sum_second) == (first, second)


def _put_aside(path: Path) -> Path:
    """Copy a damaged file and its log beside it; return where to."""
    aside = path.with_name(f"journal.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.sqlite")
    for ending in ("-wal", ""):
        if _beside(path, ending).exists():
            shutil.copy2(_beside(path, ending), _beside(aside, ending))
    return aside


def _rescued(damaged: Path, path: Path) -> int:
    """Put a new file in the place of a damaged one, with what can be read of its copy; return how many rows."""
    new = path.with_suffix(".rescued")
    _delete(new)
    with closing(_prepared(new)) as connection:
        connection.execute("begin")
        connection.executemany(
            "insert into post (source, received_at, event_hint, checksum, raw) values (?, ?, ?, ?, ?)",
            (row[1:] for row in _legible(damaged)),
        )
        connection.execute("commit")
        (rescued,) = connection.execute("select count(*) from post").fetchone()
    _delete(path)  # with its log, which would be taken for the new file's
    new.replace(path)
    return int(rescued)


def _delete(path: Path) -> None:
    for ending in ("-wal", "-shm", ""):
        _beside(path, ending).unlink(missing_ok=True)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _legible(damaged: Path) -> Iterator[tuple[object, ...]]:
    """The rows of a damaged file that can be reached, in order: those before the damage, then each behind it."""
    with closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = _text
        last = 0
        try:
            connection.execute(
                "pragma writable_schema = on"
            )  # a file that is shorter than it says is read all the same
            for row in connection.execute(_LEGIBLE, (-_EVERY, _EVERY)):
                last = max(last, row[0])
                yield row
        except UNREADABLE:
            newest = _newest(connection)
            for number in range(max(last, newest - _SOUGHT) + 1, newest + 1):
                yield from _row(connection, number)
    _beside(damaged, "-shm").unlink(missing_ok=True)


def _newest(connection: sqlite3.Connection) -> int:
    """The highest number there is, as far as that can be known."""
    for query in ("select max(id) from post", "select max(seq) from sqlite_sequence"):
        try:
            (newest,) = connection.execute(query).fetchone()
        except UNREADABLE:
            continue
        if isinstance(newest, int):
            return newest
    return 0


def _row(connection: sqlite3.Connection, number: int) -> list[tuple[object, ...]]:
    try:
        return connection.execute(_LEGIBLE, (number, number)).fetchall()
    except UNREADABLE:
        return []


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _text(written: bytes) -> str:
    return written.decode(errors="replace")


def lock(path: Path, stack: ExitStack) -> bool:
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


def remedy(error: Exception) -> str:
    """Return what to do so that the disk can be written again."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) or isinstance(error, PermissionError):
        return "let the user of this process write to data_dir"
    if code == sqlite3.SQLITE_CANTOPEN or isinstance(error, FileNotFoundError | NotADirectoryError):
        return "make data_dir a directory that the user of this process can write to"
    if code == sqlite3.SQLITE_IOERR:
        return "free space on the disk of data_dir, and see that it is in order and not mounted read-only"
    return "free space on the disk of data_dir"
