"""The jobs under suspicion: what hard looks at them brought up, each with the rule that keeps it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.domain.completeness import Completeness, Gap
from bridge.domain.observation import Via
from bridge.http.errors import NotFoundError
from bridge.http.list_page import Fetched, ListPage
from bridge.http.row import rows_in
from bridge.pull.page_import import PageImport, Tally
from bridge.simulator import Simulator
from bridge.tmf656 import reader, wire
from bridge.tmf656.client import Client
from bridge.tmf656.list_pass import ListPass

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]
Shown = Callable[[Simulator], dict[str, Any]]

CHANGED_AT = "select changed_at from bridge.watermark where kind = 'poll'"
DELETE, CREATE = "ServiceProblemDeleteEvent", "ServiceProblemCreateEvent"


def about(**problem: Any) -> dict[str, Any]:
    return {"event": {"serviceProblem": problem}}


@pytest.mark.parametrize("reordered_passes", [0, 2])
async def test_a_number_of_any_length_in_a_row_that_cannot_be_kept_spoils_neither_page_nor_process(
    rig_for: RigFor, reordered_passes: int
) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    rig.source.reordered_passes = reordered_passes
    page_import = PageImport(rig.source, rig.database, rig.metrics, Via.POLL, touch=True, read_before=True)
    tally = Tally()
    digits = b"1" * 5000
    rows = rows_in(
        b'[{"id":"a","n":%b},{"id":%b},{"id":"d","n":%b},{"id":"c","n":%b},{"id":"b"}]'
        % (digits[:30], digits[:600], digits[:600], digits)
    )
    assert rows is not None

    async def pages() -> AsyncIterator[ListPage]:
        yield ListPage(rows, datetime.now(UTC), None, 1, None)

    with capture_logs() as logs:
        await page_import.run(pages(), tally)
    assert [(each["event"], each["rows"]) for each in logs if each["log_level"] == "warning"] == [
        ("unreadable rows", 3)
    ]
    assert set(await rig.rows()) == {"a", "b"}
    assert (tally.unreadable, tally.without_id) == (3, 1)
    named = await rig.value("select array_agg(problem_id order by problem_id) from bridge.dead_letter")
    assert named == ["c", "d", None]


async def test_a_filtered_pass_that_may_have_missed_rows_does_not_move_the_mark(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(population=10, seed=1) as sim:
        rig = await rig_for(sim)

        await rig.poller.run_once()
        await rig.poller.run_once()
        await rig.execute("update bridge.watermark set changed_at = changed_at - interval '1 hour'")
        before = await rig.value(CHANGED_AT)
        with monkeypatch.context() as patching:
            patching.setattr(ListPass, "completeness", property(lambda _: Completeness(Gap.NOT_JOINED)))
            assert (await rig.poller.run_once()).problems
            assert await rig.value(CHANGED_AT) == before
        await rig.poller.run_once()
        assert await rig.value(CHANGED_AT) > before


async def test_a_server_whose_passes_can_never_be_shown_complete_is_followed_all_the_same(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(population=10, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await rig.poller.run_once()
        before = await rig.value(CHANGED_AT)
        await rig.execute("update bridge.watermark set changed_at = changed_at - interval '1 hour'")
        monkeypatch.setattr(ListPass, "completeness", property(lambda _: Completeness(Gap.NOT_JOINED)))
        for _ in range(3):
            await rig.poller.run_once()
        assert await rig.value(CHANGED_AT) == before


async def test_a_problem_made_again_while_its_deletion_is_looked_into_lives(
    rig_for: RigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(version="5", population=1, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        (problem_id,) = sim.problems
        problem = sim.shown()[problem_id]
        await rig.notify(eventType=DELETE, eventTime="2001-01-01T00:00:00Z", **about(id=problem_id))
        await sim.delete(problem_id)
        getting = Client.get

        async def meanwhile(client: Client, wanted: str) -> Fetched:
            try:
                return await getting(client, wanted)
            except NotFoundError:
                again = problem | {"lastUpdate": datetime.now(UTC).isoformat(), "description": "made again"}
                await rig.notify(eventType=CREATE, **about(**again))
                raise

        monkeypatch.setattr(Client, "get", meanwhile)
        await rig.execute("update bridge.refetch set due_at = now()")
        await rig.refetcher.run_once()
        assert (await rig.rows())[problem_id]["description"] == "made again"


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_problem_that_comes_back_under_a_wrong_clock_is_followed_again_within_seconds(
    rig_for: RigFor, shown: Shown, hours: int
) -> None:
    """Its deletion was placed by our clock; the source's own stamps seem older than that for an hour."""
    async with Simulator(version="4", population=2, seed=1) as sim:
        rig = await rig_for(sim)
        at = datetime.now(UTC) + timedelta(hours=hours)
        for problem_id in list(sim.problems):
            await sim.patch(problem_id, lastUpdate=at.isoformat())
        await rig.poller.run_once()
        problem = dict(sim.shown()[problem_id])
        await sim.delete(problem_id)
        for _ in range(2):
            await rig.reconciler.run_once()
        assert problem_id not in await rig.rows()
        for number in range(3):
            stamp = (at + timedelta(seconds=number + 1)).isoformat()
            again = problem | {"lastUpdate": stamp, "description": f"again {number}"}
            if number:
                await sim.patch(problem_id, lastUpdate=stamp, description=f"again {number}")
            else:
                await sim.create(**again)
            await rig.notify(eventType=CREATE, **about(**sim.shown()[problem_id]))
            for _ in range(3):
                await rig.execute("update bridge.refetch set due_at = now()")
                await rig.refetcher.run_once()
            assert await rig.rows() == shown(sim)


async def test_a3_a_defect_while_one_row_is_read_costs_that_row_only(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = wire.read_problem

    def defect(item: Any, **how: Any) -> Any:
        if item["id"] == bad:
            raise OverflowError("date value out of range")
        return real(item, **how)

    async with Simulator(population=30, seed=1) as sim:
        bad = list(sim.problems)[11]
        rig = await rig_for(sim, page_size=10)
        monkeypatch.setattr(reader, "read_problem", defect)
        tally = await rig.poller.run_once()
        assert tally.completeness.complete
        assert set(await rig.rows()) == sim.problems.keys() - {bad}
        assert await rig.value("select array_agg(distinct problem_id) from bridge.dead_letter") == [bad]
        monkeypatch.undo()
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


async def test_c8_words_that_are_configured_later_are_heeded_at_the_next_pass(rig_for: Any) -> None:
    rejected = "select count(*) from report.service_problem where status = 'rejected'"
    async with Simulator(population=12, seed=7) as sim:
        before = await rig_for(sim)
        await before.reconciler.run_once()
        statuses = {str(problem["status"]) for problem in sim.problems.values()}
        after = await rig_for(sim, status_map=dict.fromkeys(statuses, "rejected"))
        await after.reconciler.run_once()
    assert await after.value(rejected) == 12
    assert await after.value("select count(distinct status) from report.status_interval where left_at is null") == 1
