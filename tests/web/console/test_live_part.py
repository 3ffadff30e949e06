"""What many browsers ask for at the same time is made once."""

import gzip
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from aiohttp import hdrs
from aiohttp.test_utils import make_mocked_request

from bridge.domain.observation import Via
from bridge.errors import DatabaseUnavailableError
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire
from bridge.web.console import live_part
from bridge.web.console.live_part import LIVE_HEADER, MOST_PARTS, LivePart, LiveParts, digest_of
from tests.web.console.conftest import Browser
from tests.web.console.test_live import next_event

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMIT_SECONDS = 30.0


class Kitchen:
    """Makes parts when it is let, and counts them."""

    def __init__(self) -> None:
        self.made = 0
        self.open = anyio.Event()
        self.failure: Exception | None = None

    async def make(self) -> LivePart:
        self.made += 1
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return LivePart(f"digest {self.made}", lambda: "text")


async def test_of_many_who_ask_at_the_same_time_one_makes_it_for_all() -> None:
    parts, kitchen = LiveParts(), Kitchen()
    got: list[LivePart] = []

    async def ask(mark: str) -> None:
        got.append(await parts.at(mark, "list", kitchen.make))

    async with anyio.create_task_group() as asking:
        for _ in range(20):
            asking.start_soon(ask, "a-1")
        await anyio.wait_all_tasks_blocked()
        kitchen.open.set()
    assert (kitchen.made, len(got), len({id(one) for one in got})) == (1, 20, 1)
    await ask("a-1")
    assert kitchen.made == 1
    await ask("a-2")
    assert (kitchen.made, got[-1].digest) == (2, "digest 2")
    await parts.at("a-2", "another list", kitchen.make)
    assert kitchen.made == 3


async def test_what_was_made_a_while_ago_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, kitchen = LiveParts(), Kitchen()
    kitchen.open.set()
    monkeypatch.setattr(live_part, "_LONGEST_SECONDS", -1.0)
    for made in (1, 2):
        await parts.at("a-1", "list", kitchen.make)
        assert kitchen.made == made


async def test_a_failure_is_that_of_all_who_wait_and_not_of_those_who_ask_later() -> None:
    parts, kitchen = LiveParts(), Kitchen()
    kitchen.failure = DatabaseUnavailableError("away")
    failed = 0

    async def ask() -> None:
        nonlocal failed
        try:
            await parts.at("a-1", "list", kitchen.make)
        except DatabaseUnavailableError:
            failed += 1

    async with anyio.create_task_group() as asking:
        for _ in range(5):
            asking.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        kitchen.open.set()
    assert (kitchen.made, failed) == (1, 5)
    kitchen.failure = None
    assert (await parts.at("a-1", "list", kitchen.make)).digest == "digest 2"


async def test_when_the_browser_that_makes_it_goes_away_the_next_one_does() -> None:
    parts, kitchen = LiveParts(), Kitchen()
    got: list[LivePart] = []

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            got.append(await parts.at("a-1", "list", kitchen.make))

    first, others = anyio.CancelScope(), [anyio.CancelScope() for _ in range(3)]
    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as asking:
            asking.start_soon(ask, first)
            await anyio.wait_all_tasks_blocked()
            for scope in others:
                asking.start_soon(ask, scope)
            await anyio.wait_all_tasks_blocked()
            first.cancel()
            await anyio.wait_all_tasks_blocked()
            kitchen.open.set()
    assert (kitchen.made, len(got)) == (2, 3)


async def test_a_page_that_is_loaded_gets_what_was_begun_after_it_asked() -> None:
    parts, kitchen = LiveParts(), Kitchen()
    got: list[str] = []

    async def load() -> None:
        got.append((await parts.fresh("list", kitchen.make)).digest)

    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as loading:
            loading.start_soon(load)
            await anyio.wait_all_tasks_blocked()
            for _ in range(live_part._MANY + 2):
                loading.start_soon(load)
            await anyio.wait_all_tasks_blocked()
            assert kitchen.made == 1
            kitchen.open.set()
    assert got == ["digest 1"] + ["digest 2"] * (live_part._MANY + 2)
    await load()
    assert got[-1] == "digest 3", "nothing is kept for later"
    assert (parts._next, parts._running) == ({}, {})


async def test_who_waits_for_a_page_is_not_left_alone() -> None:
    """Neither when the one that would make it goes away before it begins, nor when that fails."""
    parts, kitchen = LiveParts(), Kitchen()
    got: list[str] = []
    failed = 0

    async def load(scope: anyio.CancelScope) -> None:
        nonlocal failed
        with scope:
            try:
                got.append((await parts.fresh("list", kitchen.make)).digest)
            except DatabaseUnavailableError:
                failed += 1

    scopes = [anyio.CancelScope() for _ in range(5)]
    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as loading:
            for scope in scopes:
                loading.start_soon(load, scope)
                await anyio.wait_all_tasks_blocked()
            scopes[1].cancel()  # it would have made the next one
            await anyio.wait_all_tasks_blocked()
            kitchen.failure = DatabaseUnavailableError("away")
            kitchen.open.set()
    assert (kitchen.made, failed, got) == (2, 4, [])
    assert (parts._next, parts._running) == ({}, {})


async def test_few_are_kept() -> None:
    parts, kitchen = LiveParts(), Kitchen()
    kitchen.open.set()
    for number in range(MOST_PARTS + 5):
        await parts.at("a-1", f"list {number}", kitchen.make)
    await parts.at("a-1", f"list {MOST_PARTS + 4}", kitchen.make)
    assert kitchen.made == MOST_PARTS + 5
    await parts.at("a-1", "list 0", kitchen.make)
    assert kitchen.made == MOST_PARTS + 6
    assert len(parts._at_marks) == MOST_PARTS


async def test_it_is_written_once_and_not_for_who_has_it() -> None:
    written = 0

    def write() -> str:
        nonlocal written
        written += 1
        return "<main>ü</main>"

    part = LivePart("abc", write)

    def ask(**headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return part.answer(make_mocked_request("GET", "/problems", headers=named))

    assert (ask(X_Live="abc").status, written) == (204, 0)
    plain, packed = ask(X_Live="none"), ask(X_Live="abd", Accept_Encoding="gzip, deflate")
    assert plain.text == gzip.decompress(packed.body).decode() == "<main>ü</main>"
    assert hdrs.CONTENT_ENCODING not in plain.headers
    assert packed.headers[hdrs.CONTENT_ENCODING] == "gzip"
    assert written == 1


def test_the_digest_differs_by_what_is_seen_and_by_the_minute() -> None:
    values = {"rows": [{"id": "SP-1", "updated_at": NOON, "name": None}], "counted": 1}
    same = digest_of(values, NOON)
    assert digest_of(dict(values), NOON + timedelta(seconds=59)) == same
    assert digest_of(values, NOON + timedelta(seconds=60)) != same
    assert digest_of(values | {"counted": 2}, NOON) != same


async def hear(database: Database, source_id: int, problem_id: str) -> None:
    problem = {"id": problem_id, "status": "held", "lastUpdate": "2026-06-01T12:00:00Z"}
    seen = wire.read_problem(problem, asked_at=datetime.now(UTC), via=Via.POLL)
    await store_items(database, [Entry(source_id, seen)])


def part_of(text: str) -> str:
    """What is shared of a page, without times, which differ from one request to the next."""
    inside = text[text.index('<div id="list"') :].partition("</main>")[0]
    return re.sub(r"<time.*?</time>|data-digest=\"[^\"]*\"", "", inside).strip()


async def live(browser: Browser, digest: str = "none") -> Any:
    return await browser.get("/problems", **{LIVE_HEADER: digest})


def digest_in(text: str) -> str:
    return text.partition('data-digest="')[2].partition('"')[0]


async def test_a_live_page_gets_its_inside_and_nothing_when_it_has_it(
    dsn: str, database: Database, source_id: int, open_console: Callable[..., Any]
) -> None:
    await hear(database, source_id, "SP-1")
    async with open_console(dsn) as browser:
        page = await browser.get_when_reached("/problems")
        part = await live(browser)
        assert "<nav" in page.text
        assert "<nav" not in part.text
        assert part_of(part.text) == part_of(page.text)
        since = page.text.partition("/live?since=")[2].partition('"')[0]
        async with browser.session.get(f"{browser.url}/live?since={since}") as stream:
            await hear(database, source_id, "SP-2")
            later = await live(browser, digest_in(part.text))
            while later.status == 204:  # an event may be that of the connection that listens
                assert await next_event(stream.content) == b"event: changed"
                later = await live(browser, digest_in(part.text))
        assert (later.status, list(later.rows)) == (200, ["sim/SP-2", "sim/SP-1"])


async def test_more_live_pages_than_there_are_places_are_all_answered(
    dsn: str, database: Database, source_id: int, open_console: Callable[..., Any]
) -> None:
    await hear(database, source_id, "SP-1")
    async with open_console(dsn) as browser:
        await browser.get_when_reached("/problems")
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await live(browser))

        async with anyio.create_task_group() as asking:
            for _ in range(60):
                asking.start_soon(ask)
        assert [one.status for one in answers] == [200] * 60
        assert {part_of(one.text) for one in answers} == {part_of(answers[0].text)}


async def test_what_is_shared_takes_a_login_all_the_same(dsn: str, open_console: Callable[..., Any]) -> None:
    async with open_console(dsn, demo=False) as browser:
        await browser.reached()
        answer = await live(browser)
        assert (answer.status, answer.headers["location"]) == (303, "/login?next=%2Fproblems")
