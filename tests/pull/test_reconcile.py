"""Reconciling: what push and poll missed is found, and nothing is taken for deleted that may still be there."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.errors import TransientError
from bridge.http.row import rows_of
from bridge.pull import page_import
from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656 import selection
from bridge.simulator.tmf656.background import background
from bridge.storage import list_digest, missing_problem, watermark
from bridge.storage.queries import queries
from bridge.storage.watermark import Watermark
from bridge.tmf656 import reader, wire

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

MISSED = "select count(*) from bridge.service_problem where missed_at is not null"
VERSIONS = "select count(*) from bridge.service_problem_version where problem_id = $1"
TOMBSTONES = "select count(*) from bridge.service_problem where deleted_at is not null"
DRIFT = ("missing", "stale", "deleted", "regression")


def drift(rig: Any) -> dict[str, float]:
    counted = {kind: rig.counted("drift_total", kind=kind) for kind in DRIFT}
    return {kind: number for kind, number in counted.items() if number}


async def mark_of(rig: Any, kind: str) -> Watermark | None:
    async with rig.database.connection() as connection:
        return await watermark.find(connection, rig.source.source_id, kind)


def _refused(*_: object) -> str:
    raise selection.UnsupportedSelectionError("there is only a list")


def long_ago(minutes: float = 60) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="milliseconds")


async def test_the_first_pass_counts_as_reconciled_and_not_as_drift(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)
        assert drift(rig) == {}
        assert (await mark_of(rig, "reconcile")).problems == 30


async def test_what_push_and_poll_missed_is_found_and_counted_as_drift(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, poll_overlap_seconds=0)
        old = next(iter(sim.problems))
        await sim.patch(old, lastUpdate=long_ago(120))
        await sim.create()
        await rig.poller.run_once()
        # stamped before the watermark: no poll asks for these
        await sim.patch(old, description="changed behind our back", lastUpdate=long_ago())
        await sim.create(id="hidden", lastUpdate=long_ago())
        await rig.poller.run_once()
        assert await rig.rows() != shown(sim)

        await rig.reconciler.run_once()

        assert await rig.rows() == shown(sim)
        assert drift(rig) == {"missing": 1, "stale": 1}
        await rig.reconciler.run_once()
        assert drift(rig) == {"missing": 1, "stale": 1}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the rows that were read; what is known word for word is not."""
    ids: list[str] = []
    real = wire.read_problem

    def reading(item: Any, **how: Any) -> Any:
        ids.append(item["id"])
        return real(item, **how)

    monkeypatch.setattr(reader, "read_problem", reading)
    return ids


async def test_what_is_known_word_for_word_is_not_read_again(rig_for: RigFor, shown: Shown, read: list[str]) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(
            sim
        )  # one page: where two overlap, a row may be looked up before it was stored from the other
        await rig.poller.run_once()
        mark = await mark_of(rig, "poll")
        first, second, *_ = sim.problems
        read.clear()

        tally = await rig.reconciler.run_once()
        assert (tally.changed, tally.newest_stamp) == (0, mark.changed_at)
        assert tally.problems == tally.outcomes["unchanged"] >= 30
        assert (read, tally.completeness.complete) == ([], True)

        await sim.patch(first, description="changed behind our back", lastUpdate=long_ago())
        await sim.delete(second)
        for passed in ([first], [first]):  # the second time by id, to see that 404 can be believed
            tally = await rig.reconciler.run_once()
            assert read == passed
            read.clear()
        assert tally.completeness.complete
        assert await rig.rows() == shown(sim)
        assert await rig.value(TOMBSTONES) == 1


async def test_what_was_pushed_is_read_once(rig_for: RigFor, shown: Shown, read: list[str]) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        problem_id = next(iter(sim.problems))
        body = await sim.patch(problem_id, description="pushed")
        await rig.notify(eventType="ServiceProblemAttributeValueChangeNotification", event={"serviceProblem": body})
        read.clear()
        for passed in ([problem_id], []):
            await rig.reconciler.run_once()
            assert read == passed
            read.clear()
        assert await rig.rows() == shown(sim)


@pytest.mark.parametrize("version", ["3", "4", "5"])
async def test_a_problem_is_deleted_after_two_complete_passes_without_it(
    rig_for: RigFor, shown: Shown, version: str
) -> None:
    async with Simulator(version=version, population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=10)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:3]:
            await sim.delete(problem_id)
        await rig.reconciler.run_once()
        assert await rig.value(TOMBSTONES) == 0
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
        assert drift(rig) == {"deleted": 3}
        assert await rig.value("select count(*) from bridge.service_problem_version where kind = 'tombstone'") == 3
        await rig.reconciler.run_once()
        assert drift(rig) == {"deleted": 3}


async def test_a_server_whose_list_forgets_half_deletes_nothing(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=120, seed=1) as sim:
        rig = await rig_for(sim, page_size=50)
        await rig.poller.run_once()
        sim.faults.collection_missing = lambda problem_id: int(problem_id[2:]) % 2 == 0
        for _ in range(4):
            assert (await rig.reconciler.run_once()).completeness.complete
        assert await rig.value(TOMBSTONES) == 0
        sim.faults.collection_missing = frozenset()
        await rig.reconciler.run_once()
        assert await rig.value("select count(*) from bridge.service_problem where missed_at is not null") == 0
        assert await rig.rows() == shown(sim)


async def test_what_the_list_hides_is_brought_up_to_date_by_id(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=10, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        hidden = list(sim.problems)[4]
        sim.faults.collection_missing = {hidden}
        await sim.patch(hidden, description="hidden and changed")
        for _ in range(2):
            await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


@pytest.mark.parametrize(
    "trouble",
    [
        {"fail_next": 9},
        {"cut_next": 9},
        {"rate_limited": 1, "retry_after_seconds": 60},
        {"down": True},
        {"unauthorised": True},
    ],
)
async def test_a_pass_that_breaks_off_deletes_nothing_and_does_not_count(
    rig_for: RigFor, shown: Shown, trouble: dict[str, Any]
) -> None:
    async with Simulator(population=153, seed=1) as sim:
        rig = await rig_for(sim, page_size=10)
        await rig.poller.run_once()
        before = await mark_of(rig, "reconcile")
        well = {name: getattr(sim.faults, name) for name in trouble}

        def trouble_comes(_: Any, page: Any) -> None:
            if page.number == 2:
                for name, value in trouble.items():
                    setattr(sim.faults, name, value)

        rig.reconciler.on_page = trouble_comes
        for _ in range(3):
            with pytest.raises(TransientError):
                await rig.reconciler.run_once()
            for name, value in well.items():
                setattr(sim.faults, name, value)
        assert await mark_of(rig, "reconcile") == before
        assert await rig.value(TOMBSTONES) == 0
        assert await rig.value("select count(*) from bridge.service_problem where missed_at is not null") == 0
        rig.reconciler.on_page = None
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


async def test_a_pass_that_cannot_be_shown_to_be_complete_deletes_nothing(rig_for: RigFor) -> None:
    async with Simulator(population=53, seed=1) as sim:
        rig = await rig_for(sim, page_size=10)
        await rig.poller.run_once()
        sim.faults.page_cap, sim.faults.no_total = 1, True  # pages of one row cannot overlap, and nothing counts them
        for problem_id in list(sim.problems)[:5]:
            await sim.delete(problem_id)
        for _ in range(3):
            assert not (await rig.reconciler.run_once()).completeness.complete
        assert await rig.value(TOMBSTONES) == 0
        assert rig.counted("polls_total", kind="reconcile", outcome="incomplete") == 3


async def test_a_server_that_cannot_be_asked_by_id_now_deletes_nothing_until_it_can(
    rig_for: RigFor, shown: Shown
) -> None:
    async with Simulator(population=10, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await sim.delete(next(iter(sim.problems)))
        await rig.reconciler.run_once()
        sim.faults.operations, sim.faults.error_rate = {"get"}, 1.0
        await rig.reconciler.run_once()
        assert await rig.value(TOMBSTONES) == 0
        sim.faults.error_rate = 0.0
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


async def test_what_is_missing_is_looked_for_in_portions_and_not_after_a_pass_that_broke_off(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {name: text.replace("limit 10000", "limit 12") for name, text in queries("service_problem").items()}
    monkeypatch.setattr(
        missing_problem, "queries", lambda table: asked if table == "service_problem" else queries(table)
    )
    async with Simulator(population=53, seed=1) as sim:
        rig = await rig_for(sim, page_size=10)
        await rig.reconciler.run_once()

        def trouble_comes(_: Any, page: Any) -> None:
            sim.faults.down = sim.faults.down or page.number == 2

        rig.reconciler.on_page = trouble_comes
        with pytest.raises(TransientError):
            await rig.reconciler.run_once()
        rig.reconciler.on_page, sim.faults.down = None, False
        assert await rig.value(MISSED) == 0
        for problem_id in list(sim.problems)[::2]:
            await sim.delete(problem_id)
        for missed, gone in ((27, 0), (0, 27)):
            assert (await rig.reconciler.run_once()).completeness.complete
            assert (await rig.value(MISSED), await rig.value(TOMBSTONES)) == (missed, gone)


async def test_two_passes_at_once_are_not_two_in_a_row(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync --full` beside a running bridge."""
    async with Simulator(population=53, seed=1) as sim:
        rig, other = await rig_for(sim, page_size=10), await rig_for(sim, page_size=10)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:3]:
            await sim.delete(problem_id)
        current = list_digest.current_digests
        others: list[Any] = []

        async def meanwhile(*arguments: Any) -> Any:
            monkeypatch.undo()
            others.append(await other.reconciler.run_once())
            return await current(*arguments)

        monkeypatch.setattr(list_digest, "current_digests", meanwhile)
        assert (await rig.reconciler.run_once()).completeness.complete
        assert others[0].completeness.complete
        assert (await rig.value(MISSED), await rig.value(TOMBSTONES)) == (3, 0)
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
        assert await rig.value(TOMBSTONES) == 3


@pytest.mark.parametrize("first", ["the notification", "what is known is read"])
async def test_a_row_that_a_notification_overtakes_while_it_is_compared(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The page was asked for before the problem changed: what it says loses, whatever is read of the tables when."""
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        problem_id = list(sim.problems)[2]
        current = list_digest.current_digests

        async def push_during_pass() -> None:
            body = await sim.patch(problem_id, description="meanwhile")
            await rig.notify(eventType="ServiceProblemAttributeValueChangeEvent", event={"serviceProblem": body})

        async def overtaken(*arguments: Any) -> Any:
            if first == "the notification":
                await push_during_pass()
                return await current(*arguments)
            found = await current(*arguments)
            await push_during_pass()
            return found

        with monkeypatch.context() as patched:
            patched.setattr(list_digest, "current_digests", overtaken)
            tally = await rig.reconciler.run_once()
        assert tally.completeness.complete
        assert (tally.changed, drift(rig)) == (0, {})
        assert await rig.rows() == shown(sim)
        assert await rig.value(VERSIONS, problem_id) == 2
        assert await rig.value(MISSED) == 0
        assert await rig.value("select count(*) from bridge.service_problem where doubt_hash is not null") == 0
        for read in (1, 0):
            assert (await rig.reconciler.run_once()).changed == 0
            assert await rig.rows() == shown(sim), read


@pytest.mark.parametrize(
    ("turns", "rows_read"),
    [("000000", [0, 0, 0, 0, 0]), ("012301", [40, 40, 40, 0, 0]), ("011223", [40, 0, 40, 0, 40])],
    ids=["never", "each time", "now and then"],
)
async def test_rows_that_come_in_another_order_each_time_are_known_all_the_same_after_a_while(
    rig_for: RigFor, read: list[str], turns: str, rows_read: list[int]
) -> None:
    """`turns`: by how many attributes the rows are turned at the first pass, the second, …"""
    asked = map(int, turns)
    rows = [{"id": f"P{n}", "name": "a", "status": "held", "lastUpdate": long_ago(n)} for n in range(40)]

    async def handle(request: web.Request) -> web.Response:
        start, limit = int(request.query["offset"]), int(request.query["limit"])
        turn = 0 if start else next(asked)
        here = [list(row.items()) for row in rows[start : start + limit]]
        turned = [dict(row[turn:] + row[:turn]) for row in here]
        return web.json_response(turned, headers={"X-Total-Count": str(len(rows))})

    app = web.Application()
    app.router.add_get("/serviceProblem", handle)
    async with TestServer(app) as server:
        rig = await rig_for(str(server.make_url("/")))
        await rig.poller.run_once()
        counts: list[int] = []
        for _ in range(5):
            read.clear()
            tally = await rig.reconciler.run_once()
            assert (tally.changed, tally.completeness.complete) == (0, True)
            assert tally.skipped + len(read) == tally.problems
            counts.append(len(read))
    assert counts == rows_read


async def test_the_version_is_told_by_rows_that_are_passed_over_too(rig_for: RigFor, read: list[str]) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        known, rig.source.version = rig.source.version, None
        read.clear()
        await rig.reconciler.run_once()
        assert (rig.source.version, read) == (known, [])
        assert known is not None


async def test_what_a_list_does_not_say_moves_no_mark(rig_for: RigFor) -> None:
    """A row that is older than what is current is doubted; the newest time is that of the list."""
    async with Simulator(population=10, seed=1) as sim:
        backup = sim.snapshot()
        rig = await rig_for(sim)
        await sim.transition(next(iter(sim.problems)), "held")
        newest = (await rig.poller.run_once()).newest_stamp
        sim.restore(backup)
        tally = await rig.reconciler.run_once()
        assert tally.newest_stamp == max(map(wire.stamp, rows_of(sim.shown().values()))) < newest


async def test_what_is_left_of_a_page_is_stored_in_small_batches(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_import, "ROWS", 4)
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:10]:
            await sim.patch(problem_id, description="changed behind our back", lastUpdate=long_ago())
        batches: list[int] = []
        rig.reconciler.on_stored = lambda stored: batches.append(len(stored.outcomes))
        assert (await rig.reconciler.run_once()).changed == 10
        assert batches == [4, 4, 2]
        assert await rig.rows() == shown(sim)


async def test_an_unreadable_row_does_not_keep_deletions_from_being_found(rig_for: RigFor) -> None:
    """A row without a usable id belongs to no problem of ours, so it hides none."""
    async with Simulator(population=10, seed=1) as sim:
        await sim.create(id="long" * 200)
        rig = await rig_for(sim)
        await rig.poller.run_once()
        gone = next(iter(sim.problems))
        await sim.delete(gone)
        await rig.reconciler.run_once()
        await rig.reconciler.run_once()
        assert gone not in await rig.rows()
        assert await rig.value(TOMBSTONES) == 1


async def test_rows_that_lost_their_ids_delete_nothing_where_only_lists_can_be_asked(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(population=10, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        monkeypatch.setattr(sim.world.collection, "body", lambda _: b'{"name":"no id"}')
        monkeypatch.setattr("bridge.simulator.tmf656.server.SimulatorServer._problem_id", _refused)
        for _ in range(4):
            await rig.reconciler.run_once()
        assert await rig.value(TOMBSTONES) == 0


@pytest.mark.parametrize("offset", [0, 3600, -3600])
async def test_a_problem_that_comes_back_lives_again(rig_for: RigFor, shown: Shown, offset: float) -> None:
    async with Simulator(population=10, seed=1, faults=Faults(clock_offset_seconds=offset)) as sim:
        backup = sim.snapshot()
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for problem_id in list(sim.problems)[:2]:
            await sim.delete(problem_id)
        for _ in range(2):
            await rig.reconciler.run_once()
        assert await rig.value(TOMBSTONES) == 2
        sim.restore(backup)
        for _ in range(2):
            await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
        assert await rig.value(TOMBSTONES) == 0


async def test_a_restored_backup_is_believed_when_seen_twice(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=10, seed=1) as sim:
        backup = sim.snapshot()
        rig = await rig_for(sim)
        for problem_id in list(sim.problems)[:4]:
            await sim.transition(problem_id, "held", statusChangeReason="after the backup")
        await rig.poller.run_once()
        newest = await rig.rows()
        sim.restore(backup)
        await rig.reconciler.run_once()
        assert await rig.rows() == newest
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
        assert drift(rig)["regression"] == 4


async def test_a_notification_of_a_missed_problem_saves_it(rig_for: RigFor) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        problem_id = next(iter(sim.problems))
        said = sim.shown()[problem_id] | {"lastUpdate": long_ago(-1), "description": "alive"}
        await sim.delete(problem_id)
        await rig.reconciler.run_once()
        await rig.notify(
            eventType="ServiceProblemAttributeValueChangeEvent", eventId="1", event={"serviceProblem": said}
        )
        await rig.reconciler.run_once()
        assert await rig.value(TOMBSTONES) == 0
        await rig.reconciler.run_once()
        assert await rig.value(TOMBSTONES) == 1


async def test_the_reconciler_waits_for_the_first_pass_and_then_for_its_time(
    rig_for: RigFor, shown: Shown, eventually: Eventually
) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        async with background() as tasks:
            tasks.start_soon(rig.reconciler.run)
            tasks.start_soon(rig.poller.run)
            await eventually(rig.source.first_pass.is_set)
            await sim.create(lastUpdate=long_ago())
            assert rig.counted("polls_total", kind="reconcile", outcome="ok") == 1
            rig.source.reconcile_wake.call("test")
            await eventually(lambda: rig.counted("polls_total", kind="reconcile", outcome="ok") == 2)
        assert await rig.rows() == shown(sim)


async def test_a_pass_from_the_future_puts_the_next_one_off_by_an_interval_at_most(rig_for: RigFor) -> None:
    """Our clock was set back."""
    async with Simulator(population=2, seed=1) as sim:
        rig = await rig_for(sim, reconcile_interval_seconds=60)
        await rig.reconciler.run_once()
        await rig.execute("update bridge.watermark set started_at = started_at + interval '1 hour'")
        assert await rig.reconciler._due_in_seconds() <= 63
