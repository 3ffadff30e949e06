"""While Postgres is away notifications are answered from the local journal, and nothing that was answered is lost."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.journal.directory import waiting_in

pytestmark = pytest.mark.anyio


async def events_in(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select event_id from report.notification where outcome <> 'duplicate'")
    finally:
        await connection.close()
    return {row["event_id"] for row in rows}


async def page(sender: Any, url: str, path: str) -> tuple[int, Any]:
    async with sender.session.get(f"{url}{path}") as answer:
        return answer.status, await answer.json()


async def test_what_comes_while_postgres_is_gone_is_kept_and_replayed(
    dsn: str, gate: Any, bridge: Callable[..., Any], sender: Any, eventually: Any, tmp_path: Path
) -> None:
    async with bridge() as running:
        await sender.post(running.url)
        await gate.shut()
        for _ in range(20):
            assert await sender.post(running.url) == 201
        status, body = await page(sender, running.url, "/readyz")
        assert (status, body["state"]) == (503, "degraded")
        assert (await page(sender, running.url, "/livez"))[0] == 200
        assert waiting_in(tmp_path)[0] == 20

        await gate.open()
        await eventually(lambda: _holds(dsn, sender))
        await eventually(lambda: _ready(sender, running.url))
        assert await sender.post(running.url) == 201
        await eventually(lambda: _holds(dsn, sender))
    assert waiting_in(tmp_path)[0] == 0
    assert sender.refused == []
    connection = await asyncpg.connect(dsn)
    counts = await connection.fetchrow(
        "select (select count(*) from report.service_problem), (select count(*) from report.service_problem_version)"
    )
    await connection.close()
    assert tuple(counts) == (22, 22)


async def journal_five(gate: Any, bridge: Callable[..., Any], sender: Any) -> None:
    """Have a process keep five posts in its journal, and end before Postgres is back."""
    async with bridge() as running:
        await gate.shut()
        for _ in range(5):
            await sender.post(running.url)
    await gate.open()


async def test_what_was_kept_is_replayed_by_the_next_process(
    dsn: str, gate: Any, bridge: Callable[..., Any], sender: Any, eventually: Any
) -> None:
    await journal_five(gate, bridge, sender)
    assert await events_in(dsn) == set()
    async with bridge():
        await eventually(lambda: _holds(dsn, sender))
    assert len(sender.answered) == 5


def harmed(journal: bytes, what: str) -> bytes:
    """A journal with something changed: in the third of its posts, or in the file around them."""
    if what == "the file":
        return journal[:36] + b"\x01" + journal[37:]
    body = journal.index(b'"SP-3"')
    place = body if what == "a body" else journal.rindex(b"snow", 0, body)
    return journal[:place] + b"?" + journal[place + 1 :]


@pytest.mark.parametrize("what", ["a body", "a source", "the file"])
async def test_of_a_journal_that_was_damaged_meanwhile_the_rest_is_replayed(
    what: str, dsn: str, gate: Any, bridge: Callable[..., Any], sender: Any, eventually: Any, tmp_path: Path
) -> None:
    await journal_five(gate, bridge, sender)
    file = tmp_path / "journal.sqlite"
    file.write_bytes(harmed(file.read_bytes(), what))
    lost = {"e-3"} if what != "the file" else set()
    async with bridge():
        await eventually(lambda: _holds(dsn, sender, without=lost))
        await eventually(lambda: _nothing_waits(tmp_path))
    connection = await asyncpg.connect(dsn)
    letters = await connection.fetch("select reason, raw from bridge.dead_letter")
    await connection.close()
    assert await events_in(dsn) - {None} == set(sender.answered) - lost
    assert [(letter["reason"], b"e-3" in letter["raw"]) for letter in letters] == [("journal_damaged", True)] * len(
        lost
    )
    assert len(list(tmp_path.glob("journal.damaged-*.sqlite"))) == (what == "the file")


async def test_a_postgres_that_hangs_is_answered_around_within_the_deadline(
    dsn: str, gate: Any, bridge: Callable[..., Any], sender: Any, eventually: Any
) -> None:
    async with bridge(http={"port": 0, "answer_timeout_seconds": 0.2}) as running:
        await sender.post(running.url)
        gate.stall()
        for _ in range(3):
            assert await sender.post(running.url) == 201
        gate.flow()
        await eventually(lambda: _holds(dsn, sender))
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("select count(*) from report.service_problem_version") == 4
    await connection.close()


async def test_a_full_journal_is_answered_with_come_again(gate: Any, bridge: Callable[..., Any], sender: Any) -> None:
    async with bridge(journal={"max_bytes": 1200}) as running:
        await gate.shut()
        while await sender.post(running.url) == 201:
            pass
        assert len(sender.answered) >= 2
        (status, retry_after) = sender.refused[-1]
        assert status == 503
        assert int(retry_after) >= 1
        assert (await page(sender, running.url, "/readyz"))[1]["state"] == "unavailable"
        await gate.open()


async def test_without_a_journal_senders_are_told_to_come_again(
    gate: Any, bridge: Callable[..., Any], sender: Any
) -> None:
    async with bridge(journal={"max_bytes": 0}) as running:
        await gate.shut()
        assert await sender.post(running.url) == 503
        await gate.open()


async def _holds(dsn: str, sender: Any, without: Collection[str] = ()) -> bool:
    return await events_in(dsn) >= set(sender.answered).difference(without)


async def _nothing_waits(data_dir: Path) -> bool:
    return waiting_in(data_dir)[0] == 0


async def _ready(sender: Any, url: str) -> bool:
    return (await page(sender, url, "/readyz"))[0] == 200
