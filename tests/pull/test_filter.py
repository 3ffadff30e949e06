"""F16: the filter of a source: what it does not keep is not stored, and leaving it is no deletion."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.ingest.receiver import read
from bridge.simulator import Simulator
from bridge.storage.observation_store import store_items

pytestmark = pytest.mark.anyio

Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

TOMBSTONES = "select count(*) from bridge.service_problem where deleted_at is not null"
OUTCOMES = "select array_agg(outcome order by event_id) from bridge.notification"
CHANGE = "ServiceProblemAttributeValueChangeEvent"


async def notify(rig: Any, **event: Any) -> None:
    """Store a notification as the receiver does."""
    items = read(rig.source.source_id, orjson.dumps(event), None, datetime.now(UTC), chosen=rig.source.filter)
    await store_items(rig.database, [each.item for each in items])


async def test_only_what_the_filter_keeps_is_stored_whatever_way_it_comes(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=40, seed=1) as sim:
        rig = await rig_for(sim, filter={"category": ["kept"]})
        for problem_id in list(sim.problems)[:5]:
            await sim.patch(problem_id, category="Kept")
        kept = await sim.create(category="kept")
        other = await sim.create(category="other")
        for _ in range(2):
            await rig.poller.run_once()
            await rig.reconciler.run_once()
        expected = {key: body for key, body in shown(sim).items() if body["category"].casefold() == "kept"}
        assert len(expected) == 6
        assert await rig.rows() == expected
        for number, problem_id in enumerate((kept["id"], other["id"])):
            body = await sim.patch(problem_id, description="changed")
            await notify(rig, eventType=CHANGE, eventId=str(number), event={"serviceProblem": body})
        assert await rig.value(OUTCOMES) == ["applied", "filtered"]
        assert await rig.value("select body from bridge.notification where outcome = 'filtered'") is None
        assert set(await rig.rows()) == set(expected)


async def test_a_problem_that_leaves_the_filter_is_followed_and_not_deleted(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=10, seed=1) as sim:
        for problem_id in sim.problems:
            await sim.patch(problem_id, category="other")
        followed = next(iter(sim.problems))
        await sim.patch(followed, category="kept")
        rig = await rig_for(sim, filter={"category": ["kept"]})
        await rig.poller.run_once()
        await sim.patch(followed, category="other")
        await rig.poller.run_once()
        for _ in range(3):
            await rig.reconciler.run_once()
        assert await rig.rows() == {followed: shown(sim)[followed]}
        assert await rig.value(TOMBSTONES) == 0


async def test_a_part_that_does_not_say_is_fetched_and_then_decided(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(version="5", population=4, seed=1) as sim:
        rig = await rig_for(sim, filter={"category": ["kept"]})
        first, second, *_ = sim.problems
        await sim.patch(first, category="kept")
        await sim.patch(second, category="other")
        for number, problem_id in enumerate((first, second)):
            event = {"serviceProblem": {"id": problem_id, "status": "held"}}
            await notify(rig, eventType="ServiceProblemStateChangeEvent", eventId=str(number), event=event)
        assert await rig.value("select count(*) from bridge.refetch") == 2
        await rig.execute("update bridge.refetch set due_at = now()")
        await rig.refetcher.run_once()
        assert await rig.rows() == {first: shown(sim)[first]}
        assert await rig.value("select count(*) from bridge.refetch") == 0


async def test_since_and_age_keep_old_problems_out_of_the_first_pass(rig_for: RigFor) -> None:
    async with Simulator(population=10, seed=1) as sim:
        ids = list(sim.problems)
        for number, problem_id in enumerate(ids):
            at = datetime.now(UTC) - timedelta(days=10 * number + 1)
            await sim.patch(problem_id, lastUpdate=at.isoformat())
        since = datetime.now(UTC) - timedelta(days=45)
        rig = await rig_for(sim, since=since.isoformat())
        await rig.poller.run_once()
        assert set(await rig.rows()) == set(ids[:5])
        await sim.patch(ids[9], description="it is worked on again")
        await rig.poller.run_once()
        assert set(await rig.rows()) == {*ids[:5], ids[9]}


async def test_the_first_pass_keeps_to_its_rate(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=10, backfill_rate_per_second=100)
        started = datetime.now(UTC)
        await rig.poller.run_once()
        assert datetime.now(UTC) - started >= timedelta(seconds=20 / 100)
        assert await rig.rows() == shown(sim)
