"""Every change of the simulated server alters the truth and wakes who waits for it."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.simulator.tmf656.faults import Faults
from bridge.simulator.tmf656.world import World

pytestmark = pytest.mark.anyio


def world(version: str = "4") -> World:
    return World(
        version,
        Faults(),
        clock=lambda: datetime(2026, 6, 1, 12, tzinfo=UTC),
        id_prefix="SP-",
        ids=random.Random(1),
        callback_form="exact",
        concurrency=1,
        retries=0,
        delivery_timeout_seconds=1,
    )


def test_a_problem_begins_changes_and_ends() -> None:
    one = world()
    made: dict[str, Any] = one.begin({"description": "no light"})
    assert one.problems[made["id"]]["description"] == "no light"
    assert one.alter(made["id"], {"status": "held"})["status"] == "held"
    one.end(made["id"])
    assert one.problems == {}
    with pytest.raises(KeyError):
        one.end(made["id"])


def test_a_proposed_id_is_taken_once() -> None:
    one = world()
    assert one.begin({"id": "mine"})["id"] == "mine"
    with pytest.raises(KeyError, match="mine"):
        one.begin({"id": "mine"})


def test_a_change_that_changes_nothing_leaves_the_problem_as_it_is() -> None:
    one = world()
    made = one.begin({"description": "no light"})
    assert one.alter(made["id"], {"description": "no light"}) == made


def test_a_task_about_an_unknown_problem_changes_nothing() -> None:
    one = world("5")
    known = one.begin({})["id"]
    before = dict(one.problems)
    task = {"problem": [{"id": known}, {"id": "unknown"}]}
    with pytest.raises(KeyError, match="unknown"):
        one.perform("problemAcknowledgement", task)
    assert one.problems == before
    assert one.tasks["problemAcknowledgement"] == {}


async def test_who_waits_is_not_waited_for_longer_than_said() -> None:
    one = world()
    with pytest.raises(TimeoutError):
        await one.wait_until(lambda: False, timeout_seconds=0.01)
