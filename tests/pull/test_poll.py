"""Polling: whatever way a server pages, filters or fails, the tables come to hold what it holds."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.errors import BridgeError, TransientError
from bridge.http.errors import UnauthorisedError
from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656 import selection
from bridge.simulator.tmf656.background import background
from bridge.storage import watermark
from bridge.storage.watermark import Watermark
from bridge.tmf656 import reader, wire

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

PAGING: dict[str, dict[str, Any]] = {
    "by offset": {},
    "by page number": {"page_style": "page_number"},
    "by cursor": {"page_style": "cursor"},
    "capped": {"page_cap": 7},
    "without headers": {"no_link": True, "no_total": True},
    "capped without headers": {"no_link": True, "no_total": True, "page_cap": 7},
    "page numbers without headers": {"page_style": "page_number", "no_link": True, "no_total": True},
    "capped page numbers": {"page_style": "page_number", "page_cap": 7},
    "unordered": {"unordered": True},
}


async def mark_of(rig: Any, kind: str = "poll") -> Watermark | None:
    async with rig.database.connection() as connection:
        return await watermark.find(connection, rig.source.source_id, kind)


async def change_some(sim: Simulator) -> None:
    """Change every fifth problem, the first and the last among them, and add two."""
    for problem_id in [*list(sim.problems)[::5], list(sim.problems)[-1]]:
        await sim.transition(problem_id, "held", statusChangeReason=f"changed {problem_id}")
    await sim.create()
    await sim.create()


def filtered(sim: Simulator) -> list[str]:
    """The filters of the lists asked for so far, without repetitions in a row."""
    seen: list[str] = []
    for request in sim.requests:
        if request.operation == "list":
            query = request.query
            style = (
                "jsonpath"
                if "filter=" in query
                else "dot_gte"
                if ".gte=" in query
                else "operator"
                if "%3E%3D" in query
                else "none"
            )
            if not seen or seen[-1] != style:
                seen.append(style)
    return seen


@pytest.mark.parametrize("version", ["2", "3", "4", "5"])
@pytest.mark.parametrize("faults", PAGING.values(), ids=PAGING)
async def test_every_way_of_paging_brings_everything_and_then_what_changed(
    rig_for: RigFor, shown: Shown, faults: dict[str, Any], version: str
) -> None:
    async with Simulator(version=version, population=53, seed=1, faults=Faults(**faults)) as sim:
        rig = await rig_for(sim, page_size=10)
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)
        await change_some(sim)
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)


async def test_pages_that_shift_come_home_within_a_few_polls(
    rig_for: RigFor, shown: Shown, eventually: Eventually
) -> None:
    async with Simulator(population=53, seed=1, faults=Faults(shift_pages=True)) as sim:
        rig = await rig_for(sim, page_size=10)

        async def home() -> bool:
            await rig.poller.run_once()
            return await rig.rows() == shown(sim)

        await eventually(home)
        await change_some(sim)
        await eventually(home)


async def test_after_the_first_pass_only_changes_are_asked_for_with_an_overlap(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=200, seed=1) as sim:
        newest = max(datetime.fromisoformat(problem["lastUpdate"]) for problem in sim.problems.values())
        rig = await rig_for(sim, page_size=50, poll_overlap_seconds=30)
        assert (await rig.poller.run_once()).problems >= 200
        mark = await mark_of(rig)
        assert mark is not None
        assert mark.changed_at == min(newest, mark.changed_at)
        await sim.patch(list(sim.problems)[3], description="changed", lastUpdate=stamp(mark.changed_at, -29))
        await sim.patch(list(sim.problems)[4], description="too old", lastUpdate=stamp(mark.changed_at, -31))

        tally = await rig.poller.run_once()

        assert tally.outcomes["changed"] + tally.outcomes["doubted"] == 1
        assert tally.problems < 200
        assert filtered(sim) == ["none", "dot_gte"]
        assert stamp(mark.changed_at, -30) in sim.requests[-1].query.replace("%3A", ":")


def stamp(at: datetime, seconds: float) -> str:
    return (at + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_a_proven_filter_is_kept_and_an_empty_answer_then_believed(rig_for: RigFor) -> None:
    async with Simulator(population=20, seed=1) as sim:
        rig = await rig_for(sim, poll_overlap_seconds=0)
        for _ in range(3):
            await rig.poller.run_once()
        assert (await mark_of(rig)).filter_style == "dot_gte"
        for problem_id in list(sim.problems):
            await sim.delete(problem_id)

        tally = await rig.poller.run_once()

        assert tally.problems == 0
        assert filtered(sim) == ["none", "dot_gte"]
        assert (await mark_of(rig)).filter_style == "dot_gte"


async def test_a_server_that_ignores_every_filter_is_read_in_full_until_a_reconcile_tries_again(
    rig_for: RigFor, shown: Shown
) -> None:
    async with Simulator(population=30, seed=1, faults=Faults(ignore_filter=True)) as sim:
        rig = await rig_for(sim, poll_overlap_seconds=0, page_size=40)
        for _ in range(5):
            await change_some(sim)
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)
        assert filtered(sim)[:3] == ["none", "dot_gte", "operator"]
        assert filtered(sim)[-1] == "none"
        assert (await mark_of(rig)).filter_style == "none"
        sim.faults.ignore_filter = False
        await rig.reconciler.run_once()
        sim.requests.clear()
        await change_some(sim)
        tally = await rig.poller.run_once()
        assert filtered(sim) == ["dot_gte"]
        assert tally.problems < len(sim.problems)
        assert await rig.rows() == shown(sim)


@pytest.mark.parametrize("error", [selection.SelectionError, selection.UnsupportedSelectionError], ids=["400", "501"])
async def test_a_server_that_refuses_every_filter_is_read_in_full(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    server_does(monkeypatch, refuse(error))
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=40)
        for _ in range(3):
            await change_some(sim)
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)
        assert filtered(sim) == ["none", "dot_gte", "operator", "jsonpath", "none"]


async def test_a_filter_that_is_refused_later_is_given_up(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=40)
        await rig.poller.run_once()
        await rig.poller.run_once()
        assert (await mark_of(rig)).filter_style == "dot_gte"
        server_does(monkeypatch, refuse(selection.SelectionError))
        await change_some(sim)
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)


@pytest.mark.parametrize("what", ["server", "version"])
async def test_a_filter_that_worked_and_gives_nothing_later_is_found_out_by_the_next_poll(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The defect: nothing that changed was seen until the next reconcile pass. One row of another version is enough:
    the server is asked by an attribute that it does not have.
    """
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=40)
        await rig.poller.run_once()
        await rig.poller.run_once()
        assert (await mark_of(rig)).filter_style == "dot_gte"
        if what == "server":
            server_does(monkeypatch, nothing_matches)
        else:
            rig.source.version = "3"
        for _ in range(3):
            await change_some(sim)
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)


async def test_a_filter_stays_in_doubt_while_everything_cannot_be_read(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=40)
        await rig.poller.run_once()
        await rig.poller.run_once()
        server_does(monkeypatch, nothing_matches)
        await change_some(sim)
        filtered_only = selection.parse

        def broken(raw_query: str) -> selection.Selection:
            wanted = filtered_only(raw_query)
            if not wanted.conditions:
                raise selection.SelectionError("not now")
            return wanted

        with monkeypatch.context() as away:
            away.setattr(selection, "parse", broken)
            with pytest.raises(BridgeError):
                await rig.poller.run_once()
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)


async def test_where_the_newest_problem_is_gone_everything_is_read_once(rig_for: RigFor) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=40, poll_overlap_seconds=1)
        await rig.poller.run_once()
        await sim.patch(next(iter(sim.problems)), description="the newest")
        await rig.poller.run_once()
        await sim.delete(next(iter(sim.problems)))
        sim.requests.clear()
        for _ in range(3):
            await rig.poller.run_once()
        assert filtered(sim) == ["dot_gte", "none", "dot_gte"]
        assert (await mark_of(rig)).filter_style == "dot_gte"


@pytest.mark.parametrize("what", ["deleted", "ahead", "incomplete"])
async def test_a_filter_that_breaks_is_found_out_though_the_watermark_is_wrong_too(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The defect: everything was read once, found to be older than the watermark, and the filter believed again."""
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=10, poll_overlap_seconds=1)
        await rig.poller.run_once()
        first = next(iter(sim.problems))
        await sim.patch(first, description="the newest")
        await rig.poller.run_once()
        if what == "ahead":
            sim.faults.no_date = True  # else its clock bounds the watermark
            await rig.execute("update bridge.watermark set changed_at = now() + '40 minutes' where kind = 'poll'")
        else:
            await sim.delete(first)
        server_does(monkeypatch, nothing_matches)
        if what == "incomplete":
            sim.faults.page_cap, sim.faults.no_total = 1, True
        tally = await rig.poller.run_once()
        assert tally.completeness.complete == (what != "incomplete")
        mark = await mark_of(rig)
        assert mark.filter_style == "dot_gte", "nothing shows yet that it is the filter"
        gone = "" if what == "ahead" else first
        assert mark.changed_at == await rig.value(
            "select max(updated_at) from report.service_problem where id <> $1", gone
        )
        sim.faults.page_cap, sim.faults.no_total = None, False
        for _ in range(2):
            await change_some(sim)
            await rig.poller.run_once()
            assert {**shown(sim), first: None} == {**await rig.rows(), first: None}


async def test_an_empty_answer_is_not_trusted_before_the_filter_is_proven(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_does(monkeypatch, nothing_matches)
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim, page_size=40)
        for _ in range(3):
            await change_some(sim)
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)
        assert (await mark_of(rig)).filter_style == "none"


def nothing_matches(wanted: selection.Selection) -> selection.Selection:
    return selection.Selection((selection.FilterCondition("id", "=", ("nothing",)),), paging=wanted.paging)


def server_does(monkeypatch: pytest.MonkeyPatch, change: Callable[[selection.Selection], selection.Selection]) -> None:
    """The simulated server treats every filtered list so."""
    parse = selection.parse

    def parsed(raw_query: str) -> selection.Selection:
        wanted = parse(raw_query)
        return change(wanted) if wanted.conditions else wanted

    monkeypatch.setattr(selection, "parse", parsed)


def refuse(error: type[Exception]) -> Callable[[selection.Selection], selection.Selection]:
    def refused(_: selection.Selection) -> selection.Selection:
        raise error("not here")

    return refused


async def test_a_server_that_was_empty_at_first_is_not_read_in_full_for_ever(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await sim.create()
        await rig.poller.run_once()
        await sim.create()
        await rig.poller.run_once()
        assert filtered(sim)[-1] == "dot_gte"
        assert await rig.rows() == shown(sim)


async def test_a_source_without_update_times_is_read_in_full_and_comes_home(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=30, seed=1, faults=Faults(no_last_update=True)) as sim:
        rig = await rig_for(sim, page_size=40)
        for _ in range(3):
            await change_some(sim)
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)
        assert filtered(sim) == ["none"]


async def test_of_a_source_read_in_full_only_what_changed_is_read_closely(
    rig_for: RigFor, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = wire.read_problem
    async with Simulator(population=30, seed=1, faults=Faults(no_last_update=True)) as sim:
        rig = await rig_for(sim, page_size=40)
        await rig.poller.run_once()
        monkeypatch.setattr(reader, "read_problem", lambda item, **how: read.append(item["id"]) or real(item, **how))
        problem_id = next(iter(sim.problems))
        await sim.patch(problem_id, description="changed")
        tally = await rig.poller.run_once()
        assert (read, tally.problems, tally.changed) == ([problem_id], 30, 1)
        monkeypatch.undo()
        assert await rig.rows() == shown(sim)


@pytest.mark.parametrize("offset", [3600, -3600])
async def test_a_server_whose_clock_is_an_hour_off_comes_home(rig_for: RigFor, shown: Shown, offset: float) -> None:
    async with Simulator(population=30, seed=1, faults=Faults(clock_offset_seconds=offset)) as sim:
        rig = await rig_for(sim, page_size=40, poll_overlap_seconds=0)
        for _ in range(4):
            await change_some(sim)
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)


async def test_the_watermark_stays_behind_the_servers_clock(rig_for: RigFor, shown: Shown) -> None:
    """One problem from the future must not hide all that changes until then."""
    async with Simulator(population=5, seed=1) as sim:
        await sim.create(id="ahead", lastUpdate=stamp(datetime.now(UTC), 86_400))
        rig = await rig_for(sim, poll_overlap_seconds=1)
        for _ in range(3):
            await rig.poller.run_once()
            await sim.create()
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)


@pytest.mark.parametrize(
    "trouble",
    [
        {"fail_next": 9},
        {"cut_next": 9},
        {"rate_limited": 1, "retry_after_seconds": 60},
        {"slow_seconds": 5.0},
        {"down": True},
        {"unauthorised": True},
    ],
    ids=["500", "cut", "429", "slow", "down", "401"],
)
async def test_a_pass_that_breaks_off_keeps_what_it_read_and_moves_no_mark(
    rig_for: RigFor, shown: Shown, trouble: dict[str, Any]
) -> None:
    async with Simulator(population=53, seed=1) as sim:
        well = {name: getattr(sim.faults, name) for name in trouble}

        def trouble_comes(_: Any, page: Any) -> None:
            if page.number == 2:
                for name, value in trouble.items():
                    setattr(sim.faults, name, value)

        rig = await rig_for(sim, page_size=10, request_timeout_seconds=0.5)
        rig.poller.on_page = rig.reconciler.on_page = trouble_comes
        with pytest.raises(TransientError):
            await rig.poller.run_once()
        assert 10 <= len(await rig.rows()) < 53
        assert await mark_of(rig) is None
        rig.poller.on_page = rig.reconciler.on_page = None
        for name, value in well.items():
            setattr(sim.faults, name, value)
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)

        before = await mark_of(rig)
        for problem_id in list(sim.problems):
            await sim.patch(problem_id, description=f"new {problem_id}")
        rig.poller.on_page = trouble_comes
        with pytest.raises(TransientError):
            await rig.poller.run_once()
        assert await mark_of(rig) == before
        rig.poller.on_page = None
        for name, value in well.items():
            setattr(sim.faults, name, value)
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)


@pytest.mark.parametrize("trouble", [{"fail_next": 2}, {"cut_next": 1}, {"rate_limited": 1}], ids=["500", "cut", "429"])
async def test_a_page_that_fails_is_asked_for_again_and_the_pass_goes_on(
    rig_for: RigFor, shown: Shown, trouble: dict[str, int]
) -> None:
    async with Simulator(population=53, seed=1, faults=Faults(retry_after_seconds=0)) as sim:

        def trouble_comes(_: Any, page: Any) -> None:
            if page.number == 2:
                for name, value in trouble.items():
                    setattr(sim.faults, name, value)

        rig = await rig_for(sim, page_size=10)
        rig.poller.on_page = rig.reconciler.on_page = trouble_comes
        tally = await rig.poller.run_once()

        assert await rig.rows() == shown(sim)
        assert tally.completeness.complete


async def test_the_poller_goes_on_after_trouble(rig_for: RigFor, shown: Shown, eventually: Eventually) -> None:
    faults = Faults(rate_limited=1, retry_after_seconds=0, fail_next=2)  # a failed list is asked for bare at once
    async with Simulator(population=53, seed=1, faults=faults) as sim:
        rig = await rig_for(sim, page_size=10, push=False)
        async with background() as tasks:
            tasks.start_soon(rig.poller.run)
            await eventually(rig.source.first_pass.is_set)
            assert rig.counted("polls_total", kind="poll", outcome="failed") == 2
            assert rig.source.last_error is None
            await change_some(sim)
            rig.source.poll_wake.call("test")
            await eventually(lambda: rig.counted("polls_total", kind="poll", outcome="ok") == 2)
        assert await rig.rows() == shown(sim)


async def test_retry_after_is_handed_on(rig_for: RigFor) -> None:
    async with Simulator(population=3, faults=Faults(rate_limited=1, retry_after_seconds=17)) as sim:
        rig = await rig_for(sim)
        with pytest.raises(TransientError) as caught:
            await rig.poller.run_once()
        assert caught.value.retry_after_seconds == 17


async def test_missing_credentials_are_transient_and_named(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=3, token="t0ken") as sim:
        rig = await rig_for(sim)
        with pytest.raises(UnauthorisedError, match=r"sources\.sim\.username"):
            await rig.poller.run_once()
        sim.credentials.token = None
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)


async def test_an_unreadable_row_is_kept_as_a_letter_and_its_neighbours_are_stored(
    rig_for: RigFor, shown: Shown
) -> None:
    async with Simulator(population=12, seed=1) as sim:
        await sim.create(id="long" * 200)
        for _ in range(12):
            await sim.create()
        rig = await rig_for(sim, page_size=10)
        for _ in range(5):
            await rig.poller.run_once()
        sim.problems.pop("long" * 200)
        assert await rig.rows() == shown(sim)
        assert await rig.value("select count(*) from bridge.dead_letter") == 1
        assert await rig.value("select reason from bridge.dead_letter") == "no_id"
        assert b"longlong" in await rig.value("select raw from bridge.dead_letter")
        assert await mark_of(rig) is not None


async def test_a_row_postgres_refuses_does_not_hold_up_its_page(rig_for: RigFor) -> None:
    async with Simulator(population=25, seed=1) as sim:
        await sim.create(id="bad", description="poison")
        rig = await rig_for(sim, page_size=10)
        await rig.refuse_poison()
        await rig.poller.run_once()
        assert (await rig.rows()).keys() == sim.problems.keys() - {"bad"}
        assert await rig.value("select problem_id from bridge.dead_letter") == "bad"


async def test_what_a_notification_should_have_brought_is_noticed(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await rig.subscriber.run_once("start")
        rig.source.registered_at = rig.source.expected_since = datetime.now(UTC) - timedelta(seconds=60)
        sim.forget_subscriptions()
        await rig.poller.run_once()
        assert rig.source.mode == "push"
        await sim.patch(next(iter(sim.problems)), description="unheard", lastUpdate=stamp(datetime.now(UTC), -30))
        await rig.poller.run_once()
        assert rig.source.mode == "fallback"


async def test_what_changed_only_now_may_still_be_on_its_way(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await rig.subscriber.run_once("start")
        rig.source.registered_at = rig.source.expected_since = datetime.now(UTC) - timedelta(seconds=60)
        await sim.patch(next(iter(sim.problems)), description="just now")
        await rig.poller.run_once()
        assert rig.source.mode == "push"


async def test_changes_count_by_the_way_they_were_found(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await sim.create()
        await rig.poller.run_once()
        assert rig.counted("changes_total", via=Via.RECONCILE.value) == 5
        assert rig.counted("changes_total", via=Via.POLL.value) == 1


BAD_STAMPS = {
    "a2, what .NET writes for none": "0001-01-01T00:00:00Z",
    "the epoch": "1970-01-01T00:00:00Z",
    "b10, a typing error": "2099-01-01T00:00:00Z",
    "never": "9999-12-31T23:59:59.999999Z",
    "the epoch in milliseconds as text": "0",
}


@pytest.mark.parametrize("no_date", [False, True], ids=["with a Date header", "without"])
@pytest.mark.parametrize("stamp_of_one", BAD_STAMPS.values(), ids=BAD_STAMPS)
async def test_b10_a_row_with_an_implausible_stamp_moves_no_watermark(
    rig_for: RigFor, shown: Shown, stamp_of_one: str, no_date: bool
) -> None:
    async with Simulator(population=30, seed=1, faults=Faults(no_date=no_date)) as sim:
        rig = await rig_for(sim)
        await sim.patch(list(sim.problems)[4], lastUpdate=stamp_of_one)
        await rig.poller.run_once()
        mark = await mark_of(rig)
        assert mark is not None
        assert mark.changed_at is not None
        assert datetime.now(UTC) - timedelta(days=3650) < mark.changed_at <= datetime.now(UTC) + timedelta(hours=1)
        for number in range(2):
            await sim.patch(list(sim.problems)[5], description=f"after it {number}")
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)


@pytest.mark.parametrize("stamp_of_all", BAD_STAMPS.values(), ids=BAD_STAMPS)
async def test_a2_a_list_whose_rows_all_have_an_implausible_stamp_is_followed(
    rig_for: RigFor, shown: Shown, stamp_of_all: str
) -> None:
    async with Simulator(population=10, seed=1) as sim:
        for problem_id in sim.problems:
            await sim.patch(problem_id, lastUpdate=stamp_of_all)
        rig = await rig_for(sim)
        for number in range(3):
            await rig.poller.run_once()
            assert set(await rig.rows()) == set(shown(sim))
            await sim.patch(next(iter(sim.problems)), lastUpdate=stamp_of_all, description=f"changed {number}")
        mark = await mark_of(rig)
        assert mark is not None
        assert mark.changed_at is None


@pytest.mark.parametrize("stored", ["0001-01-01 00:00:00+00", "9999-12-31 23:00:00+00", "2099-01-01 00:00:00+00"])
async def test_a2_a_bad_watermark_that_is_stored_heals_itself(rig_for: RigFor, shown: Shown, stored: str) -> None:
    async with Simulator(population=10, seed=1) as sim:
        rig = await rig_for(sim)
        for _ in range(2):
            await rig.poller.run_once()
        await rig.value("update bridge.watermark set changed_at = $1::text::timestamptz where kind = 'poll'", stored)
        await sim.patch(next(iter(sim.problems)), description="changed meanwhile")
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)
        mark = await mark_of(rig)
        assert mark is not None
        assert mark.changed_at is not None
        assert abs(datetime.now(UTC) - mark.changed_at) < timedelta(days=3650)
        await rig.poller.run_once()
        assert filtered(sim)[-1] == "dot_gte"


async def test_a_clock_that_is_far_off_is_no_clock(rig_for: RigFor, shown: Shown) -> None:
    """A Date header of another year says nothing about update times."""
    async with Simulator(population=10, seed=1, faults=Faults(date="Fri, 31 Dec 9999 23:59:59 GMT")) as sim:
        rig = await rig_for(sim)
        await sim.patch(next(iter(sim.problems)), lastUpdate="2099-01-01T00:00:00Z")
        await rig.poller.run_once()
        mark = await mark_of(rig)
        assert mark is not None
        assert mark.changed_at is None or mark.changed_at <= datetime.now(UTC) + timedelta(hours=1)
        await sim.patch(list(sim.problems)[3], description="after it")
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)


async def test_c11_where_update_times_stand_still_every_poll_reads_everything(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=20, seed=1) as sim:
        rig = await rig_for(sim)
        for _ in range(2):
            await rig.poller.run_once()
        assert filtered(sim)[-1] == "dot_gte"

        async def change_unmoved(number: int) -> None:
            for problem_id in list(sim.problems)[:3]:
                at = sim.shown()[problem_id]["lastUpdate"]
                await sim.patch(problem_id, description=f"changed {number}", lastUpdate=at)

        await change_unmoved(0)
        await rig.poller.run_once()
        assert await rig.rows() != shown(sim)  # no filter finds them
        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
        for number in range(1, 4):
            await change_unmoved(number)
            await rig.poller.run_once()
            assert await rig.rows() == shown(sim)
            assert filtered(sim)[-1] == "none"
        versions = await rig.value(
            "select count(*) from bridge.service_problem_version where problem_id = $1", next(iter(sim.problems))
        )
        assert versions == 5
        for number in range(4):  # they move again
            await sim.patch(list(sim.problems)[5], description=f"moved {number}")
            await rig.poller.run_once()
        await rig.reconciler.run_once()
        for _ in range(2):
            await rig.poller.run_once()
        assert filtered(sim)[-1] == "dot_gte"
        assert await rig.rows() == shown(sim)


async def test_rows_of_the_poll_before_are_known_and_written_no_more(rig_for: RigFor) -> None:
    """The defect: each poll decided and touched all that had changed within the overlap, 2,000 rows a second here."""
    async with Simulator(version="4", seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        for _ in range(30):
            await sim.create()
        await rig.poller.run_once()
        written = "select array_agg(xmin::text || id order by id) from bridge.service_problem"
        async with rig.database.connection() as connection:
            before = await connection.fetchval(written)
        again = await rig.poller.run_once()
        assert (again.problems, again.changed) == (again.skipped, 0)
        assert again.problems >= 30
        async with rig.database.connection() as connection:
            assert await connection.fetchval(written) == before
        assert rig.source.reordered_passes == 0
