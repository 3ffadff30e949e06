"""The local journal keeps what it said it kept: over kill -9, a torn tail, a full disk and bits that turned."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.errors import PermanentError
from bridge.journal.directory import opened, waiting_in
from bridge.journal.journal import Journal, JournalFullError
from bridge.journal.post import Post
from tests import disk

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MIB = 1024 * 1024


def post(number: int, raw: bytes | None = None) -> Post:
    body = raw if raw is not None else b'{"eventId":"%d"}' % number
    return Post("snow", NOON + timedelta(seconds=number), "serviceProblemCreateEvent", body)


async def kept(journal: Journal) -> list[bytes]:
    return [each.raw for _, each in await journal.first(10_000)]


async def test_posts_come_back_in_order_of_arrival_and_go_when_dropped(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=MIB) as journal:
        await journal.append([post(1), post(2)])
        await journal.append([post(3)])
        assert (journal.waiting, journal.oldest_at) == (3, NOON + timedelta(seconds=1))

        numbered = await journal.first(2)
        assert [each for _, each in numbered] == [post(1), post(2)]
        await journal.drop(numbered[-1][0])

        assert await kept(journal) == [post(3).raw]
        assert (journal.waiting, journal.oldest_at) == (1, NOON + timedelta(seconds=3))


async def test_what_waits_is_there_after_opening_again(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=MIB) as journal:
        await journal.append([post(1)])
    with opened(tmp_path, max_bytes=MIB) as journal:
        assert (journal.waiting, await kept(journal)) == (1, [post(1).raw])


async def test_large_posts_are_handed_out_a_few_at_a_time_and_one_that_is_larger_alone(tmp_path: Path) -> None:
    sizes = [3, 3, 3, 9, 1]
    with opened(tmp_path, max_bytes=100 * MIB) as journal:
        await journal.append([post(number, b"x" * size * MIB) for number, size in enumerate(sizes)])
        handed_out = []
        while numbered := await journal.first(500):
            handed_out.append([len(each.raw) // MIB for _, each in numbered])
            await journal.drop(numbered[-1][0])
    assert handed_out == [[3, 3], [3], [9], [1]]


async def test_a_full_journal_takes_nothing_of_what_does_not_fit(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=1000) as journal:
        await journal.append([post(1)])
        with pytest.raises(JournalFullError, match="of 1000 bytes") as caught:
            await journal.append([post(2), post(3, b"x" * 900)])
        assert caught.value.retry_after_seconds
        assert await kept(journal) == [post(1).raw]

        (number, _) = (await journal.first(1))[0]
        await journal.drop(number)
        await journal.append([post(2, b"x" * 800)])


async def test_a_disk_that_is_full_is_a_full_journal(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=100 * MIB) as journal:
        await journal.append([post(1)])
        pages = journal._connection.execute("pragma page_count").fetchone()[0]
        journal._connection.execute(f"pragma max_page_count = {pages + 2}")
        with pytest.raises(JournalFullError, match="full"):
            await journal.append([post(2, b"x" * MIB)])
        assert await kept(journal) == [post(1).raw]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk of 6 MiB."""
    with disk.small_disk(tmp_path / "disk") as place:
        yield place


async def append_until_full(journal: Journal) -> list[Post]:
    """Return what was kept before the disk was full."""
    posts = [post(number, b'{"n":%d}' % number + bytes(1500)) for number in range(10_000)]
    for number in range(0, len(posts), 20):
        try:
            await journal.append(posts[number : number + 20])
        except JournalFullError:
            return posts[:number]
    raise AssertionError("the disk is larger than expected")


async def drain(journal: Journal) -> list[Post]:
    """Hand everything out and drop it, as the replay does."""
    seen = []
    while numbered := await journal.first(100):
        seen += [each for _, each in numbered]
        await journal.drop(numbered[-1][0])
    return seen


async def test_d2_a_full_disk_is_said_and_everything_that_was_kept_is_handed_out_once(small_disk: Path) -> None:
    with opened(small_disk, max_bytes=256 * MIB) as journal:
        with capture_logs() as logged:
            posts = await append_until_full(journal)
            ballast = disk.fill(small_disk)
        assert len(posts) > 500
        assert journal.full
        assert "free space on the disk of data_dir" in (journal.problem or "")
        (warning,) = [line for line in logged if line["event"] == "the local journal cannot be written"]
        assert "free space" in warning["remedy"]

        assert await drain(journal) == posts
        assert journal.waiting == 0
        ballast.unlink()
        await journal.check()
        assert (journal.problem, journal.full) == (None, False)
        await journal.append([post(1)])
    with opened(small_disk, max_bytes=256 * MIB) as journal:
        assert await kept(journal) == [post(1).raw]


async def test_d2_where_nothing_can_be_deleted_it_goes_on_behind_what_is_stored(small_disk: Path) -> None:
    with opened(small_disk, max_bytes=256 * MIB) as journal:
        posts = await append_until_full(journal)
        (small_disk / "journal.reserve").unlink()
        ballast = disk.fill(small_disk)
        assert await drain(journal) == posts
        assert (journal.waiting, await journal.first(10)) == (0, [])
        assert journal.problem is not None
        assert waiting_in(small_disk)[0] > 0
        with pytest.raises(JournalFullError, match="free space"):
            await journal.append([post(1)])
        ballast.unlink()
        await journal.check()
        assert journal.problem is None
        await journal.append([post(1)])
        assert (await kept(journal), waiting_in(small_disk)[0]) == ([post(1).raw], 1)


async def test_d2_a_disk_that_is_full_at_the_start_keeps_nothing_back(small_disk: Path) -> None:
    with opened(small_disk, max_bytes=256 * MIB) as journal:
        posts = await append_until_full(journal)
        disk.fill(small_disk)
    disk.fill(small_disk)
    with opened(small_disk, max_bytes=256 * MIB) as journal:
        assert await drain(journal) == posts


async def test_d2_a_disk_without_any_space_at_the_first_start_is_named(small_disk: Path) -> None:
    disk.fill(small_disk)
    with pytest.raises(PermanentError, match=r"data_dir .*free space"), opened(small_disk, max_bytes=MIB):
        pass


async def test_d2_a_disk_that_is_full_of_other_files_is_said_before_anything_fails(small_disk: Path) -> None:
    with opened(small_disk, max_bytes=MIB) as journal:
        await journal.check()
        assert journal.problem is None
        disk.fill(small_disk)
        await journal.check()
        assert "free space" in (journal.problem or "")


async def test_d2_a_disk_that_becomes_read_only_is_said_and_left_behind(small_disk: Path) -> None:
    with opened(small_disk, max_bytes=MIB) as journal:
        await journal.append([post(number) for number in range(5)])
        # a remount fails while a file is open: a limit on the size of files has the same effect on this process
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        with capture_logs():  # a line could not be logged to a file, either
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
            try:
                with pytest.raises(JournalFullError, match="cannot be written"):
                    await journal.append([post(9)])
                drained, problem = await drain(journal), journal.problem
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert drained == [post(number) for number in range(5)]
        assert problem is not None
        await journal.check()
        assert journal.problem is None
        assert waiting_in(small_disk) == (0, None)


@pytest.mark.parametrize("gone", ["everything", "directory", "file", "log"])
async def test_d2_a_journal_that_is_deleted_while_it_is_open_is_written_again(tmp_path: Path, gone: str) -> None:
    place = tmp_path / "data"
    with opened(place, max_bytes=MIB) as journal:
        await journal.append([post(number) for number in range(3)])
        first = (await journal.first(1))[0][0]
        await journal.drop(first)
        if gone == "directory":
            shutil.rmtree(place)
        else:
            for path in place.glob({"everything": "*", "file": "journal.sqlite", "log": "*-wal"}[gone]):
                path.unlink()
        await journal.append([post(3)])
        assert await kept(journal) == [post(number).raw for number in (1, 2, 3)]
        with opened(place, max_bytes=MIB) as other:
            assert other.path != journal.path
        copies = {path.name: path.read_bytes() for path in place.iterdir() if path.name.startswith("journal.sqlite")}
    killed = tmp_path / "killed"  # what is on the disk survives the process
    killed.mkdir()
    for name, content in copies.items():
        (killed / name).write_bytes(content)
    with opened(killed, max_bytes=MIB) as journal:
        assert await kept(journal) == [post(number).raw for number in (1, 2, 3)]


async def test_a3_a_post_that_is_set_aside_stays_for_the_next_process(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=MIB) as journal:
        await journal.append([post(number) for number in range(3)])
        numbers = [number for number, _ in await journal.first(10)]
        await journal.drop(numbers[-1], aside=numbers[1:2])
        assert (journal.waiting, journal.aside, await journal.first(10)) == (0, 1, [])
        await journal.append([post(3)])
        await journal.drop((await journal.first(10))[-1][0])
        assert waiting_in(tmp_path)[0] == 1
    with opened(tmp_path, max_bytes=MIB) as journal:
        assert await kept(journal) == [post(1).raw]


async def test_bits_that_turned_are_noticed(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=MIB) as journal:
        await journal.append([post(1), post(2)])
        journal._connection.execute("update post set raw = cast('{}' as blob) where id = 1")
        assert [each.damaged for _, each in await journal.first(10)] == [True, False]


async def test_a_file_that_is_no_journal_is_moved_aside_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"this is not a database" * 100)
    with opened(tmp_path, max_bytes=MIB) as journal:
        await journal.append([post(1)])
        assert journal.waiting == 1
    (aside,) = tmp_path.glob("journal.damaged-*.sqlite")
    assert aside.read_bytes().startswith(b"this is not")


async def test_a_torn_tail_loses_the_tail_only(tmp_path: Path) -> None:
    source = tmp_path / "whole"
    with opened(source, max_bytes=MIB) as journal:
        for number in range(20):
            await journal.append([post(number)])
        files = {name: (source / name).read_bytes() for name in ("journal.sqlite", "journal.sqlite-wal")}
    everything = [post(number).raw for number in range(20)]
    log = files["journal.sqlite-wal"]
    for cut in range(len(log) // 3, len(log), max(1, len(log) // 17)):
        torn = tmp_path / f"torn-{cut}"
        torn.mkdir()
        (torn / "journal.sqlite").write_bytes(files["journal.sqlite"])
        (torn / "journal.sqlite-wal").write_bytes(log[:cut] + b"\xff" * 50)
        with opened(torn, max_bytes=MIB) as journal:
            left = await kept(journal)
            assert left == everything[: len(left)]
            await journal.append([post(99)])
            assert (await kept(journal))[-1] == post(99).raw


WRITER = """
import sys, anyio
from datetime import UTC, datetime
from pathlib import Path
from bridge.journal.directory import opened
from bridge.journal.post import Post

async def main():
    with opened(Path(sys.argv[1]), max_bytes=1 << 30) as journal:
        for number in range(1_000_000):
            await journal.append([Post("snow", datetime.now(UTC), None, str(number).encode())])
            print(number, flush=True)

anyio.run(main)
"""


async def test_kill_9_loses_nothing_that_was_said_to_be_kept(tmp_path: Path) -> None:
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout if line.endswith("\n")]
        process.wait()
        process.stdout.close()

        with opened(tmp_path, max_bytes=MIB) as journal:
            numbers = [int(raw) for raw in await kept(journal)]
            assert numbers[: len(said)] == said
            await journal.drop((await journal.first(10_000))[-1][0])
    assert not list(tmp_path.glob("journal.damaged-*"))


def test_sqlite_is_new_enough_for_strict_tables() -> None:
    assert sqlite3.sqlite_version_info >= (3, 37)
