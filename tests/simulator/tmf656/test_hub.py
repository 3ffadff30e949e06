"""Subscriptions and deliveries, received by a real server."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656 import dialect
from bridge.simulator.tmf656.message_dialect import EventKind, event_type

pytestmark = pytest.mark.anyio
every_version = pytest.mark.parametrize("version", dialect.VERSIONS)


@every_version
async def test_every_change_is_told_to_the_subscriber(
    version: str, open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(version=version, concurrency=1) as sim:
        await subscribe(sim, receiver.url)
        problem = await sim.create(priority=1)
        await sim.patch(problem["id"], priority=3)
        await sim.transition(problem["id"], "inProgress")
        await sim.delete(problem["id"])
        await sim.settle()
        kinds = [EventKind.CREATE, EventKind.ATTRIBUTE_VALUE_CHANGE, EventKind.STATE_CHANGE]
        kinds += [EventKind.DELETE] if version == "5" else []
        assert receiver.types == [event_type(kind, version) for kind in kinds]
        assert set(receiver.paths) == {"/callback"}
        times = [event["eventTime"] for event in receiver.events]
        assert times == sorted(set(times))
        assert len({event["eventId"] for event in receiver.events}) == len(kinds)
        assert sim.sent.delivered == len(kinds)


@pytest.mark.parametrize("version", ["2", "3", "r18.5", "4"])
async def test_before_v5_events_carry_the_whole_problem(
    version: str, open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(version=version, concurrency=1) as sim:
        await subscribe(sim, receiver.url)
        problem = await sim.create()
        shown = [sim.shown()[problem["id"]]]
        await sim.transition(problem["id"], "held")
        shown.append(sim.shown()[problem["id"]])
        await sim.settle()
        assert receiver.problems == shown


async def test_in_v5_a_state_change_carries_what_changed_and_a_delete_only_the_id(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(version="5", concurrency=1) as sim:
        await subscribe(sim, receiver.url)
        problem = await sim.create(priority=1)
        await sim.transition(problem["id"], "held")
        await sim.patch(problem["id"], priority=4)
        shown = sim.shown()[problem["id"]]
        await sim.delete(problem["id"])
        await sim.settle()
        moved, altered, gone = receiver.problems[1:]
        assert moved.keys() == {"id", "href", "@type", "status", "statusChangeDate", "lastUpdate"}
        assert altered == shown
        assert gone == {"id": problem["id"], "href": problem["href"], "@type": "ServiceProblem"}


async def test_the_event_name_can_be_appended_to_the_callback(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(callback_form="listener") as sim:
        await subscribe(sim, receiver.url)
        await sim.create()
        await sim.settle()
        assert receiver.paths == ["/callback/listener/serviceProblemCreateEvent"]


@pytest.mark.parametrize("answer", [201, 200, 204])
async def test_registering_is_answered_as_wanted_and_undone_by_delete(answer: int, call: Callable[..., Any]) -> None:
    async with Simulator(faults=Faults(hub_answer=answer)) as sim:
        status, headers, body = await call("POST", f"{sim.url}/hub", json={"callback": "http://127.0.0.1:1/x"})
        assert status == answer
        (subscription,) = sim.subscriptions.values()
        assert headers["Location"] == f"{sim.url}/hub/{subscription.id}"
        expected = {"id": subscription.id, "callback": "http://127.0.0.1:1/x", "query": None}
        assert body == (None if answer == 204 else expected)
        assert (await call("DELETE", headers["Location"]))[0] == 204
        assert (await call("DELETE", headers["Location"]))[0] == 404
        assert not sim.subscriptions


@pytest.mark.parametrize("body", [{}, {"callback": 5}, {"callback": "ftp://x"}, {"callback": "http://x", "query": "x"}])
async def test_a_registration_that_cannot_work_is_refused(body: dict[str, Any], call: Callable[..., Any]) -> None:
    async with Simulator() as sim:
        assert (await call("POST", f"{sim.url}/hub", json=body))[0] == 400
        assert not sim.subscriptions


async def test_v5_wants_a_typed_registration(call: Callable[..., Any]) -> None:
    async with Simulator(version="5") as sim:
        body = {"callback": "http://127.0.0.1:1/x"}
        assert (await call("POST", f"{sim.url}/hub", json=body))[0] == 400
        status, _, hub = await call("POST", f"{sim.url}/hub", json={**body, "@type": "Hub"})
        assert (status, hub["@type"], hub["href"]) == (201, "Hub", f"{sim.url}/hub/{hub['id']}")


@pytest.mark.parametrize("absent", [True, 405, 501])
async def test_the_hub_may_be_absent(absent: bool | int, call: Callable[..., Any]) -> None:
    async with Simulator(faults=Faults(hub_absent=absent)) as sim:
        status, _, _ = await call("POST", f"{sim.url}/hub", json={"callback": "http://127.0.0.1:1/x"})
        assert status == (404 if absent is True else absent)


async def test_a_hub_for_one_refuses_the_second(call: Callable[..., Any]) -> None:
    async with Simulator(faults=Faults(hub_conflict=True)) as sim:
        body = {"callback": "http://127.0.0.1:1/x"}
        assert (await call("POST", f"{sim.url}/hub", json=body))[0] == 201
        assert (await call("POST", f"{sim.url}/hub", json=body))[0] == 409
        sim.forget_subscriptions()
        assert (await call("POST", f"{sim.url}/hub", json=body))[0] == 201


async def test_subscriptions_can_be_read_only_where_the_server_offers_it(call: Callable[..., Any]) -> None:
    async with Simulator() as sim:
        _, _, made = await call("POST", f"{sim.url}/hub", json={"callback": "http://127.0.0.1:1/x"})
        assert (await call("GET", f"{sim.url}/hub"))[0] == 405
        sim.faults.hub_readable = True
        assert (await call("GET", f"{sim.url}/hub"))[2] == [made]
        assert (await call("GET", f"{sim.url}/hub/{made['id']}"))[2] == made
        assert (await call("GET", f"{sim.url}/hub/99"))[0] == 404


async def test_a_query_limits_what_is_told(open_receiver: Callable[[], Any], subscribe: Callable[..., Any]) -> None:
    async with open_receiver() as receiver, Simulator(concurrency=1) as sim:
        query = "eventType=ServiceProblemStateChangeEvent&event.serviceProblem.status=resolved&fields=event"
        await subscribe(sim, receiver.url, query=query)
        problem = await sim.create()
        await sim.transition(problem["id"], "held")
        await sim.transition(problem["id"], "resolved")
        await sim.settle()
        assert [body["status"] for body in receiver.problems] == ["resolved"]


async def test_each_subscription_gets_every_event(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator() as sim:
        await subscribe(sim, receiver.url)
        await subscribe(sim, f"{receiver.url}/second")
        await sim.create()
        await sim.settle()
        assert sorted(receiver.paths) == ["/callback", "/callback/second"]
        assert receiver.events[0] == receiver.events[1]


async def test_a_refused_or_unreachable_receiver_is_a_failed_delivery(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator() as sim:
        receiver.status = 503
        await subscribe(sim, receiver.url)
        await subscribe(sim, "http://127.0.0.1:1/nobody")
        await sim.create()
        await sim.settle()
        assert (sim.sent.built, sim.sent.failed, sim.sent.delivered, len(receiver.events)) == (2, 2, 0, 1)


async def test_a_failed_delivery_is_tried_again_when_wanted(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(retries=1) as sim:
        receiver.status = 500
        await subscribe(sim, receiver.url)
        await sim.create()
        await sim.settle()
        assert receiver.events[0] == receiver.events[1]
        assert (sim.sent.retried, sim.sent.failed) == (1, 1)


async def test_required_information_is_asked_for(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(version="4") as sim:
        await subscribe(sim, receiver.url)
        problem = await sim.create()
        await sim.require_information(problem["id"], "affectedService")
        await sim.settle()
        asked = next(event for event in receiver.events if event["eventType"].endswith("InformationRequiredEvent"))
        assert asked["fieldPath"] == "serviceProblem.affectedService"


async def test_v5_tells_of_tasks(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any], call: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver, Simulator(version="5", concurrency=1) as sim:
        problem = await sim.create(status="inProgress")
        await subscribe(sim, receiver.url)
        task = {"@type": "ProblemAcknowledgement", "problem": [{"id": problem["id"]}]}
        await call("POST", f"{sim.url}/problemAcknowledgement", json=task)
        await sim.settle()
        assert receiver.types == [
            "ServiceProblemStateChangeEvent",
            "ProblemAcknowledgementCreateEvent",
            "ProblemAcknowledgementStateChangeEvent",
        ]
        assert receiver.events[2]["event"]["problemAcknowledgement"]["state"] == "done"


async def test_the_population_lives_and_tells(open_receiver: Callable[[], Any], subscribe: Callable[..., Any]) -> None:
    async with open_receiver() as receiver, Simulator(population=20, seed=1) as sim:
        await subscribe(sim, receiver.url)
        sim.rate = 400
        await sim.wait_until(lambda: sim.steps >= 200)
        sim.rate = 0
        await sim.settle()
        assert sim.sent.built == sim.sent.delivered == len(receiver.events) == sim.steps
        assert len({body["id"] for body in receiver.problems}) > 10
        assert {"resolved", "inProgress", "held"} <= {body["status"] for body in receiver.problems}


async def test_the_rate_is_what_was_asked_for() -> None:
    async with Simulator(population=20, rate=500) as sim:
        first = (sim.steps, sim.world.collection.now())
        await sim.wait_until(lambda: sim.steps >= 250)
        took_seconds = (sim.world.collection.now() - first[1]).total_seconds()
        assert (sim.steps - first[0]) / took_seconds < 1_000


async def test_the_same_seed_lives_the_same_life() -> None:
    async def live(seed: int) -> list[tuple[Any, ...]]:
        async with Simulator(seed=seed, population=30, rate=2_000) as sim:
            await sim.wait_until(lambda: sim.steps >= 300)
            return [
                tuple(map(problem.get, ("id", "description", "originatingSystem"))) for problem in sim.problems.values()
            ]

    one, same, other = await live(7), await live(7), await live(8)
    shorter = min(len(one), len(same))
    assert one[:shorter] == same[:shorter]
    assert one[:30] != other[:30]


async def test_the_oldest_problems_that_ended_are_pruned() -> None:
    async with Simulator(seed=1, population=60, rate=3_000, max_problems=70) as sim:
        await sim.wait_until(lambda: sim.steps >= 1_500)
        assert len(sim.problems) <= 75


@pytest.mark.parametrize("rate", [0, 100])
async def test_what_fails_beside_the_simulator_comes_out_as_it_is(rate: float) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Simulator(rate=rate):
            _ = 1 / 0


async def test_a_simulator_that_stops_drops_what_was_not_delivered(
    open_receiver: Callable[[], Any], subscribe: Callable[..., Any]
) -> None:
    async with open_receiver() as receiver:
        async with Simulator(faults=Faults(delay=1, delay_seconds=3_600)) as sim:
            await subscribe(sim, receiver.url)
            await sim.create()
        assert receiver.events == []
        assert not sim.subscriptions
