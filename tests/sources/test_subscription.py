"""Registering at a hub and staying registered: never without a registration, never with two for long."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.domain.hub import HubConflictError
from bridge.errors import PermanentError, TransientError
from bridge.schedule import Backoff
from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656.background import background
from bridge.sources import subscription

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
RigFor = Callable[..., Awaitable[Any]]
BridgeOn = Callable[..., AbstractAsyncContextManager[Any]]

ACTIVE = "select hub_id from bridge.subscription where state = 'active'"
OPEN = "select count(*) from bridge.subscription where retired_at is null"


def hub_requests(sim: Simulator) -> list[str]:
    return [request.method for request in sim.requests if request.operation == "hub" and request.method != "GET"]


def stamp(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@pytest.mark.parametrize("version", ["2", "3", "4", "5"])
@pytest.mark.parametrize("answer", [200, 201, 204])
async def test_a_hub_may_answer_200_201_or_204(rig_for: RigFor, answer: int, version: str) -> None:
    async with Simulator(version=version, faults=Faults(hub_answer=answer)) as sim:
        rig = await rig_for(sim, hub_query="eventType=ServiceProblemCreateEvent")
        await rig.subscriber.run_once("start")
        (registered,) = sim.subscriptions.values()
        assert (registered.callback, registered.query) == (rig.source.callback, "eventType=ServiceProblemCreateEvent")
        assert await rig.value(ACTIVE) == registered.id
        assert rig.source.mode == "push"
        assert rig.counted("subscription_registered") == 1
        assert rig.counted("subscription_registrations_total", reason="start", outcome="ok") == 1


@pytest.mark.parametrize("absent", [404, 405, 501])
async def test_a_server_without_a_hub_is_a_polling_source(rig_for: RigFor, absent: int) -> None:
    async with Simulator(faults=Faults(hub_absent=absent)) as sim:
        rig = await rig_for(sim)
        await rig.subscriber.run_once("start")
        assert rig.source.mode == "poll"
        assert rig.counted("subscription_registered") == 0
        sim.faults.hub_absent = False
        await rig.subscriber.run_once("start")
        assert rig.source.mode == "push"


async def test_a_hub_with_one_place_gets_the_stored_registration_deleted_first(rig_for: RigFor) -> None:
    async with Simulator(faults=Faults(hub_conflict=True)) as sim:
        await (await rig_for(sim)).subscriber.run_once("start")
        rig = await rig_for(sim)
        await rig.subscriber.run_once("start")
        assert hub_requests(sim) == ["POST", "POST", "DELETE", "POST"]
        assert await rig.value(ACTIVE) in sim.subscriptions
        assert await rig.value(OPEN) == 1


async def test_a_hub_taken_by_somebody_else_is_left_to_him(rig_for: RigFor) -> None:
    async with Simulator(faults=Faults(hub_conflict=True, hub_readable=True)) as sim:
        sim.world.hub.register("http://127.0.0.1:9/somebody", None)
        rig = await rig_for(sim)
        with pytest.raises(HubConflictError):
            await rig.subscriber.run_once("start")
        assert len(sim.subscriptions) == 1
        assert rig.source.mode == "fallback"


async def test_a_hub_with_one_place_taken_by_a_registration_we_forgot_is_freed_where_it_lists(rig_for: RigFor) -> None:
    async with Simulator(faults=Faults(hub_conflict=True, hub_readable=True)) as sim:
        rig = await rig_for(sim)
        sim.world.hub.register(rig.source.callback, None)
        await rig.subscriber.run_once("start")
        assert list(sim.subscriptions) == [await rig.value(ACTIVE)]


async def test_a_place_that_was_given_up_in_vain_is_no_registration(rig_for: RigFor, hub: Any) -> None:
    rig = await rig_for(hub.url)
    await rig.subscriber.run_once("start")
    hub.on_post = lambda _: (409, {"code": "409"})
    with pytest.raises(HubConflictError):
        await rig.subscriber.run_once("silent")
    assert hub.deletes == ["1"]
    assert rig.source.mode == "fallback"
    assert rig.counted("subscription_registered") == 0


async def test_a_new_registration_is_made_before_the_old_one_is_deleted(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        for restart in range(1, 4):
            rig = await rig_for(sim)
            await rig.subscriber.run_once("start")
            assert list(sim.subscriptions) == [str(restart)] == [await rig.value(ACTIVE)]
            assert await rig.value(OPEN) == 1
        assert hub_requests(sim) == ["POST", "POST", "DELETE", "POST", "DELETE"]


async def test_a_registration_stands_where_the_server_says_so(rig_for: RigFor) -> None:
    async with Simulator(faults=Faults(hub_readable=True)) as sim:
        await (await rig_for(sim)).subscriber.run_once("start")
        again = await rig_for(sim)
        await again.subscriber.run_once("start")
        assert hub_requests(sim) == ["POST"]
        assert again.source.mode == "push"
        sim.forget_subscriptions()
        await (await rig_for(sim)).subscriber.run_once("start")
        assert list(sim.subscriptions) == ["2"]


async def test_another_ones_registration_under_our_old_id_is_not_ours(rig_for: RigFor) -> None:
    """A server that was restarted counts its ids from 1 again."""
    async with Simulator(faults=Faults(hub_readable=True)) as sim:
        await (await rig_for(sim)).subscriber.run_once("start")
        (ours,) = sim.subscriptions.values()
        ours.callback = "http://127.0.0.1:9/somebody"
        rig = await rig_for(sim)
        await rig.subscriber.run_once("start")
        assert sorted(sim.subscriptions) == ["1", "2"]
        assert await rig.value(ACTIVE) == "2"


@pytest.mark.parametrize("changed", [{"public_url": "http://127.0.0.1:8"}, {"hub_query": "eventType=x"}])
async def test_a_changed_callback_or_query_is_registered_anew(rig_for: RigFor, changed: dict[str, str]) -> None:
    async with Simulator(faults=Faults(hub_readable=True)) as sim:
        await (await rig_for(sim)).subscriber.run_once("start")
        rig = await rig_for(sim, **changed)
        await rig.subscriber.run_once("start")
        (registered,) = sim.subscriptions.values()
        assert (registered.callback, registered.query or "") == (rig.source.callback, rig.source.settings.hub_query)


async def test_orphans_are_deleted_where_the_server_lists_them(rig_for: RigFor) -> None:
    async with Simulator(faults=Faults(hub_readable=True)) as sim:
        rig = await rig_for(sim)
        for callback in (rig.source.callback, rig.source.callback, "http://127.0.0.1:9/somebody"):
            sim.world.hub.register(callback, None)
        await rig.subscriber.run_once("start")
        assert sorted(sim.subscriptions) == ["3", "4"]


async def test_an_orphan_that_comes_late_is_found_by_a_probe(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """A request that was given up reached the server after all, when another one had been answered."""
    monkeypatch.setattr(subscription, "_PROBE_SECONDS", 0.05)
    async with Simulator(faults=Faults(hub_readable=True)) as sim, background() as tasks:
        rig = await rig_for(sim)
        tasks.start_soon(rig.subscriber.run)
        await eventually(lambda: rig.source.registered)
        sim.world.hub.register(rig.source.callback, None)
        await eventually(lambda: sorted(sim.subscriptions) == ["1"])


async def test_a_registration_without_an_id_is_not_taken_for_an_orphan(rig_for: RigFor, hub: Any) -> None:
    rig = await rig_for(hub.url)
    hub.on_post = lambda _: (204, None)
    hub.listed = [{"id": "7", "callback": rig.source.callback}]
    await rig.subscriber.run_once("start")
    assert hub.deletes == []
    assert rig.source.mode == "push"


async def test_a_hub_that_gives_the_same_id_again_keeps_it(rig_for: RigFor, hub: Any) -> None:
    hub.on_post = lambda _: (200, {"id": "the-one"})
    for _ in range(3):
        rig = await rig_for(hub.url)
        await rig.subscriber.run_once("start")
    assert hub.deletes == []
    assert await rig.value(OPEN) == 1


async def test_an_old_registration_that_is_gone_already_is_no_trouble(rig_for: RigFor, hub: Any) -> None:
    hub.on_delete = lambda _: (404, {"code": "404"})
    for _ in range(2):
        rig = await rig_for(hub.url)
        await rig.subscriber.run_once("start")
    assert hub.deletes == ["1"]
    assert await rig.value(OPEN) == 1


async def test_a_hub_that_cannot_delete_now_is_asked_again_and_not_registered_at_again(
    rig_for: RigFor, hub: Any, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(subscription, "_PROBE_SECONDS", 0.05)
    hub.on_delete = lambda _: (500, None)
    await (await rig_for(hub.url)).subscriber.run_once("start")
    rig = await rig_for(hub.url)
    async with background() as tasks:
        tasks.start_soon(rig.subscriber.run)
        await eventually(lambda: len(hub.deletes) > 3)
        assert (len(hub.posts), set(hub.deletes), rig.source.mode.value) == (2, {"1"}, "push")
        hub.on_delete = lambda _: (204, None)

        async def cleared() -> bool:
            return bool(await rig.value(OPEN) == 1)

        await eventually(cleared)
    assert len(hub.posts) == 2


async def test_a_hub_that_never_deletes_is_not_registered_at_for_ever(rig_for: RigFor, hub: Any) -> None:
    hub.on_delete = lambda _: (405, None)
    for _ in range(3):
        rig = await rig_for(hub.url)
        await rig.subscriber.run_once("start")
        assert rig.source.mode == "push"
    assert len(hub.posts) == 3
    assert await rig.value(OPEN) == 1
    await rig.subscriber.withdraw()
    assert await rig.value(OPEN) == 0


@pytest.mark.parametrize("status", [500, 422, 401])
async def test_a_server_that_stumbles_over_being_asked_is_registered_at(
    rig_for: RigFor, hub: Any, status: int, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Reading a hub is outside the standard: whatever such a request is answered with, it says nothing."""
    monkeypatch.setattr(subscription, "_PROBE_SECONDS", 0.02)
    hub.listing_status = status
    await (await rig_for(hub.url)).subscriber.run_once("start")
    rig = await rig_for(hub.url)
    async with background() as tasks:
        tasks.start_soon(rig.subscriber.run)
        await eventually(lambda: rig.source.registered)
        asked = rig.counted("upstream_requests_total", operation="find_subscriptions", outcome="ok")
        await eventually(
            lambda: (
                sum(
                    rig.counted("upstream_requests_total", operation="find_subscriptions", outcome=outcome)
                    for outcome in ("client_error", "server_error", "unauthorised")
                )
                > asked + 4
            )
        )
        assert len(hub.posts) == 2


async def test_a_registration_the_server_lost_is_made_again(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(subscription, "_PROBE_SECONDS", 0.05)
    async with Simulator(faults=Faults(hub_readable=True)) as sim:
        rig = await rig_for(sim)
        modes: list[str] = []
        rig.source.on_mode = lambda source: modes.append(source.mode.value)
        async with background() as tasks:
            tasks.start_soon(rig.subscriber.run)
            await eventually(lambda: rig.source.registered)
            sim.forget_subscriptions()
            await eventually(lambda: list(sim.subscriptions) == ["2"] and rig.source.mode == "push")
        assert rig.counted("subscription_registrations_total", reason="lost", outcome="ok") == 1
        assert modes == ["push", "fallback", "push"]


async def test_a_failed_registration_is_tried_again_and_meanwhile_polled_around(
    rig_for: RigFor, eventually: Eventually
) -> None:
    async with Simulator(faults=Faults(operations={"hub"}, fail_next=1)) as sim:
        rig = await rig_for(sim)
        modes: list[str] = []
        rig.source.on_mode = lambda source: modes.append(source.mode.value)
        async with background() as tasks:
            tasks.start_soon(rig.subscriber.run)
            await eventually(lambda: rig.source.mode == "push")
        assert modes == ["fallback", "push"]
        assert rig.counted("subscription_registrations_total", reason="start", outcome="failed") == 1


async def test_f4_the_mode_is_not_fallback_before_the_first_registration_was_tried(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        assert rig.source.mode == "poll"
        await rig.subscriber.run_once("start")
        assert rig.source.mode == "push"
        await rig.reporter().run_once()
        again = await rig_for(sim)
        assert again.source.mode == "push", "as the process before wrote"
        sim.faults.down = True
        with pytest.raises(TransientError):
            await again.subscriber.run_once("start")
        assert again.source.mode == "fallback"


@pytest.mark.parametrize("before", ["push", "fallback", "poll"])
async def test_f4_a_process_that_no_longer_leads_keeps_the_mode_until_it_reads_another(
    rig_for: RigFor, before: str
) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim, push=before != "poll")
        now = datetime.now(UTC)
        rig.source.set_registered(now, registered=before == "push")
        assert rig.source.mode == before
        modes: list[str] = []
        rig.source.on_mode = lambda source: modes.append(source.mode.value)
        rig.source.follow()
        assert (rig.source.mode, modes) == (before, [])


async def _withdrawn(rig: Any, eventually: Eventually) -> None:
    """Run the subscription of a source that wants no push until no registration is known."""

    async def none_left() -> bool:
        return bool(await rig.value(OPEN) == 0)

    async with background() as tasks:
        tasks.start_soon(rig.subscriber.run)
        await eventually(none_left)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("setting", [{"push": False}, {"enabled": False}])
async def test_a_source_without_push_is_deregistered(
    rig_for: RigFor, setting: dict[str, bool], eventually: Eventually
) -> None:
    async with Simulator() as sim:
        await (await rig_for(sim)).subscriber.run_once("start")
        rig = await rig_for(sim, **setting)
        await _withdrawn(rig, eventually)
        assert sim.subscriptions == {}
        assert rig.source.mode == ("poll" if "push" in setting else "disabled")


async def test_deregistering_waits_for_a_hub_that_is_away(rig_for: RigFor, eventually: Eventually) -> None:
    async with Simulator() as sim:
        await (await rig_for(sim)).subscriber.run_once("start")
        sim.faults.fail_next = 1
        await _withdrawn(await rig_for(sim, push=False), eventually)
        assert sim.subscriptions == {}


async def test_a_registration_at_a_server_we_left_is_not_deleted_at_the_new_one(
    rig_for: RigFor, hub: Any, eventually: Eventually
) -> None:
    async with Simulator() as sim:
        await (await rig_for(sim)).subscriber.run_once("start")
    rig = await rig_for(hub.url, push=False)
    await _withdrawn(rig, eventually)
    assert hub.deletes == []


async def test_a_source_that_is_down_is_a_transient_error(rig_for: RigFor) -> None:
    async with Simulator(faults=Faults(down=True)) as sim:
        rig = await rig_for(sim)
        with pytest.raises(TransientError):
            await rig.subscriber.run_once("start")
        assert rig.source.mode == "fallback"


async def test_silence_is_polled_around_and_registered_against_until_a_notification_comes(
    bridge_on: BridgeOn, eventually: Eventually
) -> None:
    async with Simulator(population=5, seed=1) as sim, bridge_on(sim) as running:
        source = running.sources["sim"]
        await eventually(lambda: source.mode == "push" and source.first_pass.is_set())
        source.registered_at = source.expected_since = datetime.now(UTC) - timedelta(minutes=5)
        sim.forget_subscriptions()
        await sim.patch(next(iter(sim.problems)), description="not pushed", lastUpdate=stamp(-60))
        source.poll_wake.call("test")
        await eventually(lambda: source.mode == "fallback")
        await eventually(lambda: list(sim.subscriptions) == ["2"])
        assert source.mode == "fallback"
        await sim.create()
        await eventually(lambda: source.mode == "push")


def is_recent(at: datetime | None) -> bool:
    return at is not None and datetime.now(UTC) - at < timedelta(minutes=4)


async def test_silence_that_goes_on_is_registered_against_again(rig_for: RigFor, eventually: Eventually) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        rig.subscriber.renewal = Backoff(0.01, 0.02)
        await rig.poller.run_once()
        async with background() as tasks:
            tasks.start_soon(rig.subscriber.run)
            for number in range(1, 5):
                await eventually(lambda number=number: list(sim.subscriptions) == [str(number)])
                await eventually(lambda: is_recent(rig.source.registered_at))
                rig.source.registered_at = rig.source.expected_since = datetime.now(UTC) - timedelta(minutes=5)
                sim.forget_subscriptions()
                await sim.patch(next(iter(sim.problems)), description=f"{number}", lastUpdate=stamp(number - 60))
                await rig.poller.run_once()
                assert rig.source.mode == "fallback"


async def test_what_changed_before_a_renewal_is_not_held_against_it(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await rig.subscriber.run_once("start")
        rig.source.registered_at = rig.source.expected_since = datetime.now(UTC) - timedelta(minutes=5)
        rig.source.missed(datetime.now(UTC))
        await sim.patch(next(iter(sim.problems)), description="lost", lastUpdate=stamp(-60))
        await rig.subscriber.run_once("silent")
        rig.source.change_pushed(datetime.now(UTC))
        assert (await rig.poller.run_once()).missed == 1
        assert rig.source.mode == "push"


async def test_a_stop_keeps_the_registration_unless_told_otherwise(bridge_on: BridgeOn, eventually: Eventually) -> None:
    async with Simulator() as sim:
        async with bridge_on(sim) as running:
            await eventually(lambda: running.sources["sim"].registered)
        assert len(sim.subscriptions) == 1
        async with bridge_on(sim, unsubscribe=True) as running:
            await eventually(lambda: running.sources["sim"].registered)
        await eventually(lambda: sim.subscriptions == {})


async def aged(rig: Any, hours: int) -> None:
    """Make the registration in use so old."""
    statement = (
        "update bridge.subscription set registered_at = now() - make_interval(hours => $1) where state = 'active'"
    )
    async with rig.database.connection() as connection:
        await connection.execute(statement, hours)


async def test_an_old_registration_is_made_anew_before_it_is_deleted(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Also where the server says that it stands: what it says is not what it sends."""
    monkeypatch.setattr(subscription, "_RENEWAL_LAST_SECONDS", 0.05)
    async with Simulator(faults=Faults(hub_readable=True)) as sim:
        rig = await rig_for(sim)
        modes: list[str] = []
        rig.source.on_mode = lambda source: modes.append(source.mode.value)
        await rig.subscriber.run_once("start")
        await aged(rig, 23)
        assert await rig.subscriber._renew_in_seconds() == pytest.approx(3600, abs=8640)
        await aged(rig, 30)
        async with background() as tasks:
            tasks.start_soon(rig.subscriber.run)
            await eventually(lambda: list(sim.subscriptions) == ["2"])
            await eventually(lambda: hub_requests(sim) == ["POST", "POST", "DELETE"])

            async def forgotten() -> bool:
                return bool(await rig.value(OPEN) == 1)

            await eventually(forgotten)
        assert modes == ["push"]
        assert rig.counted("subscription_registrations_total", reason="renewal", outcome="ok") == 1


async def test_a_hub_with_one_place_that_is_taken_by_us_needs_no_renewal(rig_for: RigFor) -> None:
    async with Simulator(faults=Faults(hub_conflict=True)) as sim:
        rig = await rig_for(sim)
        await rig.subscriber.run_once("start")
        await rig.subscriber.run_once("renewal")
        assert list(sim.subscriptions) == ["1"]
        assert rig.source.mode == "push"
        rig.source.missed(datetime.now(UTC))
        await rig.subscriber.run_once("renewal")
        assert list(sim.subscriptions) == ["2"]  # it does not send: better none for a moment than that one


async def test_a_renewal_that_fails_leaves_the_old_registration_in_use(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        await rig.subscriber.run_once("start")
        sim.faults.fail_next = 1
        with pytest.raises(TransientError):
            await rig.subscriber.run_once("renewal")
        assert list(sim.subscriptions) == [await rig.value(ACTIVE)]
        assert rig.source.mode == "push"


def listed_as(callback: str, spelling: str) -> str:
    """Our callback as some server lists it."""
    before, _, _ = callback.rpartition("/")
    return {
        "slash": f"{callback}/",
        "masked": f"{before}/********",
        "encoded": callback.replace("listener", "%6Cistener"),
        "upper": callback.replace("http://", "HTTP://"),
    }[spelling]


@pytest.mark.parametrize("spelling", ["slash", "masked", "encoded", "upper"])
async def test_b5_our_callback_in_another_spelling_is_ours_and_one_registration_stays(
    rig_for: RigFor, hub: Any, spelling: str
) -> None:
    def post(number: int) -> tuple[int, Any]:
        hub.listed.append({"id": str(number), "callback": listed_as(hub.posts[-1]["callback"], spelling)})
        return 201, {"id": str(number)}

    def delete(hub_id: str) -> tuple[int, Any]:
        hub.listed[:] = [one for one in hub.listed if one["id"] != hub_id]
        return 204, None

    hub.listed, hub.on_post, hub.on_delete = [], post, delete
    for _ in range(3):
        await (await rig_for(hub.url)).subscriber.run_once("start")
        assert [one["id"] for one in hub.listed] == ["1"], "it stands"
    rig = await rig_for(hub.url)
    await rig.subscriber.run_once("renewal")
    assert [one["id"] for one in hub.listed] == ["2"] == [await rig.value(ACTIVE)]
    hub.listed.insert(0, {"id": "9", "callback": listed_as(rig.source.callback, spelling)})
    await rig.subscriber.run_once("start")
    assert [one["id"] for one in hub.listed] == ["2"], "the one left behind is deleted"


async def test_b5_an_id_that_only_the_list_tells_is_used(rig_for: RigFor, hub: Any) -> None:
    def post(number: int) -> tuple[int, Any]:
        hub.listed.append({"id": f"hub-{number}", "callback": hub.posts[-1]["callback"]})
        return 201, None

    def delete(hub_id: str) -> tuple[int, Any]:
        hub.listed[:] = [one for one in hub.listed if one["id"] != hub_id]
        return 204, None

    hub.listed, hub.on_post, hub.on_delete = [], post, delete
    rig = await rig_for(hub.url)
    await rig.subscriber.run_once("start")
    assert await rig.value(ACTIVE) == "hub-1"
    await rig.subscriber.run_once("renewal")
    assert await rig.value(ACTIVE) == "hub-2"
    assert [one["id"] for one in hub.listed] == ["hub-2"]
    await rig.subscriber.withdraw()
    assert hub.listed == []


async def test_b5_an_id_in_a_wrapped_answer_is_found(rig_for: RigFor, hub: Any) -> None:
    hub.on_post = lambda number: (201, {"jsonrpc": "2.0", "id": None, "result": {"id": str(number)}})
    rig = await rig_for(hub.url)
    await rig.subscriber.run_once("start")
    assert await rig.value(ACTIVE) == "1"
    await rig.subscriber.run_once("renewal")
    assert hub.deletes == ["1"]


@pytest.mark.parametrize("reason", ["start", "renewal", "lost"])
async def test_b6_a_hub_that_told_no_id_and_answers_409_later_has_our_registration(
    rig_for: RigFor, hub: Any, reason: str
) -> None:
    hub.on_post = lambda number: (201, None) if number == 1 else (409, {"code": "409"})
    await (await rig_for(hub.url)).subscriber.run_once("start")
    rig = await rig_for(hub.url)
    await rig.subscriber.run_once(reason)
    assert rig.source.mode == "push"
    assert hub.deletes == []
    assert rig.counted("subscription_registered") == 1


async def test_b6_pushes_that_arrive_prove_a_registration_that_we_know_nothing_of(rig_for: RigFor, hub: Any) -> None:
    hub.on_post = lambda _: (409, {"code": "409"})
    rig = await rig_for(hub.url)
    for _ in range(2):
        with pytest.raises(HubConflictError):
            await rig.subscriber.run_once("start")
        assert rig.source.mode == "fallback"
    rig.source.notification_stored(datetime.now(UTC))
    await rig.subscriber.run_once("start")
    assert rig.source.mode == "push"
    again = await rig_for(hub.url)
    await again.subscriber.run_once("start")
    assert again.source.mode == "push", "known from now on"


async def test_b6_a_notification_from_before_the_conflict_proves_nothing(rig_for: RigFor, hub: Any) -> None:
    hub.on_post = lambda _: (409, {"code": "409"})
    rig = await rig_for(hub.url)
    rig.source.notification_stored(datetime.now(UTC) - timedelta(seconds=60))
    for _ in range(2):
        with pytest.raises(HubConflictError):
            await rig.subscriber.run_once("start")
    assert rig.source.mode == "fallback"


@pytest.mark.parametrize(
    ("status", "keys"), [(400, ["version", "public_url"]), (422, ["version", "public_url"]), (500, [])]
)
async def test_f5_a_hub_that_refuses_is_shown_with_its_host_and_the_likely_keys_first(
    rig_for: RigFor, hub: Any, status: int, keys: list[str]
) -> None:
    hub.on_post = lambda _: (status, {"message": f"cannot reach {hub.posts[-1]['callback']}"})
    rig = await rig_for(hub.url, public_url="http://bridge.example:8656")
    with pytest.raises((TransientError, PermanentError)) as refused:
        await rig.subscriber.run_once("start")
    text = str(refused.value)
    secret = rig.source.callback.rpartition("/")[2]
    assert secret not in text
    assert "http://bridge.example:8656/listener/sim/" in text
    places = [text.index(key) for key in keys]
    assert places == sorted(places)
    if "push = false" in text:
        assert max(places, default=0) < text.index("push = false")
