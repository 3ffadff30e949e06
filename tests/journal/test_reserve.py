"""Space that is held on the disk until it is needed."""

from pathlib import Path

import pytest

from bridge.journal.reserve import Reserve, reserve_bytes


def test_the_space_is_taken_on_the_disk_once_and_given_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 65536)
    assert not reserve.held
    reserve.hold()
    status = reserve.path.stat()
    assert (status.st_size, status.st_blocks * 512 >= 65536) == (65536, True)
    reserve.hold()
    assert reserve.path.stat().st_mtime_ns == status.st_mtime_ns
    assert [reserve.release(), reserve.held, reserve.release()] == [True, False, False]


def test_half_a_reserve_is_none(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 65536)
    reserve.path.write_bytes(b"x" * 100)
    assert not reserve.held
    reserve.hold()
    assert reserve.held


def test_where_there_is_no_room_nothing_is_left_behind(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 62)
    with pytest.raises(OSError, match=r"File too large|No space left"):
        reserve.hold()
    assert list(tmp_path.iterdir()) == []


def test_how_much_is_within_bounds(tmp_path: Path) -> None:
    assert 256 * 1024 <= reserve_bytes(tmp_path) <= 4 * 1024 * 1024
