"""The journals of a data directory: one for each process, and what one that is gone left is taken over."""

import fcntl
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from annotated_types import Le

from bridge.errors import PermanentError
from bridge.journal.directory import opened, waiting_in
from bridge.journal.journal import Journal
from bridge.journal.post import Post
from bridge.settings.model import HttpSettings

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MIB = 1024 * 1024


def post(number: int, raw: bytes | None = None) -> Post:
    body = raw if raw is not None else b'{"eventId":"%d"}' % number
    return Post("snow", NOON + timedelta(seconds=number), "serviceProblemCreateEvent", body)


async def kept(journal: Journal) -> list[bytes]:
    return [each.raw for _, each in await journal.first(10_000)]


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PermanentError, match="data_dir"), opened(tmp_path / "file" / "below", max_bytes=MIB):
        pass


async def test_processes_on_one_directory_have_a_journal_each(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=MIB) as one, opened(tmp_path, max_bytes=MIB) as two:
        await one.append([post(1)])
        await two.append([post(2)])
        assert one.path != two.path
        assert (await kept(one), await kept(two)) == ([post(1).raw], [post(2).raw])
        assert waiting_in(tmp_path) == (2, NOON + timedelta(seconds=1))


def test_there_are_journals_for_twice_as_many_workers_as_may_be_and_then_it_is_said(tmp_path: Path) -> None:
    most = next(each.le for each in HttpSettings.model_fields["workers"].metadata if isinstance(each, Le))
    with ExitStack() as others:
        for number in range(1, 2 * most):
            lock = tmp_path / (f"journal-{number}.lock" if number > 1 else "journal.lock")
            fcntl.flock(others.enter_context(lock.open("wb")), fcntl.LOCK_EX)
        before = psutil.Process().num_fds()
        with opened(tmp_path, max_bytes=MIB) as journal:
            assert journal.path.name == f"journal-{2 * most}.sqlite"
            assert psutil.Process().num_fds() - before < 10  # none of those that others have
            with (
                pytest.raises(
                    PermanentError, match=f"all {2 * most} journals .* in use by other processes: .*data_dir"
                ),
                opened(tmp_path, max_bytes=MIB),
            ):
                pass


async def test_what_a_process_that_is_gone_left_is_taken_over(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=MIB), opened(tmp_path, max_bytes=MIB) as two:
        await two.append([post(2)])
    with opened(tmp_path, max_bytes=MIB) as next_one:
        assert await kept(next_one) == [post(2).raw]
    with opened(tmp_path, max_bytes=MIB) as next_one:
        assert await kept(next_one) == [post(2).raw]


def test_nothing_waits_where_there_is_no_journal(tmp_path: Path) -> None:
    assert waiting_in(tmp_path) == (0, None)
