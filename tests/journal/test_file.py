"""Whatever is cut off a file of the journal, or turned in it: it opens, gives what was written and nothing else, in
order, and says what it had to leave.
"""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.journal.directory import opened, waiting_in
from bridge.journal.post import Post

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MIB = 1024 * 1024
FILE, LOG = "journal.sqlite", "journal.sqlite-wal"
EXAMPLES = 120
PLACES = st.integers(min_value=0, max_value=(1 << 24) - 1)
"""To be taken modulo a size; unbounded, nearly all would be small."""


def post(number: int) -> Post:
    """A post that is like no other; every fifth is longer than a page."""
    body = b"%d" % number + bytes((number * 7 + place) % 256 for place in range(6000 if number % 5 == 0 else 200))
    at = NOON + timedelta(seconds=number)
    return Post("snow" if number % 2 else "oss", at, "serviceProblemCreateEvent" if number % 3 else None, body)


POSTS = [post(number) for number in range(20)]


class Written:
    """The files of a journal that holds POSTS; `ends` tells how long its log was after each."""

    def __init__(self, file: bytes, log: bytes, ends: list[int]) -> None:
        self.file, self.log, self.ends = file, log, ends


@dataclass
class Found:
    """What a journal gave when it was opened again, and what it said."""

    posts: list[Post]
    said: list[str]
    copies: dict[str, bytes]

    @property
    def sound(self) -> list[Post]:
        return [one for one in self.posts if not one.damaged]


@pytest.fixture(scope="module")
def in_log() -> Written:
    """All posts are in the log, as after a crash."""
    return written(checkpointed=False)


@pytest.fixture(scope="module")
def in_file() -> Written:
    """All posts are in the main file."""
    return written(checkpointed=True)


def written(*, checkpointed: bool) -> Written:
    with TemporaryDirectory() as name, opened(Path(name), max_bytes=MIB) as journal:
        ends = []
        for one in POSTS:
            journal._append([one])
            ends.append((Path(name) / LOG).stat().st_size)
        if checkpointed:
            journal._connection.execute("pragma wal_checkpoint(truncate)")
        return Written((Path(name) / FILE).read_bytes(), (Path(name) / LOG).read_bytes(), ends)


@contextmanager
def lying(file: bytes, log: bytes) -> Iterator[Path]:
    with TemporaryDirectory() as name:
        (Path(name) / FILE).write_bytes(file)
        (Path(name) / LOG).write_bytes(log)
        yield Path(name)


def reopened(file: bytes, log: bytes = b"") -> Found:
    """Open these files, read and drop everything, and see that the journal goes on; and that it is whole then."""
    with lying(file, log) as place:
        with capture_logs() as said, opened(place, max_bytes=MIB) as journal:
            posts: list[Post] = []
            while numbered := journal._first(7):
                posts += [one for _, one in numbered]
                journal._drop(numbered[-1][0])
            journal._append([post(99)])
        with capture_logs() as later, opened(place, max_bytes=MIB) as journal:
            assert [one for _, one in journal._first(7)] == [post(99)]
        assert warnings(later) == []
        copies = {path.name: path.read_bytes() for path in place.glob("journal.damaged-*") if "shm" not in path.name}
        ours = {FILE, LOG, f"{FILE}-shm", "journal.lock", "journal.reserve"}
        assert {path.name for path in place.iterdir()} - copies.keys() <= ours
    return Found(posts, warnings(said), copies)


def warnings(said: list[Any]) -> list[str]:
    return [line["event"] for line in said if line["log_level"] == "warning"]


def turned(content: bytes, place: int) -> bytes:
    """The content with one bit turned; `place` counts bits."""
    byte, bit = divmod(place % (len(content) * 8), 8)
    return content[:byte] + bytes([content[byte] ^ (1 << bit)]) + content[byte + 1 :]


def is_told(found: Found, *contents: bytes) -> bool:
    """Was it said, once, and was a copy of each of the files put aside as it was?"""
    wanted = {one for one in contents if one}
    return found.said == ["the local journal is damaged"] and wanted <= set(found.copies.values())


def are_some_in_order(posts: list[Post]) -> bool:
    places = [POSTS.index(one) for one in posts]
    return places == sorted(set(places))


@settings(max_examples=EXAMPLES)
@given(cut=PLACES, tail=st.binary(max_size=60))
def test_of_a_log_that_was_cut_off_every_commit_that_is_whole_is_there(in_log: Written, cut: int, tail: bytes) -> None:
    cut %= len(in_log.log) + 1
    found = reopened(in_log.file, in_log.log[:cut] + tail)
    assert found.posts == POSTS[: bisect_right(in_log.ends, cut)]


@settings(max_examples=20)
@given(tail=st.binary(min_size=1, max_size=10_000))
def test_what_follows_the_last_commit_takes_nothing_away(in_log: Written, tail: bytes) -> None:
    found = reopened(in_log.file, in_log.log + tail)
    assert (found.posts, found.said, found.copies) == (POSTS, [], {})


@settings(max_examples=EXAMPLES)
@given(place=PLACES)
def test_of_a_log_with_a_bit_turned_every_commit_before_it_is_there_and_the_rest_is_told(
    in_log: Written, place: int
) -> None:
    log = turned(in_log.log, place)
    whole = bisect_right(in_log.ends, place // 8 % len(log)) if place // 8 % len(log) >= 32 else 0
    found = reopened(in_log.file, log)
    assert found.posts == POSTS[:whole]
    if whole < len(POSTS) - 1:
        assert is_told(found, in_log.file, log)


@settings(max_examples=EXAMPLES)
@given(cut=PLACES)
def test_of_a_file_that_was_cut_off_what_can_be_reached_is_there_and_it_is_told(in_file: Written, cut: int) -> None:
    file = in_file.file[: cut % len(in_file.file)]
    found = reopened(file)
    assert are_some_in_order(found.sound)
    assert is_told(found, file) or not file


@settings(max_examples=EXAMPLES)
@given(place=PLACES)
def test_of_a_file_with_a_bit_turned_nothing_is_lost_or_given_as_sound_that_is_not_without_a_word(
    in_file: Written, place: int
) -> None:
    file = turned(in_file.file, place)
    found = reopened(file)
    assert are_some_in_order(found.sound)
    assert is_told(found, file) or (found.said == [] and len(found.posts) == len(POSTS))


@settings(max_examples=EXAMPLES // 4)
@given(place=PLACES)
def test_a_turned_bit_in_a_file_whose_pages_are_in_the_log_harms_nothing(in_log: Written, place: int) -> None:
    file = turned(in_log.file, place)
    found = reopened(file, in_log.log)
    assert found.posts == POSTS
    assert found.said == [] or is_told(found, file, in_log.log)


@settings(max_examples=EXAMPLES // 2)
@given(place=PLACES, cut=PLACES, is_cut=st.booleans(), of_file=st.booleans())
def test_who_only_looks_at_a_damaged_journal_is_not_stopped_by_it(
    in_file: Written, in_log: Written, place: int, cut: int, is_cut: bool, of_file: bool
) -> None:
    whole = in_file.file if of_file else in_log.log
    harmed = whole[: cut % len(whole)] if is_cut else turned(whole, place)
    with lying(*((harmed, b"") if of_file else (in_log.file, harmed))) as directory:
        with capture_logs() as said:
            waiting, _ = waiting_in(directory)
        assert waiting <= len(POSTS) or said


def test_a_page_that_was_lost_takes_its_neighbours_on_neither_side_along(in_file: Written) -> None:
    pages = [in_file.file[start : start + 4096] for start in range(0, len(in_file.file), 4096)]
    inner = [number for number, page in enumerate(pages) if page[0] == 0x0D and b"oss" in page][2]
    found = reopened(b"".join([*pages[:inner], b"\xa5" * 4096, *pages[inner + 1 :]]))
    assert found.said == ["the local journal is damaged"]
    assert found.sound == found.posts
    assert (found.posts[0], found.posts[-1]) == (POSTS[0], POSTS[-1])
    assert len(POSTS) // 2 < len(found.posts) < len(POSTS)


@pytest.mark.parametrize(
    "words", [b"strict", b"(name,seq)", b"raw blob", b"autoincrement", b"post\x03", b"SQLite", b"table"]
)
def test_a_definition_that_is_damaged_is_found_before_anything_is_kept_by_it(in_file: Written, words: bytes) -> None:
    for number in range(len(words)):
        found = reopened(turned(in_file.file, (in_file.file.index(words) + number) * 8 + number % 6))
        assert found.sound == POSTS or found.said == ["the local journal is damaged"]


@pytest.mark.parametrize("field", ["source", "received_at", "event_hint"])
def test_a_row_is_damaged_wherever_it_is_not_what_was_written(tmp_path: Path, field: str) -> None:
    with opened(tmp_path, max_bytes=MIB) as journal:
        journal._append(POSTS[:3])
        journal._connection.execute(f"update post set {field} = 'a' || char(0) where id = 2")  # noqa: S608 -- a name
        posts = [one for _, one in journal._first(7)]
        assert [one.damaged for one in posts] == [False, True, False]
        assert "\0" not in f"{posts[1].source}{posts[1].event_hint}"
        assert posts[1].received_at > NOON
    assert waiting_in(tmp_path)[0] == 3


def test_what_a_rescue_left_when_it_broke_off_is_in_nobodys_way(in_file: Written) -> None:
    with lying(in_file.file[:-5000], b"") as place:
        (place / "journal.rescued").write_bytes(b"half of it")
        (place / "journal.rescued-wal").write_bytes(in_file.file)
        with opened(place, max_bytes=MIB) as journal:
            assert are_some_in_order([one for _, one in journal._first(99) if not one.damaged])
        assert not list(place.glob("*rescued*"))
