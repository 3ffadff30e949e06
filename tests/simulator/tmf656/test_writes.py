"""Writes meet the fate that a test wants, and are carried out or not, once."""

from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

import aiohttp
import pytest

from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656.write_faults import WriteFaults

pytestmark = pytest.mark.anyio

NEW = {"description": "d", "category": "c", "priority": 1, "reason": "r", "originatorParty": {"id": "o"}}
MERGE = {"Content-Type": "application/merge-patch+json"}


def test_fates_are_taken_in_order_and_then_drawn() -> None:
    faults = WriteFaults(lose_request=0.2, lose_answer=0.3, late=0.1, fates=deque(["late"]))
    dice = Random(3)
    assert faults.fate(dice) == "late"
    drawn = Counter(faults.fate(dice) for _ in range(2_000))
    shares = {fate: round(count / 2_000, 1) for fate, count in drawn.items()}
    assert shares == {"lose_request": 0.2, "lose_answer": 0.3, "late": 0.1, "done": 0.4}
    assert WriteFaults().fate(dice) == "done"


async def _post(sim: Simulator) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.post(f"{sim.url}/serviceProblem", json=NEW) as answer:
            return answer.status == 201
    except aiohttp.ClientError:
        return False


async def test_a_lost_request_is_not_carried_out_and_a_lost_answer_is() -> None:
    async with Simulator() as sim:
        sim.faults.writes.fates.extend(["lose_request", "lose_answer", "done"])
        assert [await _post(sim) for _ in range(3)] == [False, False, True]
        assert len(sim.problems) == 2


async def test_a_late_write_is_carried_out_when_told_once() -> None:
    async with Simulator() as sim:
        sim.faults.writes.late_seconds = None
        sim.faults.writes.fates.append("late")
        assert not await _post(sim)
        assert len(sim.problems) == 0
        assert [await sim.finish_late(), await sim.finish_late()] == [1, 0]
        assert len(sim.problems) == 1


async def test_a_late_write_is_carried_out_by_itself() -> None:
    async with Simulator() as sim:
        sim.faults.writes.late_seconds = 0.01
        sim.faults.writes.fates.append("late")
        assert not await _post(sim)
        await sim.wait_until(lambda: len(sim.problems) == 1)


async def test_an_accepted_write_is_answered_202_and_done_late(call: Callable[..., Any]) -> None:
    async with Simulator(population=1) as sim:
        sim.faults.writes.accept, sim.faults.writes.late_seconds = True, None
        (first,) = sim.problems
        url = f"{sim.url}/serviceProblem/{first}"
        status, _, _ = await call("PATCH", url, data=b'{"reason": "new"}', headers=MERGE)
        assert (status, sim.problems[first]["reason"] == "new") == (202, False)
        await sim.finish_late()
        assert sim.problems[first]["reason"] == "new"


async def test_a_stale_read_says_what_was_before_the_last_change(call: Callable[..., Any]) -> None:
    async with Simulator(population=1) as sim:
        (first,) = sim.problems
        url = f"{sim.url}/serviceProblem/{first}"
        await sim.patch(first, reason="before")
        sim.faults.writes.stale_reads = 2
        status, _, answered = await call("PATCH", url, data=b'{"reason": "after"}', headers=MERGE)
        assert (status, answered["reason"]) == (200, "after")
        read = [(await call("GET", url))[2]["reason"], (await call("GET", f"{sim.url}/serviceProblem"))[2][0]["reason"]]
        assert read == ["before", "before"]
        assert (await call("GET", url))[2]["reason"] == "after"


async def test_the_server_rewrites_and_refuses_as_it_likes(call: Callable[..., Any]) -> None:
    faults = Faults()
    faults.writes.rewrite = lambda attributes: attributes | {"description": attributes["description"][:3]}
    async with Simulator(faults=faults) as sim:
        url = f"{sim.url}/serviceProblem"
        status, _, made = await call("POST", url, json=NEW | {"description": "abcdef"})
        assert (status, made["description"]) == (201, "abc")
        faults.writes.refuse = lambda operation, changes: (422, operation) if "description" in changes else None
        assert (await call("PATCH", f"{url}/{made['id']}", json={"description": "x"}))[0] == 422


async def test_patches_of_other_media_types_are_not_taken(call: Callable[..., Any]) -> None:
    async with Simulator(population=1) as sim:
        (first,) = sim.problems
        url = f"{sim.url}/serviceProblem/{first}"
        sim.faults.writes.media_types = ["application/merge-patch+json"]
        assert (await call("PATCH", url, json={"reason": "a"}))[0] == 415
        assert (await call("PATCH", url, data=b'{"reason": "a"}', headers=MERGE))[0] == 200
        sim.faults.writes.media_types, sim.faults.writes.takes_json_patch = None, False
        patched = await call("PATCH", url, data=b"[]", headers={"Content-Type": "application/json-patch+json"})
        assert patched[0] == 415


async def test_a_list_in_a_merge_patch_replaces_or_is_added(call: Callable[..., Any]) -> None:
    async with Simulator(population=1) as sim:
        (first,) = sim.problems
        url = f"{sim.url}/serviceProblem/{first}"
        for append, texts in ((False, ["a"]), (True, ["a", "a"]), (False, ["a"])):
            sim.faults.writes.append_lists = append
            _, _, answered = await call("PATCH", url, json={"note": [{"text": "a"}]})
            assert [note["text"] for note in answered["note"]] == texts
