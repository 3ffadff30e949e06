"""The journals of a data directory: each process that uses it has a file of its own, under a lock.

A process that starts takes over what a process that is gone left in its file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path

import structlog

from bridge.errors import PermanentError
from bridge.journal import file
from bridge.journal.journal import Journal
from bridge.journal.post import instant_of
from bridge.journal.reserve import Reserve, reserve_bytes

_PROCESSES = 128
"""Processes that may share a data directory: as many workers as there can be, while those before them still stop."""

log = structlog.get_logger(__name__)


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
                        remedy=f"{file.remedy(error)}, then restart",
                    )
        if journal.waiting:
            log.info("journal waits to be replayed", posts=journal.waiting, since=str(journal.oldest_at))
        yield journal


def _open(data_dir: Path, max_bytes: int, stack: ExitStack) -> Journal:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        path = next((path for path in _paths(data_dir) if file.lock(path, stack)), None)
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
            f"no local journal can be opened in data_dir {data_dir} ({error}): {file.remedy(error)}, or set another "
            "data_dir that can be written"
        ) from error
    journal = Journal(connection, path, max_bytes, locks=stack)
    stack.callback(journal.close)
    return journal


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
    return number, None if since is None else instant_of(since)


def _paths(data_dir: Path) -> list[Path]:
    return [
        data_dir / "journal.sqlite",
        *(data_dir / f"journal-{number}.sqlite" for number in range(2, _PROCESSES + 1)),
    ]
