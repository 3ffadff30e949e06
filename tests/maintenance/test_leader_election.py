"""A process that was paused, lost the lease and wakes up again writes nothing that only the leader may write."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator import Simulator
from bridge.storage import lease, list_digest
from bridge.storage.database import opened
from bridge.storage.lease import LeaseLostError

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]

GONE = "select count(*) from bridge.service_problem where deleted_at is not null"
MARKS = "select count(*) from bridge.watermark"
MISSED = "select count(*) from bridge.service_problem where missed_at is not null"
ACTIVE = "select hub_id from bridge.subscription where state = 'active'"


@pytest.fixture
def steal(dsn: str) -> Callable[[], Awaitable[None]]:
    """Let the rig lead, then let somebody else have the lease, as after a long pause."""

    async def stolen() -> None:
        async with opened(dsn, wait=False) as other, other.connection() as connection:
            await connection.execute("update bridge.lease set expires_at = '-infinity'")
            assert await lease.take(connection, "jobs", other.identity, seconds=600) is not None

    return stolen


async def lead(rig: Any) -> None:
    async with rig.database.connection() as connection:
        rig.source.fence.token = await lease.take(connection, "jobs", rig.database.identity, seconds=600)


async def test_it_buries_nobody(rig_for: RigFor, steal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause falls between the verdict of the second pass and the burial."""
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await lead(rig)
        await rig.reconciler.run_once()
        await sim.delete(next(iter(sim.problems)))
        await rig.reconciler.run_once()
        get = rig.source.client.get

        async def paused(problem_id: str) -> Any:
            await steal()
            return await get(problem_id)

        with monkeypatch.context() as patched:
            patched.setattr(type(rig.source.client), "get", lambda _, problem_id: paused(problem_id))
            with pytest.raises(LeaseLostError):
                await rig.reconciler.run_once()
        assert await rig.value(GONE) == 0
        rig.source.fence.token = None
        await rig.reconciler.run_once()
        assert await rig.value(GONE) == 1


async def test_its_marks_stay_out(rig_for: RigFor, steal: Any) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await lead(rig)
        await steal()
        for run_once in (rig.reconciler.run_once, rig.poller.run_once):
            with pytest.raises(LeaseLostError):
                await run_once()
        assert await rig.value(MARKS) == 0


async def test_a_pass_under_way_finds_nothing_missing_but_stores_what_it_read(
    rig_for: RigFor, shown: Any, steal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(population=6, seed=1) as sim:
        rig = await rig_for(sim, page_size=2)
        await rig.poller.run_once()
        marks = await rig.value(MARKS)
        gone, changed, *_ = sim.problems
        await sim.delete(gone)
        await sim.patch(changed, description="changed behind our back")
        await lead(rig)
        current = list_digest.current_digests

        async def paused(*arguments: Any) -> Any:
            monkeypatch.undo()
            await steal()
            return await current(*arguments)

        monkeypatch.setattr(list_digest, "current_digests", paused)
        with pytest.raises(LeaseLostError):
            await rig.reconciler.run_once()
        assert (await rig.value(MARKS), await rig.value(MISSED)) == (marks, 0)
        rows = await rig.rows()
        assert {problem_id: rows[problem_id] for problem_id in shown(sim)} == shown(sim)


async def test_it_registers_nowhere(rig_for: RigFor, steal: Any) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        await lead(rig)
        await steal()
        with pytest.raises(LeaseLostError):
            await rig.subscriber.run_once("start")
        assert sim.subscriptions == {}


@pytest.mark.parametrize("same_id", [False, True])
async def test_what_it_registered_in_vain_is_taken_back_unless_the_others_use_it(
    rig_for: RigFor, hub: Any, steal: Any, monkeypatch: pytest.MonkeyPatch, same_id: bool
) -> None:
    """The pause falls between the hub's yes and the store; meanwhile the new leader registers."""
    hub.on_post = lambda number: (201, {"id": "the-one" if same_id else str(number)})
    rig, new_leader = await rig_for(hub.url), await rig_for(hub.url)
    await lead(rig)
    register = rig.source.client.register

    async def paused(*arguments: Any, **named: Any) -> Any:
        registration = await register(*arguments, **named)
        await steal()
        monkeypatch.undo()
        await new_leader.subscriber.run_once("start")
        return registration

    monkeypatch.setattr(type(rig.source.client), "register", lambda _, *a, **k: paused(*a, **k))
    with pytest.raises(LeaseLostError):
        await rig.subscriber.run_once("start")
    assert await rig.value(ACTIVE) == ("the-one" if same_id else "2")
    assert hub.deletes == ([] if same_id else ["1"])
