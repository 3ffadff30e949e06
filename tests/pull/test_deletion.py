"""Deletion: only what GET by id answers 404 or 410 for is recorded as deleted, each problem by its own answer."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio

Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

TOMBSTONES = "select count(*) from bridge.service_problem where deleted_at is not null"
MISSING = "select count(*) from bridge.missing_problem"
HELD_BACK = "select held_back from bridge.last_pass where kind = 'reconcile'"
REASON = "select held_back_reason from bridge.last_pass where kind = 'reconcile'"
EVERYTHING = "update bridge.missing_problem set due_at = now()"


def everything(_: str) -> bool:
    return True


def asked_for(sim: Simulator, problem_id: str) -> int:
    """How often GET by id was asked for a problem."""
    return sum(request.operation == "get" and request.path.endswith(f"/{problem_id}") for request in sim.requests)


async def two_passes(rig: Any) -> Any:
    await rig.reconciler.run_once()
    return await rig.reconciler.run_once()


async def test_b8_an_empty_list_after_a_token_expired_deletes_nothing(rig_for: RigFor, shown: Shown) -> None:
    """200 and an empty list, and GET by id knows nothing either: the account sees nothing any more."""
    async with Simulator(population=60, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        before = await rig.rows()
        sim.faults.collection_missing = sim.faults.by_id_missing = everything
        first = await rig.reconciler.run_once()
        assert (len(first.missing), first.deletion.held_back) == (60, 60)
        assert "60 of 60" in await rig.value(REASON)
        for _ in range(3):
            last = await rig.reconciler.run_once()
        assert (last.deletion.deleted, last.deletion.held_back) == (0, 60)
        assert (await rig.value(TOMBSTONES), await rig.value(HELD_BACK)) == (0, 60)
        assert "--accept-deletions" in await rig.value(REASON)
        assert rig.counted("deletions_held_back") == 60
        assert await rig.rows() == before
        # the token is renewed
        sim.faults.collection_missing = sim.faults.by_id_missing = frozenset()
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
        assert (await rig.value(MISSING), await rig.value(HELD_BACK), await rig.value(REASON)) == (0, 0, None)
        assert rig.counted("deletions_held_back") == 0


@pytest.mark.parametrize("restarted", [False, True])
async def test_b8_after_a_restart_an_empty_list_deletes_nothing_either(rig_for: RigFor, restarted: bool) -> None:
    async with Simulator(population=25, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        sim.faults.collection_missing = sim.faults.by_id_missing = everything
        await two_passes(rig)
        await rig.execute(EVERYTHING)
        again = await rig_for(sim) if restarted else rig
        assert (await again.reconciler.deletion.run_once()).held_back == 25
        assert await rig.value(TOMBSTONES) == 0


@pytest.mark.parametrize("answer", ["200 and an empty list", "404 for everything", "405"])
async def test_b8_answers_by_id_that_prove_nothing_delete_nothing(rig_for: RigFor, answer: str) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:3]:
            await sim.delete(problem_id)
        if answer == "200 and an empty list":
            sim.faults.by_id_empty = True
        elif answer == "404 for everything":
            sim.faults.by_id_missing = everything
        else:
            sim.faults.by_id_status = 405
        last = await two_passes(rig)
        assert (last.deletion.deleted, last.deletion.held_back) == (0, 3)
        assert await rig.value(TOMBSTONES) == 0
        assert await rig.value(REASON)


async def test_b8_a_mass_loss_is_confirmed_by_id(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=60, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:40]:
            await sim.delete(problem_id)
        first = await rig.reconciler.run_once()
        assert (first.deletion.held_back, await rig.value(TOMBSTONES)) == (40, 0)
        assert "40 of 60" in await rig.value(REASON)
        last = await rig.reconciler.run_once()
        assert (last.deletion.deleted, last.deletion.held_back, await rig.value(HELD_BACK)) == (40, 0, 0)
        assert await rig.rows() == shown(sim)


async def test_b8_an_operator_accepts_deletions_but_not_of_what_is_still_given(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=60, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        archived = list(sim.problems)[7]
        for problem_id in list(sim.problems):
            if problem_id != archived:
                await sim.delete(problem_id)
        sim.faults.collection_missing = {archived}
        sim.faults.by_id_missing = lambda problem_id: problem_id != archived
        await rig.reconciler.run_once()
        last = await rig.reconciler.run_once(accept_deletions=True)
        assert (last.deletion.deleted, last.deletion.given, last.deletion.held_back) == (59, 1, 0)
        assert list(await rig.rows()) == [archived]
        assert await rig.value(HELD_BACK) == 0


async def test_b8_few_problems_that_are_all_gone_are_deleted(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in list(sim.problems):
            await sim.delete(problem_id)
        await two_passes(rig)
        assert await rig.rows() == {}


async def test_b8_the_share_can_be_set(rig_for: RigFor) -> None:
    async with Simulator(population=60, seed=1) as sim:
        rig = await rig_for(sim, max_loss_share=1)
        await rig.poller.run_once()
        for problem_id in list(sim.problems):
            await sim.delete(problem_id)
        assert (await rig.reconciler.run_once()).deletion.held_back == 0
        await rig.reconciler.run_once()
        assert await rig.rows() == {}


async def test_b9_each_missing_problem_is_decided_by_its_own_answer(rig_for: RigFor, shown: Shown) -> None:
    """Archived ones are given by id though the list hides them; one of them spoils nothing for the deleted ones."""
    async with Simulator(population=200, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        ids = list(sim.problems)
        archived, deleted = set(ids[:90:2]), ids[1:90:2]
        sim.faults.collection_missing = archived
        for problem_id in deleted:
            await sim.delete(problem_id)
        last = await two_passes(rig)
        assert (last.deletion.deleted, last.deletion.given, last.deletion.held_back) == (45, 45, 0)
        assert await rig.rows() == shown(sim)
        for _ in range(4):
            last = await rig.reconciler.run_once()
        assert last.deletion.given == 0
        assert {asked_for(sim, problem_id) for problem_id in archived} == {1}
        assert await rig.rows() == shown(sim)


async def test_b9_an_archived_problem_is_asked_for_again_at_times_and_found_deleted(
    rig_for: RigFor, shown: Shown
) -> None:
    async with Simulator(population=10, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        archived = list(sim.problems)[3]
        sim.faults.collection_missing = {archived}
        await two_passes(rig)
        await sim.delete(archived)
        await two_passes(rig)
        assert await rig.value(TOMBSTONES) == 0
        await rig.execute(EVERYTHING)
        await two_passes(rig)
        assert await rig.rows() == shown(sim)
        assert (await rig.value(TOMBSTONES), await rig.value(MISSING)) == (1, 0)


async def test_b9_one_that_the_server_stumbles_over_holds_up_no_other(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        first, *others = list(sim.problems)[:4]
        for problem_id in (first, *others):
            await sim.delete(problem_id)
        sim.faults.by_id_failing = {first}
        await rig.reconciler.run_once()
        for _ in range(3):
            await rig.reconciler.run_once()
        assert await rig.value(TOMBSTONES) == len(others)
        sim.faults.by_id_failing = frozenset()
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


async def test_what_is_to_be_asked_for_survives_a_crash(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:3]:
            await sim.delete(problem_id)
        await rig.reconciler.run_once()
        await rig.reconciler.pass_once()  # and the process ends before it has asked for anything
        assert (await rig.value(MISSING), await rig.value(TOMBSTONES)) == (3, 0)
        again = await rig_for(sim)
        await again.reconciler.deletion.run_once()
        assert await rig.rows() == shown(sim)


async def test_missing_problems_are_asked_for_at_the_sources_pace(rig_for: RigFor) -> None:
    async with Simulator(population=40, seed=1) as sim:
        rig = await rig_for(sim, by_id_rate_per_second=40)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:10]:
            await sim.delete(problem_id)
        await rig.reconciler.run_once()
        await rig.reconciler.pass_once()
        started = monotonic()
        assert (await rig.reconciler.deletion.run_once()).deleted == 10
        assert monotonic() - started >= 10 / 40


async def test_a_source_that_is_away_deletes_nothing_and_is_asked_again(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=10, seed=1, faults=Faults(operations={"get"})) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await sim.delete(next(iter(sim.problems)))
        sim.faults.error_rate = 1.0
        last = await two_passes(rig)
        assert last.deletion.away is not None
        assert (last.deletion.held_back, await rig.value(TOMBSTONES)) == (1, 0)
        sim.faults.error_rate = 0.0
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


MOVED = "select moved_at is not null from bridge.source"


@pytest.mark.parametrize("gone", [30, 7])
async def test_another_server_at_another_address_deletes_nothing(rig_for: RigFor, gone: int) -> None:
    """A few missing problems are no mass loss, and GET by id says 404 for them: only the move tells them apart."""
    async with Simulator(population=60, seed=1) as sim, Simulator(population=60, seed=1) as other:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await two_passes(rig)
        assert not await rig.value(MOVED)
        for problem_id in list(other.problems)[:gone]:
            await other.delete(problem_id)
        moved = await rig_for(other)
        assert await rig.value(MOVED)
        for _ in range(4):
            last = await moved.reconciler.run_once()
            await rig.execute(EVERYTHING)
            assert (last.deletion.deleted, await rig.value(TOMBSTONES)) == (0, 0)
        assert (last.deletion.held_back, await rig.value(MOVED)) == (gone, True)
        assert "read from another address" in await rig.value(REASON)
        assert "--accept-deletions" in await rig.value(REASON)
        assert await moved.reconciler.deletion.next_due_at() is None
        accepted = await moved.reconciler.run_once(accept_deletions=True)
        assert (accepted.deletion.deleted, await rig.value(TOMBSTONES)) == (gone, gone)
        assert not await rig.value(MOVED)


async def test_the_same_server_by_another_name_is_known_after_two_passes(rig_for: RigFor) -> None:
    async with Simulator(population=60, seed=1) as sim, Simulator(population=60, seed=1) as same:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in list(same.problems)[:5]:
            await same.delete(problem_id)
        first = await (await rig_for(same)).reconciler.run_once()
        again = await rig_for(same)  # a restart forgets nothing
        assert (first.deletion.deleted, await rig.value(MOVED)) == (0, True)
        second = await again.reconciler.run_once()
        assert (second.deletion.deleted, await rig.value(MOVED)) == (5, False)
