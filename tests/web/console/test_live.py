"""Browsers receive an event when something changed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import anyio
import pytest

from bridge.domain.observation import Via
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire
from bridge.web.console.live import ChangeSignal
from tests.link_tables import add_rule

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 30.0


async def next_event(stream: aiohttp.StreamReader) -> bytes:
    """Read up to the next event that is not a heartbeat."""
    with anyio.fail_after(LIMIT_SECONDS):
        while True:
            line = await stream.readline()
            if line.startswith(b"event:"):
                return line.strip()


async def hear(database: Database, source_id: int, number: int) -> None:
    problem = {"id": f"SP-{number}", "status": "held", "lastUpdate": "2026-06-01T12:00:00Z"}
    seen = wire.read_problem(problem, asked_at=datetime.now(UTC), via=Via.POLL)
    await store_items(database, [Entry(source_id, seen)])


async def test_a_change_is_told_without_anything_of_it(
    dsn: str, database: Database, source_id: int, open_console: Callable[..., Any]
) -> None:
    async with open_console(dsn) as browser:
        await browser.reached()
        async with browser.session.get(f"{browser.url}/live") as answer:
            assert answer.content_type == "text/event-stream"
            assert answer.headers["Cache-Control"] == "no-store"
            for number in range(2):
                await hear(database, source_id, number)
                assert await next_event(answer.content) == b"event: changed"
                assert (await answer.content.readline()).strip() == b"data: {}"


async def test_a_stream_is_ended_in_order_when_the_console_stops(dsn: str, open_console: Callable[..., Any]) -> None:
    """The defect: nothing ended it, so each stop with a live page waited until connections are cut off."""
    async with aiohttp.ClientSession() as session:
        async with open_console(dsn) as browser:
            await browser.reached()
            answer = await session.get(f"{browser.url}/live")
        with anyio.fail_after(LIMIT_SECONDS):
            await answer.read()


async def test_the_stream_needs_a_login(dsn: str, open_console: Callable[..., Any]) -> None:
    async with open_console(dsn, demo=False) as browser:
        await browser.reached()
        assert (await browser.get("/live")).status == 401


async def test_many_streams_leave_room_for_pages(dsn: str, open_console: Callable[..., Any]) -> None:
    async with open_console(dsn) as browser:
        await browser.reached()
        streams = [await browser.session.get(f"{browser.url}/live") for _ in range(40)]
        try:
            assert {stream.status for stream in streams} == {200}
            assert (await browser.get("/about")).status == 200
        finally:
            for stream in streams:
                stream.close()


async def test_everybody_who_waits_hears_the_next_ring_and_none_is_lost() -> None:
    signal, heard = ChangeSignal(), []

    async def wait(before: int) -> None:
        await signal.after(before)
        heard.append(signal.heard)

    signal.ring()
    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(wait, 0)  # rang already
            waiting.start_soon(wait, 1)
            await anyio.wait_all_tasks_blocked()
            assert heard == [1]
            signal.ring()
    assert heard == [1, 2]


async def test_what_is_heard_within_a_second_is_announced_once() -> None:
    signal = ChangeSignal()
    first = signal.mark
    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as announcing:
            announcing.start_soon(signal.announce)
            await anyio.wait_all_tasks_blocked()
            assert signal.mark == first
            for _ in range(5):
                signal.ring()
            await signal.beyond(first)
            second = signal.mark
            signal.ring()
            signal.ring()
            await signal.beyond(second)
            assert len({first, second, signal.mark}) == 3
            await signal.beyond(first)  # long ago
            announcing.cancel_scope.cancel()
    assert signal.mark.endswith("-2")


async def test_a_stream_begins_where_its_page_or_its_last_event_was(
    dsn: str, database: Database, source_id: int, open_console: Callable[..., Any]
) -> None:
    async with open_console(dsn) as browser:
        page = (await browser.get_when_reached("/problems")).text
        since = page.partition("/live?since=")[2].partition('"')[0]
        async with browser.session.get(f"{browser.url}/live?since={since}") as stream:
            await hear(database, source_id, 0)
            with anyio.fail_after(LIMIT_SECONDS):
                while not (line := await stream.content.readline()).startswith(b"id: "):
                    pass
        seen = line.removeprefix(b"id: ").strip().decode()
        assert since not in ("", seen)
        async with browser.session.get(f"{browser.url}/live?since={since}") as late:  # before it, nothing is announced
            assert await next_event(late.content) == b"event: changed"
        again = {"Last-Event-ID": "of another process-1"}
        async with browser.session.get(f"{browser.url}/live?since={seen}", headers=again) as other:
            assert await next_event(other.content) == b"event: changed"


STEPS = [
    """
    insert into bridge.link (rule_id, origin, state, key, left_id)
    select r.id, 'left', 'wanted', 'k', '1' from bridge.link_rule as r
    """,
    "update bridge.link set state = 'creating'",
    "update bridge.link_rule set state = 'paused'",
    "insert into bridge.conflict (link_id, field, kind) select id, 'title', 'refused' from bridge.link",
    "update bridge.conflict set outcome = 'left'",
    """
    with new as (
        insert into bridge.outbox (link_id, rule_id, source_id, side, kind)
        select l.id, l.rule_id, r.right_source_id, 'right', 'create'
        from bridge.link as l inner join bridge.link_rule as r on l.rule_id = r.id
    )
    update bridge.link set state = 'blocked'
    """,
    "update bridge.outbox set state = 'blocked'",
    "update bridge.outbox set state = 'waiting'",
]
"""Each changes what the pages about links show, and stores no observation."""
SILENT = [
    "update bridge.link set checked_at = now()",
    "update bridge.outbox set attempts = attempts + 1",
    "update bridge.link_rule set change_id = 7",
]


async def test_changes_of_links_ring_too(database: Database) -> None:
    signal = ChangeSignal()
    await add_rule(database)
    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as listening:
            listening.start_soon(signal.listen, database)
            await signal.after(0)
            for rings, statement in enumerate(STEPS, 1):
                async with database.connection() as connection:
                    for silent in SILENT:
                        await connection.execute(silent)
                    assert signal.heard == rings
                    await connection.execute(statement)
                await signal.after(rings)
            listening.cancel_scope.cancel()
