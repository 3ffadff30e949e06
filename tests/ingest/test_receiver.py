"""One posted body: stored before it is answered, or kept as a letter, and never without a way to come right."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import TransientError, UnreadableError
from bridge.ingest.group_commit import GroupCommit, result_of
from bridge.ingest.receiver import PostedBody, Receiver, TurnBatch, read
from bridge.ingest.writer import Writer
from bridge.journal import directory as journals
from bridge.simulator import Simulator
from bridge.simulator.tmf656.background import background
from bridge.storage import refetch
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

CHANGE = "ServiceProblemAttributeValueChangeEvent"
PROBLEM = {
    "id": "SP-1",
    "description": "no light",
    "category": "supplier.originated",
    "priority": 1,
    "reason": "cut",
    "status": "held",
    "lastUpdate": "2026-06-01T12:00:00Z",
}


def event(problem: Any, **more: Any) -> bytes:
    return orjson.dumps({"eventType": CHANGE, "eventId": "1", "event": {"serviceProblem": problem}} | more)


@pytest.fixture
async def receiving(rig_for: RigFor) -> AsyncIterator[tuple[Any, Receiver]]:
    """A source without a server, and its receiver with a writer that runs."""
    rig = await rig_for("http://127.0.0.1:9")
    writer = Writer(rig.database, rig.metrics)
    async with background() as tasks:
        tasks.start_soon(writer.run)
        yield rig, Receiver({"sim": rig.source}, writer, rig.metrics)


async def receive(pair: tuple[Any, Receiver], raw: bytes, hint: str | None = None) -> str:
    rig, receiver = pair
    return result_of(await receiver.submit(rig.source, raw, hint, datetime.now(UTC)))


async def test_what_is_answered_is_in_the_tables(receiving: Any) -> None:
    rig, _ = receiving
    assert await receive(receiving, event(PROBLEM, eventTime=datetime.now(UTC).isoformat())) == "applied"
    assert await rig.rows() == {"SP-1": PROBLEM}
    assert rig.counted("notifications_total", event_type=CHANGE, outcome="applied") == 1
    assert rig.counted("changes_total", via="push") == 1
    assert rig.counted("event_age_seconds_count") == 1
    assert rig.source.last_push_at is not None


async def test_the_same_body_again_is_a_duplicate(receiving: Any) -> None:
    rig, _ = receiving
    assert [await receive(receiving, event(PROBLEM)) for _ in range(3)] == ["applied", "duplicate", "duplicate"]
    assert rig.counted("notifications_total", event_type=CHANGE, outcome="duplicate") == 2


async def test_only_what_changes_something_ends_a_doubt(receiving: Any) -> None:
    rig, _ = receiving
    await receive(receiving, event(PROBLEM))
    rig.source.set_registered(datetime.now(UTC), registered=True)
    rig.source.missed(datetime.now(UTC))
    await receive(receiving, event(PROBLEM))
    assert rig.source.mode == "fallback"
    await receive(receiving, event(PROBLEM | {"lastUpdate": "2026-06-01T12:01:00Z", "status": "resolved"}))
    assert rig.source.mode == "push"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[]", b'"text"', b"null"], ids=repr)
async def test_what_is_no_json_object_is_kept_and_the_sender_told(receiving: Any, raw: bytes) -> None:
    rig, _ = receiving
    with pytest.raises(UnreadableError):
        await receive(receiving, raw, "problemEvent")
    assert await rig.value("select raw from bridge.dead_letter") == raw
    assert await rig.value("select event_hint from bridge.dead_letter") == "problemEvent"
    assert rig.counted("notifications_total", event_type="other", outcome="dead_letter") == 1
    assert await rig.value("select outcome from bridge.notification") == "dead_letter"


async def test_what_is_not_understood_is_kept_accepted_and_polled_for(receiving: Any) -> None:
    rig, _ = receiving
    raw = orjson.dumps({"eventType": "WeatherEvent", "event": {"rain": True}})
    assert await receive(receiving, raw) == "dead_letter"
    assert await rig.value("select raw from bridge.dead_letter") == raw
    assert await rig.source.poll_wake.wait(0) == "dead letter"


async def test_an_event_without_a_usable_id_is_logged_and_polled_for(receiving: Any) -> None:
    rig, _ = receiving
    assert await receive(receiving, event({"description": "which one?"})) == "unchanged"
    assert await rig.source.poll_wake.wait(0) == "no usable id"
    assert await receive(receiving, event({"description": "which one?"})) == "duplicate"
    assert await rig.source.poll_wake.wait(0) is None


async def test_a_problem_named_in_what_cannot_be_read_is_fetched_by_id(
    rig_for: RigFor, shown: Shown, eventually: Eventually
) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        (problem_id,) = sim.problems
        raw = b'{"eventType":"%s","event":{"serviceProblem":{"id":"%s","note":%s}}}'
        raw %= (CHANGE.encode(), problem_id.encode(), b"[" * 300 + b"]" * 300)
        called: list[int] = []
        writer = Writer(rig.database, rig.metrics, on_stored=lambda stored: called.extend(stored.refetch))
        async with background() as tasks:
            tasks.start_soon(writer.run)
            receiver = Receiver({"sim": rig.source}, writer, rig.metrics)
            outcomes = [await receiver.submit(rig.source, raw, None, datetime.now(UTC)) for _ in range(2)]
        assert outcomes == ["dead_letter"] * 2
        assert set(called) == {rig.source.source_id}
        async with rig.database.connection() as connection:
            (request,) = await refetch.due(
                connection, rig.source.source_id, datetime.now(UTC) + timedelta(seconds=1), 9
            )
        assert (request.problem_id, request.reason) == (problem_id, "dead_letter")
        await rig.refetcher.run_once()
        assert await rig.rows() == shown(sim)


async def test_a_pushed_row_postgres_refuses_is_fetched_by_id(receiving: Any) -> None:
    rig, _ = receiving
    await rig.refuse_poison()
    assert await receive(receiving, event(PROBLEM | {"description": "poison"})) == "dead_letter"
    assert await rig.value("select reason from bridge.refetch where problem_id = 'SP-1'") == "dead_letter"


async def test_nothing_is_said_to_be_kept_while_postgres_is_away(
    receiving: Any, no_connections: Callable[[], Awaitable[None]]
) -> None:
    rig, _ = receiving
    await no_connections()
    for raw in (event(PROBLEM), b"{"):
        with pytest.raises(TransientError):
            await receive(receiving, raw)
    assert rig.source.last_push_at is None


async def test_many_at_once_are_each_told_what_became_of_theirs(receiving: Any) -> None:
    rig, _ = receiving
    bodies = [event(PROBLEM | {"id": f"SP-{number}"}, eventId=str(number)) for number in range(9)]
    bodies += [b"{", bodies[0], event({"description": "which one?"})]
    shown: dict[int, str] = {}

    async def post(place: int) -> None:
        try:
            shown[place] = await receive(receiving, bodies[place])
        except UnreadableError as error:
            shown[place] = error.reason

    async with anyio.create_task_group() as posting:
        for place in range(len(bodies)):
            posting.start_soon(post, place)
    assert [shown[place] for place in range(12)] == ["applied"] * 9 + ["not_json", "duplicate", "unchanged"]
    assert rig.counted("notifications_total", event_type=CHANGE, outcome="applied") == 9
    assert rig.counted("notifications_total", event_type="other", outcome="dead_letter") == 1
    assert await rig.source.poll_wake.wait(0) == "no usable id"


async def test_a3_a_defect_in_reading_one_body_is_kept_as_a_dead_letter_and_its_neighbours_are_stored(
    receiving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, _ = receiving

    def with_defect(read: Callable[..., Any]) -> Callable[..., Any]:
        def defective(raw: bytes, **how: Any) -> Any:
            if b"SP-broken" in raw:
                raise OverflowError("date value out of range")
            return read(raw, **how)

        return defective

    for name in ("read_notification", "read_notifications"):
        monkeypatch.setattr(wire, name, with_defect(getattr(wire, name)))
    outcomes: list[str] = []

    async def post(problem_id: str) -> None:
        outcomes.append(await receive(receiving, event(PROBLEM | {"id": problem_id})))

    async with anyio.create_task_group() as posting:
        for problem_id in ("SP-1", "SP-broken", "SP-2"):
            posting.start_soon(post, problem_id)
    assert sorted(outcomes) == ["applied", "applied", "dead_letter"]
    assert await rig.value("select raw from bridge.dead_letter") == event(PROBLEM | {"id": "SP-broken"})
    assert await rig.value("select reason from bridge.dead_letter") == "defect"
    assert "OverflowError" in await rig.value("select detail from bridge.dead_letter")
    assert await rig.source.poll_wake.wait(0) == "dead letter"


async def test_who_goes_away_before_it_is_read_keeps_nobody_else_from_being_served(receiving: Any) -> None:
    rig, _ = receiving
    async with anyio.create_task_group() as posting:
        with anyio.CancelScope() as gone:

            async def leave() -> None:
                gone.cancel()

            posting.start_soon(leave)
            await receive(receiving, event(PROBLEM | {"id": "SP-gone"}, eventId="gone"))
        assert gone.cancelled_caught
        assert await receive(receiving, event(PROBLEM)) == "applied"
    assert await rig.rows() == {"SP-1": PROBLEM}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is let go of is gone at once, or held by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def posted_bodies() -> int:
    """How many posted bodies the process holds."""
    return sum(isinstance(each, PostedBody) for each in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("journal_bytes", [None, 0, 1_000_000], ids=["no journal", "full journal", "journal"])
async def test_h2_bodies_that_are_refused_or_journalled_are_let_go_of_at_once(
    rig_for: RigFor, no_connections: Callable[[], Awaitable[None]], tmp_path: Path, journal_bytes: int | None
) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    await no_connections()
    raws = [b"{", *(event(PROBLEM, eventId=str(number)) for number in range(5))]
    before = posted_bodies()
    with journals.opened(tmp_path, max_bytes=journal_bytes or 0) as journal:
        for limits in ({}, {"patience_seconds": 0.01}, {"max_waiting": 0}, {"max_waiting": 1}):
            for max_waiting in (9, 0):
                writer = Writer(rig.database, rig.metrics, **limits)
                kept = GroupCommit(journal.keep, lambda post: len(post.raw), max_waiting=max_waiting)
                receiver = Receiver({"sim": rig.source}, writer, rig.metrics, None if journal_bytes is None else kept)
                async with background() as tasks:
                    tasks.start_soon(kept.run)
                    if "patience_seconds" not in limits:  # else nothing is committed in time
                        tasks.start_soon(writer.run)
                    futures = [receiver.submit(rig.source, raw, None, datetime.now(UTC)) for raw in raws]
                    outcomes = await asyncio.gather(*futures)
                    journalled = [outcome == "journalled" for outcome in outcomes[1:]]
                    assert journalled == [bool(journal_bytes and max_waiting)] * 5
                    del futures, outcomes
                    assert posted_bodies() == before, (limits, max_waiting)


@pytest.mark.parametrize("raw", [b"{", b'{"event":{"rain":true}}', b'[{"rain":true},{}]'], ids=repr)
async def test_h2_the_error_of_a_body_that_was_not_understood_holds_no_frame(raw: bytes) -> None:
    errors = [each.error for each in read(1, raw, None, datetime.now(UTC))]
    assert errors
    for error in errors:
        assert error is not None
        assert (error.__traceback__, error.__context__ and error.__context__.__traceback__) == (None, None)


async def turns(number: int) -> None:
    """Let the loop turn so often."""
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


async def test_what_comes_in_one_turn_is_worked_on_in_the_next() -> None:
    seen: list[object] = []
    batch = TurnBatch[int](seen.append, seconds=inf)
    batch.add(1)
    asyncio.get_running_loop().call_soon(seen.append, "other")
    batch.add(2)
    assert seen == []
    await turns(2)
    assert seen == [1, 2, "other"]


async def test_what_takes_long_lets_others_in_between() -> None:
    seen: list[object] = []
    batch = TurnBatch[int](seen.append, seconds=0)
    for number in range(3):
        batch.add(number)
    asyncio.get_running_loop().call_soon(seen.append, "other")
    await turns(5)
    assert seen == [0, "other", 1, 2]


async def test_what_is_added_while_others_are_worked_on_comes_after_them() -> None:
    worked: list[int] = []

    def work(item: int) -> None:
        worked.append(item)
        if item == 2:
            batch.add(3)

    batch = TurnBatch[int](work)
    batch.add(1)
    batch.add(2)
    await turns(4)
    assert worked == [1, 2, 3]


@given(counts=st.lists(st.integers(0, 200), max_size=6), seconds=st.sampled_from([0.0, 1e-6, 1.0]))
@settings(deadline=None)
def test_everything_is_worked_on_once_and_in_order(counts: list[int], seconds: float) -> None:
    async def run() -> None:
        worked: list[int] = []
        batch = TurnBatch[int](worked.append, seconds=seconds)
        added = 0
        for count in counts:
            for _ in range(count):
                batch.add(added)
                added += 1
            await turns(1)
        await turns(added + 2)
        assert worked == list(range(added))

    anyio.run(run)


async def test_a_defect_in_the_work_on_one_keeps_nobody_behind_it() -> None:
    loop = asyncio.get_running_loop()
    reported: list[object] = []
    worked: list[int] = []

    def work(item: int) -> None:
        if item == 1:
            raise ZeroDivisionError
        worked.append(item)

    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: reported.append(type(context["exception"])))
    try:
        batch = TurnBatch[int](work)
        for item in (1, 2):
            batch.add(item)
        await turns(4)
        batch.add(3)
        await turns(4)
    finally:
        loop.set_exception_handler(handler)
    assert (worked, reported) == ([2, 3], [ZeroDivisionError])


async def test_c5_each_event_of_a_list_is_stored_and_a_bad_one_spoils_no_other(receiving: Any) -> None:
    rig, _ = receiving
    events = [orjson.loads(event(PROBLEM | {"id": name}, eventId=name)) for name in ("SP-1", "SP-2")]
    await receive(receiving, orjson.dumps([events[0], {"hello": "world"}, events[1]]))
    assert set(await rig.rows()) == {"SP-1", "SP-2"}
    assert orjson.loads(await rig.value("select raw from bridge.dead_letter")) == {"hello": "world"}
    assert rig.counted("notifications_total", event_type=CHANGE, outcome="applied") == 2
    assert rig.counted("notifications_total", event_type="other", outcome="dead_letter") == 1


async def test_c9_a_problem_with_thirteen_thousand_affected_services_is_stored(receiving: Any) -> None:
    rig, _ = receiving
    services = [{"id": str(n), "href": f"/service/{n}", "name": f"line {n}", "@type": "ref"} for n in range(13_000)]
    assert await receive(receiving, event(PROBLEM | {"affectedService": services})) == "applied"
    assert await rig.value("select affected_services from report.service_problem") == 13_000


async def test_c8_the_words_of_the_source_are_heeded_and_others_counted_with_an_example(rig_for: RigFor) -> None:
    rig = await rig_for("http://127.0.0.1:9", status_map={"Bei Kunde": "pending"}, priority_map={"eilig": 2})
    writer = Writer(rig.database, rig.metrics)
    async with background() as tasks:
        tasks.start_soon(writer.run)
        pair = (rig, Receiver({"sim": rig.source}, writer, rig.metrics))
        await receive(pair, event(PROBLEM | {"status": "bei kunde", "priority": "Eilig"}))
        await receive(pair, event(PROBLEM | {"id": "SP-2", "status": "zzz", "lastUpdate": "02/03/2026"}))
    assert await rig.value("select (status, priority) from report.service_problem where id = 'SP-1'") == ("pending", 2)
    await rig.reporter().run_once()
    assert rig.counted("unmapped_values_total", attribute="status") == 1
    assert rig.counted("unmapped_values_total", attribute="lastUpdate") == 1
    assert await rig.value("select example from bridge.unmapped_value where attribute = 'status'") == "zzz"
