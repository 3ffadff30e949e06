"""Requests as rows: one open of a kind and source, and what is old goes."""

import anyio
import pytest

from bridge.storage import request as requests
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio


async def test_many_who_ask_at_once_ask_once(database: Database, source_id: int) -> None:
    answers: list[tuple[int, bool]] = []

    async def ask(who: str) -> None:
        async with database.transaction() as connection:
            answers.append(await requests.ask(connection, source_id, "poll", who, {}))

    async with anyio.create_task_group() as asking:
        for number in range(6):
            asking.start_soon(ask, f"user {number}")
    assert len({number for number, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1


async def test_kinds_and_sources_do_not_stand_in_each_others_way(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        numbers = [
            (await requests.ask(connection, source, kind, "anna", {}))[0]
            for source, kind in ((source_id, "replay"), (None, "replay"), (source_id, "discard"), (None, "replay"))
        ]
    assert numbers[1] == numbers[3]
    assert len(set(numbers)) == 3


async def test_requests_about_different_things_do_not_stand_in_each_others_way(database: Database) -> None:
    async with database.transaction() as connection:
        numbers = [
            (await requests.ask(connection, None, "pause_rule", "anna", {}, subject=subject))[0]
            for subject in ("rule a", "rule b", "rule a")
        ]
        assert numbers[0] == numbers[2] != numbers[1]
        await requests.end(connection, numbers[0], "done", "paused")
        again, new = await requests.ask(connection, None, "pause_rule", "anna", {}, subject="rule a")
        assert (new, again in numbers) == (True, False)
        shown = await requests.recent(connection, ["pause_rule"], hours=1, limit=9)
        assert [one.id for one in shown] == [again, numbers[1], numbers[0]]
        shown = await requests.recent(connection, ["pause_rule"], hours=1, limit=9, subjects=["rule b"])
        assert [(one.id, one.subject, one.state) for one in shown] == [(numbers[1], "rule b", "asked")]
        await connection.execute("update bridge.request set ended_at = ended_at - interval '2 hours'")
        assert len(await requests.recent(connection, ["pause_rule"], hours=1, limit=9)) == 2
        assert await requests.latest(connection) == [], "lists of other pages do not show them"


async def test_the_open_request_of_a_kind_is_shown_before_ended_ones(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        first, _ = await requests.ask(connection, source_id, "poll", "anna", {})
        assert await requests.end(connection, first, "failed", "no \x00 luck")
        assert not await requests.end(connection, first, "done", "twice")
        [shown] = await requests.latest(connection, "sim")
        assert (shown.state, shown.detail, shown.source) == ("failed", "no \\0 luck", "sim")
        second, new = await requests.ask(connection, source_id, "poll", "bert", {})
        [shown] = await requests.latest(connection)
    assert (new, shown.id, shown.asked_by) == (True, second, "bert")


async def test_requests_that_ended_long_ago_are_deleted(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        number, _ = await requests.ask(connection, source_id, "poll", "anna", {})
        await requests.end(connection, number, "done", "")
        await requests.ask(connection, source_id, "reconcile", "anna", {})
        await connection.execute("update bridge.request set ended_at = ended_at - interval '91 days'")
        await requests.prune(connection)
        assert [one.kind for one in await requests.latest(connection)] == ["reconcile"]
