"""Each fault does what it says."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest

from bridge.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio


async def test_lost_notifications_never_arrive(open_receiver: Callable[[], Any], subscribe: Callable[..., Any]) -> None:
    async with open_receiver() as receiver, Simulator(seed=1, faults=Faults(lose=0.5)) as sim:
        await subscribe(sim, receiver.url)
        for _ in range(100):
            await sim.create()
        await sim.settle()
        assert 20 < sim.sent.lost < 80
        assert len(receiver.events) == sim.sent.delivered == 100 - sim.sent.lost


async def test_doubled_notifications_arrive_twice_unchanged(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(faults=Faults(duplicate=1)) as sim:
        await subscribe(sim, receiver.url)
        await sim.create()
        await sim.settle()
        assert receiver.events[0] == receiver.events[1]
        assert (sim.sent.built, sim.sent.doubled, sim.sent.delivered) == (1, 1, 2)


async def test_late_notifications_arrive_after_later_ones(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(faults=Faults(delay=1, delay_seconds=0.2)) as sim:
        await subscribe(sim, receiver.url)
        late = await sim.create()
        sim.faults.delay = 0
        punctual = await sim.create()
        await sim.settle()
        assert [body["id"] for body in receiver.problems] == [punctual["id"], late["id"]]
        assert sim.sent.late == 1


async def test_shuffled_notifications_all_arrive_in_another_order(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    faults = Faults(shuffle=1, shuffle_window=10)
    async with open_receiver() as receiver, Simulator(seed=1, concurrency=1, faults=faults) as sim:
        await subscribe(sim, receiver.url)
        ids = [(await sim.create())["id"] for _ in range(25)]
        await sim.settle()
        arrived = [body["id"] for body in receiver.problems]
        assert arrived != ids
        assert sorted(arrived) == ids


@pytest.mark.parametrize("version", ["3", "4", "5"])
async def test_partial_notifications_are_merge_patches(
    version: str, open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    faults = Faults(partial=True)
    async with open_receiver() as receiver, Simulator(version=version, concurrency=1, faults=faults) as sim:
        await subscribe(sim, receiver.url)
        problem = await sim.create(priority=1, statusChangeReason="x")
        await sim.patch(problem["id"], priority=2, statusChangeReason=None)
        await sim.settle()
        whole, patch = receiver.problems
        assert "description" in whole
        assert (patch["priority"], patch["statusChangeReason"]) == (2, None)
        assert patch.keys() - {"@type", "timeChanged", "lastUpdate"} == {"id", "href", "priority", "statusChangeReason"}


async def test_thin_notifications_name_the_problem_only(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    faults = Faults(thin=True, without_event_id=True, without_event_time=True)
    async with open_receiver() as receiver, Simulator(faults=faults) as sim:
        await subscribe(sim, receiver.url)
        problem = await sim.create()
        await sim.settle()
        (event,) = receiver.events
        assert event["event"]["serviceProblem"] == {"id": problem["id"], "href": problem["href"]}
        assert not {"eventId", "eventTime", "timeOcurred"} & event.keys()


async def test_a_change_of_status_can_be_told_twice_or_as_an_attribute(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(concurrency=1, faults=Faults(both=True)) as sim:
        problem = await sim.create()
        await subscribe(sim, receiver.url)
        await sim.transition(problem["id"], "held")
        await sim.settle()
        assert receiver.types == ["ServiceProblemStateChangeEvent", "ServiceProblemAttributeValueChangeEvent"]
        assert receiver.events[0]["eventId"] != receiver.events[1]["eventId"]
        sim.faults.attribute_change_only = True
        await sim.transition(problem["id"], "resolved")
        await sim.settle()
        assert receiver.types[2:] == ["ServiceProblemAttributeValueChangeEvent"]


async def test_an_older_server_can_tell_of_deletions_too(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(version="3", faults=Faults(delete_event=True)) as sim:
        problem = await sim.create()
        await subscribe(sim, receiver.url)
        await sim.delete(problem["id"])
        await sim.settle()
        assert receiver.types == ["ServiceProblemRemoveNotification"]


async def test_subscriptions_are_forgotten_after_some_deliveries(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(concurrency=1) as sim:
        await subscribe(sim, receiver.url)
        sim.faults.forget_subscriptions_after = 3
        for _ in range(10):
            await sim.create()
        await sim.wait_until(lambda: not sim.subscriptions)
        await sim.settle()
        assert len(receiver.events) == 3
        await subscribe(sim, receiver.url)
        await sim.create()
        await sim.settle()
        assert len(receiver.events) == 4


async def test_a_failing_subscription_is_dropped_without_a_word(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    faults = Faults(drop_after_failures=3)
    async with open_receiver() as receiver, Simulator(concurrency=1, faults=faults) as sim:
        receiver.status = 500
        await subscribe(sim, receiver.url)
        for _ in range(10):
            await sim.create()
        await sim.wait_until(lambda: not sim.subscriptions)
        assert len(receiver.events) == 4


@pytest.mark.parametrize(
    ("faults", "statuses"),
    [
        (Faults(rate_limited=2), [429, 429, 200]),
        (Faults(fail_next=1), [500, 200, 200]),
        (Faults(error_rate=1), [500, 500, 500]),
        (Faults(unauthorised=True), [401, 401, 401]),
        (Faults(fail_next=1, operations={"hub"}), [200, 200, 200]),
        (Faults(fail_next=1, operations={"list"}), [500, 200, 200]),
    ],
)
async def test_answers_fail_as_told(faults: Faults, statuses: list[int], call: Callable[..., Any]) -> None:
    async with Simulator(faults=faults) as sim:
        answers = [await call("GET", f"{sim.url}/serviceProblem") for _ in statuses]
        assert [status for status, _, _ in answers] == statuses
        limited = [headers["Retry-After"] for status, headers, _ in answers if status == 429]
        assert limited == ["1"] * len(limited)


async def test_a_slow_server_answers_later_than_a_client_waits(call: Callable[..., Any]) -> None:
    async with Simulator(faults=Faults(slow_seconds=30)) as sim:
        with pytest.raises(TimeoutError):
            await call("GET", f"{sim.url}/serviceProblem", timeout=aiohttp.ClientTimeout(total=0.1))


async def test_a_cut_answer_breaks_in_the_middle_of_its_body(call: Callable[..., Any]) -> None:
    async with Simulator(population=50, faults=Faults(cut_next=1)) as sim:
        with pytest.raises(aiohttp.ClientPayloadError):
            await call("GET", f"{sim.url}/serviceProblem")
        status, _, listed = await call("GET", f"{sim.url}/serviceProblem")
        assert (status, len(listed)) == (200, 50)
        sim.faults.cut = 1
        with pytest.raises(aiohttp.ClientPayloadError):
            await call("GET", f"{sim.url}/serviceProblem")


async def test_a_server_that_is_down_gives_no_answer_at_all(call: Callable[..., Any]) -> None:
    async with Simulator(faults=Faults(down=True)) as sim:
        with pytest.raises(aiohttp.ClientConnectionError):
            await call("GET", f"{sim.url}/serviceProblem", allow_redirects=False)
        sim.faults.down = False
        assert (await call("GET", f"{sim.url}/serviceProblem"))[0] == 200


async def test_an_ignored_filter_gives_everything(call: Callable[..., Any]) -> None:
    async with Simulator(population=5, faults=Faults(ignore_filter=True)) as sim:
        _, _, listed = await call("GET", f"{sim.url}/serviceProblem?lastUpdate.gte=2099-01-01T00:00:00Z")
        assert len(listed) == 5


@pytest.mark.parametrize("form", ["ids", "callable"])
async def test_lists_can_miss_problems_that_exist(form: str, call: Callable[..., Any]) -> None:
    async with Simulator(population=5) as sim:
        hidden = next(iter(sim.problems))
        sim.faults.collection_missing = {hidden} if form == "ids" else hidden.__eq__
        _, headers, listed = await call("GET", f"{sim.url}/serviceProblem")
        assert (len(listed), headers["X-Total-Count"]) == (4, "4")
        assert (await call("GET", f"{sim.url}/serviceProblem/{hidden}"))[0] == 200


async def test_the_time_of_the_last_update_can_be_kept_secret_and_told_again(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any], call: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(faults=Faults(no_last_update=True)) as sim:
        await subscribe(sim, receiver.url)
        problem = await sim.create()
        await sim.settle()
        assert "lastUpdate" not in receiver.problems[0]
        query = "lastUpdate.gte=2099-01-01T00:00:00Z"
        _, _, (listed,) = await call("GET", f"{sim.url}/serviceProblem?{query}")
        assert "lastUpdate" not in listed
        sim.faults.no_last_update = False
        assert (await call("GET", problem["href"]))[2]["lastUpdate"] == problem["lastUpdate"]


async def test_numbers_can_be_text_and_a_single_problem_a_list(call: Callable[..., Any]) -> None:
    faults = Faults(numbers_as_text=True, array_by_id=True)
    async with Simulator(version="r18.5", faults=faults) as sim:
        made = await sim.create(priority=2, affectedNumberOfServices=3)
        _, _, (problem,) = await call("GET", made["href"])
        assert (problem["priority"], problem["affectedNumberOfServices"]) == ("2", "3")


async def test_the_servers_clock_can_be_wrong() -> None:
    async with Simulator() as sim:
        right = await sim.create()
        sim.faults.clock_offset_seconds = -3600
        wrong = await sim.create()
        assert wrong["lastUpdate"] < right["lastUpdate"]
        changed = await sim.patch(right["id"], priority=9)
        assert changed["lastUpdate"] > right["lastUpdate"]


async def test_local_time_is_written_with_its_offset_or_without_a_zone() -> None:
    async with Simulator(faults=Faults(zone=timezone(timedelta(hours=2)))) as sim:
        aware = datetime.fromisoformat((await sim.create())["lastUpdate"])
        sim.faults.without_zone = True
        naive = datetime.fromisoformat((await sim.create())["lastUpdate"])
        sim.faults.zone = timezone(timedelta(hours=1))
        put_back = datetime.fromisoformat((await sim.create())["lastUpdate"])
    assert aware.utcoffset() == timedelta(hours=2)
    assert naive.tzinfo is put_back.tzinfo is None
    assert put_back < aware.replace(tzinfo=None) <= naive
