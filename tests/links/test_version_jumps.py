"""More than one step of the count between our read and our write is another writer, unless it always is."""

from bridge.links.version_jumps import VersionJumps


def test_one_step_is_ours_and_more_is_another_writer() -> None:
    jumps = VersionJumps()
    assert not jumps.shows_another_writer("3", "4")
    assert jumps.shows_another_writer("4", "6")
    assert not jumps.shows_another_writer("6", "7")


def test_a_target_whose_rules_always_write_again_is_learned() -> None:
    jumps = VersionJumps()
    told = [jumps.shows_another_writer(str(count), str(count + 2)) for count in range(0, 14, 2)]
    assert told == [True] * 4 + [False] * 3
    assert jumps.shows_another_writer("20", "23")


def test_what_is_no_count_tells_nothing() -> None:
    jumps = VersionJumps()
    for before, after in ((None, "1"), ("1", None), ("2026-11-30T08:00:00Z", "2026-11-30T08:00:01Z"), ("1", "1" * 40)):
        assert not jumps.shows_another_writer(before, after)
