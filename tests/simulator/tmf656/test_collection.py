"""The truth of the simulated server: stamps, bodies and order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from bridge.simulator.tmf656.collection import Collection
from bridge.simulator.tmf656.faults import Faults
from bridge.simulator.tmf656.selection import Selection

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def ticking() -> Iterator[datetime]:
    """A clock that stands still twice, then goes on by a second."""
    for second in range(1_000):
        yield NOON + timedelta(seconds=second // 2)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def collection(faults: Faults) -> Collection:
    """An empty collection of version 4 with two problems."""
    ticks = ticking()
    made = Collection("4", faults, lambda: next(ticks))
    for name in ("a", "b"):
        made.add(name, {"status": "acknowledged", "description": name}, made.next_stamp(name))
    return made


def test_every_change_is_stamped_later_than_the_one_before(collection: Collection) -> None:
    stamps = []
    for number in range(6):
        changed = collection.change("a", {"priority": number})
        assert changed is not None
        stamps.append(changed[2])
    assert stamps == sorted(set(stamps))


def test_a_change_that_changes_nothing_is_none(collection: Collection) -> None:
    before = dict(collection.problems["a"])
    assert collection.change("a", {"description": "a", "id": "other"}) is None
    assert collection.problems["a"] == before


def test_resolving_sets_the_resolution_date_and_reopening_takes_it_away(collection: Collection) -> None:
    collection.change("a", {"status": "resolved"})
    assert "resolutionDate" in collection.problems["a"]
    collection.change("a", {"status": "inProgress"})
    assert "resolutionDate" not in collection.problems["a"]


def test_a_body_follows_its_problem_and_the_faults(collection: Collection, faults: Faults) -> None:
    assert orjson.loads(collection.body("a"))["description"] == "a"
    collection.change("a", {"description": "new", "priority": 2})
    assert orjson.loads(collection.body("a"))["description"] == "new"
    faults.numbers_as_text = True
    assert orjson.loads(collection.body("a"))["priority"] == "2"
    faults.no_last_update = True
    assert "lastUpdate" not in orjson.loads(collection.body("a"))


def test_the_order_is_that_of_creation_until_it_is_shifted(collection: Collection) -> None:
    everything = Selection()
    assert collection.select(everything) == ["a", "b"]
    collection.shift()
    assert sorted(collection.select(everything)) == ["a", "b"]
    collection.remove("a")
    assert collection.select(everything) == ["b"]
    assert collection.new_id() not in collection.problems


def test_a_restored_backup_is_the_truth_again(collection: Collection) -> None:
    backup = {name: dict(problem) for name, problem in collection.problems.items()}
    collection.change("a", {"description": "later"})
    collection.remove("b")
    collection.restore(backup)
    assert collection.problems == backup
    assert orjson.loads(collection.body("a"))["description"] == "a"
