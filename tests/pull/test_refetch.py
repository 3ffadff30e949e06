"""Fetching by id what came partial, tied or unclear: no request is forgotten, and none is repeated for ever."""

import gc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import ref

import anyio
import pytest

from bridge.errors import TransientError
from bridge.simulator import Simulator
from bridge.simulator.tmf656 import selection
from bridge.simulator.tmf656.background import background
from bridge.simulator.tmf656.paging import PagingDefectError
from bridge.simulator.tmf656.server import SimulatorServer

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

WAITING = "select count(*) from bridge.refetch"
SIM = {"source": "sim"}
STATE_CHANGE = "ServiceProblemStateChangeEvent"
CHANGE = "ServiceProblemAttributeValueChangeEvent"
DELETE = "ServiceProblemDeleteEvent"


async def fetch_due(rig: Any) -> int:
    """Make everything due and fetch it."""
    await rig.execute("update bridge.refetch set due_at = now() - interval '1 second'")
    return await rig.refetcher.run_once()


async def reason_of(rig: Any) -> str | None:
    return await rig.value("select reason from bridge.refetch")


def problem_of(**attributes: Any) -> dict[str, Any]:
    return {"event": {"serviceProblem": attributes}}


def answers(monkeypatch: pytest.MonkeyPatch, error: Exception, *, of: Callable[[str], bool] = lambda _: True) -> None:
    """The server answers GET by id with this error, for some ids."""
    proper = SimulatorServer._problem_id

    def asked(server: SimulatorServer, request: Any) -> str:
        if of(request.match_info["id"]):
            raise error
        return proper(server, request)

    monkeypatch.setattr(SimulatorServer, "_problem_id", asked)


async def test_what_another_process_asks_for_is_fetched_by_the_one_that_leads(
    rig_for: RigFor, shown: Shown, eventually: Eventually
) -> None:
    async with Simulator(version="5", population=3, seed=1) as sim, background() as tasks:
        leader, other = await rig_for(sim), await rig_for(sim)
        await leader.poller.run_once()
        tasks.start_soon(leader.refetcher.run)
        await eventually(lambda: leader.metrics.registry.get_sample_value("tmf656_bridge_refetch_waiting", SIM) == 0)
        first = next(iter(sim.problems))
        problem = await sim.transition(first, "held", statusChangeReason="waiting")
        said = {name: problem[name] for name in ("id", "status", "lastUpdate")}
        await other.notify(eventType=STATE_CHANGE, eventId="1", **problem_of(**said))
        await eventually(lambda: leader.value("select count(*) = 0 from bridge.refetch"))
        assert await leader.rows() == shown(sim)


async def test_a_partial_statement_is_completed_by_asking(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(version="5", population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        first = next(iter(sim.problems))
        problem = await sim.transition(first, "held", statusChangeReason="waiting")
        at = problem["lastUpdate"]
        await rig.notify(eventType=STATE_CHANGE, eventTime=at, eventId="1", **problem_of(id=first, status="held"))
        assert (await rig.rows())[first]["status"] == "held"
        assert await reason_of(rig) == "partial"
        assert await fetch_due(rig) == 1
        assert await rig.rows() == shown(sim)
        assert await rig.value(WAITING) == 0


async def test_a_thin_event_brings_the_whole_problem(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.notify(eventType=CHANGE, eventId="1", **problem_of(id=next(iter(sim.problems))))
        await fetch_due(rig)
        assert await rig.rows() == shown(sim)
        assert await rig.value(WAITING) == 0


async def test_two_statements_of_one_moment_are_settled_by_the_server(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        (said,) = sim.shown().values()
        for number, text in enumerate(("zzz", "aaa")):
            event = problem_of(**said | {"description": text})
            await rig.notify(eventType=CHANGE, eventId=str(number), eventTime=said["lastUpdate"], **event)
        assert await reason_of(rig) == "tie"
        await fetch_due(rig)
        assert await rig.rows() == shown(sim)
        assert await rig.value(WAITING) == 0


async def test_a_statement_without_any_time_is_confirmed(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        (said,) = sim.shown().values()
        body = {name: value for name, value in said.items() if name not in ("lastUpdate", "statusChangeDate")}
        await rig.notify(eventType=CHANGE, eventId="1", **problem_of(**body | {"description": "old news"}))
        assert await rig.value(WAITING) == 1
        await fetch_due(rig)
        for _ in range(2):
            await fetch_due(rig)
        assert await rig.rows() == shown(sim)
        assert await rig.value(WAITING) == 0


async def test_a_patch_after_a_deletion_is_settled_by_the_server(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(version="5", population=2, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        first, second = sim.problems
        later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        for problem_id in (first, second):
            await rig.notify(eventType=DELETE, eventTime=datetime.now(UTC).isoformat(), **problem_of(id=problem_id))
        assert await rig.rows() == {}
        for problem_id in (first, second):
            await rig.notify(eventType=STATE_CHANGE, eventTime=later, **problem_of(id=problem_id, status="held"))
        assert await rig.rows() == {}
        assert await reason_of(rig) == "after_delete"
        await sim.delete(first)
        for _ in range(4):
            await fetch_due(rig)
        assert await rig.rows() == shown(sim)
        assert await rig.value(WAITING) == 0


async def test_a_deletion_older_than_what_is_known_is_settled_by_the_server(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(version="5", population=2, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        first, second = sim.problems
        for problem_id in (first, second):
            await rig.notify(eventType=DELETE, eventTime="2001-01-01T00:00:00Z", **problem_of(id=problem_id))
        assert len(await rig.rows()) == 2
        assert await reason_of(rig) == "deleted"
        await sim.delete(first)
        await fetch_due(rig)
        assert await rig.rows() == shown(sim)
        assert await rig.value(WAITING) == 0


async def test_what_is_not_to_be_had_by_id_is_dropped_after_some_tries_and_not_deleted(rig_for: RigFor) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        (first,) = sim.problems
        await rig.notify(eventType=STATE_CHANGE, eventId="1", **problem_of(id=first, status="held"))
        await sim.delete(first)
        tries = 0
        while await rig.value(WAITING):
            tries += await fetch_due(rig)
        assert tries == 4
        assert first in await rig.rows()


async def test_a_postponed_fetch_is_not_due_at_once(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        await rig.notify(eventType=STATE_CHANGE, eventId="1", **problem_of(id="SP-1", status="held"))
        assert await fetch_due(rig) == 1
        assert await rig.refetcher.run_once() == 0
        assert await rig.value("select due_at > now() + interval '2 seconds' from bridge.refetch")


async def test_news_of_a_problem_that_was_postponed_is_asked_for_afresh(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=1, seed=1) as sim:
        (first,) = sim.problems
        backup = sim.snapshot()
        await sim.delete(first)
        rig = await rig_for(sim)
        await rig.notify(eventType=STATE_CHANGE, eventId="1", **problem_of(id=first, status="held"))
        for _ in range(3):
            await fetch_due(rig)
        assert await rig.value("select attempts from bridge.refetch") == 3
        sim.restore(backup)
        await rig.notify(eventType=STATE_CHANGE, eventId="2", **problem_of(id=first, status="closed"))
        assert await rig.value("select due_at < now() + interval '1 second' and attempts = 0 from bridge.refetch")


async def test_a_permanent_refusal_is_dropped_after_its_tries(rig_for: RigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, selection.SelectionError("not like this"))
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.notify(eventType=CHANGE, eventId="1", **problem_of(id=next(iter(sim.problems))))
        for _ in range(4):
            assert await fetch_due(rig) == 1
        assert await rig.value(WAITING) == 0


async def test_problems_the_server_stumbles_over_hold_up_no_others_and_are_dropped(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch, shown: Shown
) -> None:
    async with Simulator(population=60, seed=1) as sim:
        bad = set(list(sim.problems)[:20])
        answers(monkeypatch, PagingDefectError("a bug of the server"), of=bad.__contains__)
        rig = await rig_for(sim)
        for problem_id in sim.problems:
            await rig.notify(eventType=CHANGE, eventId=problem_id, **problem_of(id=problem_id))
        await rig.execute("update bridge.refetch set due_at = now() - interval '1 second'")
        for _ in range(10):
            try:
                await rig.refetcher.run_once()
            except TransientError:
                continue
        whole = {problem_id for problem_id, body in (await rig.rows()).items() if "description" in body}
        assert whole == sim.problems.keys() - bad
        rig.source.first_pass.set()  # polls are answered, so the source is not away
        for _ in range(40):
            try:
                await fetch_due(rig)
            except TransientError:
                continue
        assert await rig.value(WAITING) == 0


async def test_a_source_that_is_down_loses_no_request(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        for problem_id in sim.problems:
            await rig.notify(eventType=CHANGE, eventId=problem_id, **problem_of(id=problem_id))
        sim.faults.down = True
        for _ in range(10):
            with pytest.raises(TransientError):
                await fetch_due(rig)
        assert await rig.value(WAITING) == 30
        sim.faults.down = False
        while await rig.value(WAITING):
            await fetch_due(rig)
        assert await rig.rows() == shown(sim)


async def test_what_a_round_that_failed_had_in_hand_is_let_go_of_at_once(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WatchedError(TransientError):
        pass

    async def fails(_: str) -> None:
        raise WatchedError("away")

    async with Simulator(population=3) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in sim.problems:
            await rig.notify(eventType=STATE_CHANGE, **problem_of(id=problem_id, status="held"))
        monkeypatch.setattr(rig.source.client, "get", fails)
        gc.collect()
        gc.disable()
        try:
            with pytest.raises(WatchedError) as caught:
                await fetch_due(rig)
            watched = ref(caught.value)
            del caught
            assert watched() is None
        finally:
            gc.enable()


async def test_an_answer_postgres_refuses_is_not_asked_for_again_at_once(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        await sim.create(id="bad", description="poison")
        rig = await rig_for(sim)
        await rig.refuse_poison()
        await rig.notify(eventType=CHANGE, eventId="1", **problem_of(id="bad"))
        assert await fetch_due(rig) == 1
        assert await rig.refetcher.run_once() == 0
        for _ in range(3):
            assert await fetch_due(rig) == 1
        assert await rig.value(WAITING) == 0
        assert await rig.value("select via from bridge.dead_letter") == "refetch"


async def test_a_request_survives_a_restart(rig_for: RigFor, shown: Shown, eventually: Eventually) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.notify(eventType=CHANGE, eventId="1", **problem_of(id=next(iter(sim.problems))))
        again = await rig_for(sim)
        async with background() as tasks:
            tasks.start_soon(again.refetcher.run)

            async def home() -> bool:
                return await again.rows() == shown(sim)

            await eventually(home)


async def test_a_storm_is_left_to_a_poll(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=400, seed=1) as sim:
        rig = await rig_for(sim)
        async with anyio.create_task_group() as group:
            for problem_id in sim.problems:
                group.start_soon(lambda one=problem_id: rig.notify(eventType=CHANGE, eventId=one, **problem_of(id=one)))
        assert await rig.value(WAITING) == 400
        assert await fetch_due(rig) == 64
        assert await rig.source.poll_wake.wait(0) == "refetch backlog"
        await rig.poller.run_once()
        assert await rig.value(WAITING) == 0
        assert await rig.rows() == shown(sim)


async def test_postgres_going_away_meanwhile_is_a_transient_error(
    rig_for: RigFor, no_connections: Callable[[], Awaitable[None]]
) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        await rig.notify(eventType=CHANGE, eventId="1", **problem_of(id="SP-1"))
        await rig.execute("update bridge.refetch set due_at = now() - interval '1 second'")
        sim.faults.slow_seconds = 1.0
        async with background() as tasks:
            raised: list[Exception] = []
            over = anyio.Event()

            async def fetch() -> None:
                try:
                    await rig.refetcher.run_once()
                except TransientError as error:
                    raised.append(error)
                over.set()

            tasks.start_soon(fetch)
            await sim.wait_until(lambda: bool(sim.requests))
            await no_connections()
            with anyio.fail_after(30):
                await over.wait()
        assert len(raised) == 1
