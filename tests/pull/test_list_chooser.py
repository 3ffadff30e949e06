"""A filter is asked of the server where a trial shows that this leaves nothing out; the rows are the same."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.pull import list_chooser
from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]

OPEN = {"status": ["acknowledged", "inProgress"]}
TOMBSTONES = "select array_agg(id order by id) from bridge.service_problem where deleted_at is not null"


def by_standard(query: Any, rows: list[dict[str, Any]]) -> Any:
    """As TMF630 says."""
    words = [word for each in query.getall("status") for word in each.split(",")]
    return [row for row in rows if row["status"] in words]


class Server:
    """A list of problems whose filters behave as a test says: `select` gets a query and the rows it would give."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.select: Callable[[Any, list[dict[str, Any]]], Any] = by_standard
        self.selected: list[str] = []
        self.listed = 0
        self.by_id: list[str] = []
        self.url = ""
        self.words = {"acknowledged": "acknowledged", "inProgress": "inProgress", "closed": "closed"}

    def put(self, problem_id: str, status: str, *, minute: int, **more: Any) -> None:
        at = f"2026-06-01T{minute // 60:02}:{minute % 60:02}:00Z"
        word = self.words.get(status, status)
        self.rows[problem_id] = {"id": problem_id, "status": word, "category": "net", "lastUpdate": at, **more}

    async def list(self, request: web.Request) -> web.Response:
        rows = sorted(self.rows.values(), key=lambda row: str(row["id"]))
        since = request.query.get("lastUpdate.gte", "")
        rows = [row for row in rows if row["lastUpdate"] >= since]
        if "status" in request.query or "category" in request.query:
            self.selected.append(request.query_string)
            found = self.select(request.query, rows)
            if isinstance(found, web.Response):
                return found
            rows = found
        elif not since:
            self.listed += 1
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 1000))
        return web.json_response(rows[offset : offset + limit], headers={"X-Total-Count": str(len(rows))})

    async def get(self, request: web.Request) -> web.Response:
        self.by_id.append(request.match_info["id"])
        row = self.rows.get(request.match_info["id"])
        return web.json_response(row) if row else web.Response(status=404)


@pytest.fixture
async def server() -> Any:
    there = Server()
    application = web.Application()
    application.router.add_get("/serviceProblem", there.list)
    application.router.add_get("/serviceProblem/{id}", there.get)
    async with TestServer(application) as running:
        there.url = str(running.make_url("/")).rstrip("/")
        yield there


async def begun(server: Server, rig_for: RigFor, **source: Any) -> Any:
    """A source of 40 problems, 10 of them open, after its first poll, one that found a change, and a trial."""
    for number in range(40):
        server.put(f"p{number:02}", ("acknowledged", "inProgress", "closed", "closed")[number % 4], minute=number)
    rig = await rig_for(server.url, **{"filter": OPEN, **source})
    await rig.poller.run_once()
    server.put("p00", "acknowledged", minute=100)
    await rig.poller.run_once()
    await rig.reconciler.chooser.try_out()
    await rig.reconciler.run_once(everything=False)
    return rig


async def test_a_reconcile_pass_asks_a_server_that_filters_for_what_is_kept(server: Server, rig_for: RigFor) -> None:
    rig = await begun(server, rig_for)
    assert rig.reconciler.chooser.described == "applied by the server: status=acknowledged,inProgress"
    before, asked = server.listed, len(server.selected)
    server.put("missed", "inProgress", minute=1)
    tally = await rig.reconciler.run_once(everything=False)
    assert (server.listed, tally.filtered) == (before, rig.reconciler.chooser.described)
    assert server.selected[asked].startswith("status=acknowledged,inProgress&")
    assert set(await rig.rows()) == {f"p{number:02}" for number in range(40) if number % 4 < 2} | {"missed"}


async def test_a_problem_that_left_the_filter_is_followed_and_not_missed(server: Server, rig_for: RigFor) -> None:
    rig = await begun(server, rig_for)
    server.put("p04", "closed", minute=101)
    await rig.poller.run_once()
    server.put("p01", "closed", minute=2)  # no poll sees this
    server.by_id.clear()
    for _ in range(3):
        await rig.reconciler.run_once(everything=False)
    rows = await rig.rows()
    assert (rows["p04"]["status"], rows["p01"]["status"], len(rows)) == ("closed", "closed", 20)
    assert server.by_id == ["p01"]
    assert await rig.value(TOMBSTONES) is None
    assert rig.reconciler.chooser.choice is not None


async def test_what_was_deleted_is_found_whether_it_is_kept_or_has_left(
    server: Server, rig_for: RigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await begun(server, rig_for)
    server.put("p04", "closed", minute=101)
    await rig.poller.run_once()
    del server.rows["p04"], server.rows["p01"]
    for _ in range(2):
        await rig.reconciler.run_once(everything=False)
    assert await rig.value(TOMBSTONES) == ["p01"]
    monkeypatch.setattr(list_chooser, "FULL_PASS_AFTER", list_chooser.FULL_PASS_AFTER * 0)
    await rig.reconciler.run_once(everything=False)
    monkeypatch.undo()
    await rig.reconciler.run_once(everything=False)
    assert await rig.value(TOMBSTONES) == ["p01", "p04"]


def refused(status: int) -> Callable[[Any, list[dict[str, Any]]], Any]:
    return lambda _query, _rows: web.json_response({"code": "1", "reason": "no"}, status=status)


def _words(query: Any) -> list[str]:
    return [word for each in query.getall("status") for word in each.split(",")]


UNUSABLE = {
    "ignores it": lambda _query, rows: rows,
    "answers 400": refused(400),
    "answers 403": refused(403),
    "answers 404": refused(404),
    "answers 500": refused(500),
    "gives nothing": lambda _query, _rows: [],
    "compares with other words": lambda query, rows: [row for row in rows if row["status"].upper() in _words(query)],
    "honours one of the words": lambda query, rows: [row for row in rows if row["status"] == _words(query)[0]],
    "cuts the list": lambda query, rows: [row for row in rows if row["status"] in _words(query)][:5],
    "lags behind": lambda query, rows: [row for row in rows if row["status"] in _words(query) and row["id"] != "p00"],
}


@pytest.mark.parametrize("how", UNUSABLE)
async def test_a_filter_that_the_server_does_not_honour_is_applied_here(
    server: Server, rig_for: RigFor, how: str
) -> None:
    server.select = UNUSABLE[how]
    rig = await begun(server, rig_for)
    assert rig.reconciler.chooser.choice is None
    assert rig.reconciler.chooser.described.startswith("applied here: status=")
    before = server.listed
    server.put("missed", "inProgress", minute=1)
    await rig.reconciler.run_once(everything=False)
    assert server.listed > before
    assert set(await rig.rows()) == {f"p{number:02}" for number in range(40) if number % 4 < 2} | {"missed"}


async def test_a_server_that_takes_the_comma_for_a_sign_is_asked_for_each_value(
    server: Server, rig_for: RigFor
) -> None:
    server.select = lambda query, rows: [row for row in rows if row["status"] in query.getall("status")]
    rig = await begun(server, rig_for)
    await rig.reconciler.run_once(everything=False)
    assert server.selected[-1].startswith("status=acknowledged&status=inProgress")
    assert rig.reconciler.chooser.choice is not None


async def test_the_words_of_the_server_are_asked_for_also_new_ones(server: Server, rig_for: RigFor) -> None:
    server.words = {"acknowledged": "New & not seen", "inProgress": "Work in Progress", "closed": "Done"}
    rig = await begun(server, rig_for, status_map={"New & not seen": "acknowledged"})
    assert server.selected[-1].startswith("status=New %26 not seen,Work in Progress,")
    server.put("other", "WIP", minute=102)
    await rig.poller.run_once()
    await rig.reconciler.run_once(everything=False)
    assert "not seen,WIP,Work" in server.selected[-1]
    assert len(await rig.rows()) == 21


async def test_a_word_with_a_comma_is_asked_for_by_itself_or_not_at_all(server: Server, rig_for: RigFor) -> None:
    server.words = {"acknowledged": "New, not seen", "inProgress": "Work in Progress", "closed": "Done"}
    words = {"New, not seen": "acknowledged"}
    splits = await begun(server, rig_for, status_map=words)
    assert splits.reconciler.chooser.choice is None
    server.select = lambda query, rows: [row for row in rows if row["status"] in query.getall("status")]
    await splits.reconciler.chooser.try_out()
    assert str(splits.reconciler.chooser.choice).startswith("status=New, not seen,Work in Progress")


async def test_a_server_that_refuses_words_it_never_writes_is_asked_for_the_others(
    server: Server, rig_for: RigFor
) -> None:
    server.words = {"acknowledged": "ACK", "inProgress": "WIP", "closed": "DONE"}
    standard = server.select

    def select(query: Any, rows: list[dict[str, Any]]) -> Any:
        known = set(_words(query)) <= set(server.words.values())
        return standard(query, rows) if known else refused(400)(query, rows)

    server.select = select
    rig = await begun(server, rig_for)
    assert rig.reconciler.chooser.described == "applied by the server: status=ACK,WIP"


@pytest.mark.parametrize(
    "then",
    [refused(400), lambda _query, _rows: [], lambda query, rows: [r for r in rows if r["status"] in _words(query)][3:]],
)
async def test_a_server_that_no_longer_honours_it_is_read_in_full(server: Server, rig_for: RigFor, then: Any) -> None:
    rig = await begun(server, rig_for)
    server.select = then
    server.put("missed", "inProgress", minute=1)
    for _ in range(3):
        await rig.reconciler.run_once(everything=False)
    assert rig.reconciler.chooser.choice is None
    assert len(await rig.rows()) == 21
    assert await rig.value(TOMBSTONES) is None


async def test_a_category_is_asked_for_as_the_server_spells_it(server: Server, rig_for: RigFor) -> None:
    server.select = lambda query, rows: [r for r in rows if r["category"] in query.getall("category")]
    for number in range(5):
        server.put(f"c{number}", "closed", minute=number, category="Radio Access")
    rig = await begun(server, rig_for, filter={"category": ["radio access"]})
    assert rig.reconciler.chooser.described == "applied by the server: category=Radio Access"
    await rig.reconciler.run_once(everything=False)
    assert server.selected[-1].startswith("category=Radio Access&")
    assert set(await rig.rows()) == {f"c{number}" for number in range(5)}


async def test_a_server_whose_polls_read_everything_is_not_asked(server: Server, rig_for: RigFor) -> None:
    rig = await begun(server, rig_for)
    rig.source.update_times_move = False
    before = server.listed
    await rig.reconciler.run_once(everything=False)
    assert server.listed > before


async def test_the_operator_can_say_that_the_server_is_not_asked(server: Server, rig_for: RigFor) -> None:
    rig = await begun(server, rig_for, filter={**OPEN, "ask_server": False})
    chooser = rig.reconciler.chooser
    assert not chooser.due
    assert chooser.described is None


async def test_the_job_tries_it_out_by_itself_and_status_can_say_so(server: Server, rig_for: RigFor) -> None:
    rig = await begun(server, rig_for)
    asked = "select filtered from bridge.last_pass where kind = 'reconcile'"
    assert await rig.value(asked) == "applied by the server: status=acknowledged,inProgress"
    async with Simulator(population=12, seed=1) as sim:
        other = await rig_for(sim, filter=OPEN)
        await other.poller.run_once()
        await other.reconciler._wait()
        await other.reconciler._reconcile()
        assert other.reconciler.chooser.described is not None
