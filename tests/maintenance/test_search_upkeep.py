"""The leader keeps words for the problems that are wanted, goes on where it was, and does nothing where none are."""

from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import pytest

from bridge.domain.observation import Via
from bridge.maintenance import search_upkeep
from bridge.maintenance.search_upkeep import SearchUpkeep
from bridge.storage import lease, problem_search
from bridge.storage.database import Database
from bridge.storage.lease import LEADER, LeaderFence, LeaseLostError
from bridge.storage.observation import Entry, store
from bridge.storage.problem_search import Kept
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENCE_SECONDS = 30


async def add(database: Database, first: int, last: int, status: str = "held") -> None:
    rows = [{"id": f"SP-{number:02}", "status": status} for number in range(first, last)]
    async with database.transaction() as connection:
        await store(connection, [Entry(1, wire.read_problem(row, asked_at=NOON, via=Via.POLL)) for row in rows])


@pytest.fixture
async def filled(database: Database) -> Database:
    """Thirty open problems and ten finished ones; their changes are pruned."""
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
    await add(database, 0, 30)
    await add(database, 30, 40, "closed")
    async with database.connection() as connection:
        await connection.execute("delete from bridge.change where id < (select max(id) from bridge.change)")
    return database


async def count(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("select count(*) from bridge.problem_search"))


async def covers(database: Database) -> str:
    async with database.connection() as connection:
        return str(await connection.fetchval("select bridge.search_covers()"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["all"], (40, "all")),
        (["open"], (30, "open")),
        (["all", "open"], (30, "open")),
        (["open", "all"], (40, "all")),
        (["all", "off"], (0, "off")),
        (["all", None], (40, "all")),
        ([None], (0, "off")),
    ],
)
async def test_words_are_there_for_what_is_wanted(
    filled: Database, wanted: list[Kept | None], expected: tuple[int, str]
) -> None:
    for one in wanted:
        await SearchUpkeep(filled, lambda one=one: one).run_once()
    assert (await count(filled), await covers(filled)) == expected


async def test_a_scan_goes_on_where_it_broke_off_and_finds_what_changed_behind_it(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_upkeep, "_SCANNED", 10)
    await SearchUpkeep(filled, lambda: "all", pass_seconds=0).run_once()
    assert (await count(filled), await covers(filled)) == (10, "off")
    await add(filled, 40, 41)
    async with filled.connection() as connection:
        await connection.execute("delete from bridge.service_problem where id = 'SP-00'")
        await connection.execute("insert into bridge.change (source_id, problem_ids) values (1, '{SP-00}')")
    await SearchUpkeep(filled, lambda: "all").run_once()
    async with filled.connection() as connection:
        state = await problem_search.read(connection)
    assert state.scanned_problems == 41, "the first ten are not looked at twice"
    assert (await count(filled), await covers(filled)) == (40, "all")


async def test_lost_changes_start_a_scan(filled: Database) -> None:
    await SearchUpkeep(filled, lambda: "all").run_once()
    async with filled.connection() as connection:
        await connection.execute("delete from bridge.problem_search where id = 'SP-03'")
    await SearchUpkeep(filled, lambda: None).run_once()
    assert await count(filled) == 39, "no change tells of it"
    async with filled.connection() as connection:
        await connection.execute("update bridge.search_state set committed = '0', change_id = 0")
    assert await covers(filled) == "off"
    await SearchUpkeep(filled, lambda: None).run_once()
    assert (await count(filled), await covers(filled)) == (40, "all")


async def test_where_nobody_wants_words_nothing_is_written(filled: Database) -> None:
    mark = "select pg_current_xact_id_if_assigned() is null, pg_snapshot_xmax(pg_current_snapshot())::text"
    async with filled.connection() as connection:
        before = await connection.fetchrow(mark)
        await SearchUpkeep(filled, lambda: None).run_once()
        await SearchUpkeep(filled, lambda: "off").run_once()
        assert await connection.fetchrow(mark) == before


async def test_a_process_that_leads_no_more_writes_no_words(filled: Database) -> None:
    async with filled.connection() as connection:
        token = await lease.take(connection, LEADER, "another", seconds=60)
        assert token is not None
    with pytest.raises(LeaseLostError):
        await SearchUpkeep(filled, lambda: "all", LeaderFence(token - 1)).run_once()
    assert await count(filled) == 0


async def test_the_job_follows_what_is_wanted_and_counts_its_failures(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Kept | None] = ["all"]
    metrics = Metrics()

    async def until(reached: Callable[[int], bool]) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while not reached(await count(filled)):  # noqa: ASYNC110 -- another session makes it true
                await anyio.sleep(0.01)

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(SearchUpkeep(filled, lambda: wanted[0], metrics=metrics, every_seconds=0.01).run)
        await until(lambda rows: rows == 40)
        await add(filled, 50, 51)
        await until(lambda rows: rows == 41)
        wanted[0] = "off"
        await until(lambda rows: rows == 0)
        async with filled.connection() as connection:
            await connection.execute("alter table bridge.search_state rename to hidden")
        failed = metrics.job_failures.labels("", "search")
        with anyio.fail_after(PATIENCE_SECONDS):
            while failed._value.get() == 0:  # noqa: ASYNC110 -- as above
                await anyio.sleep(0.01)
        jobs.cancel_scope.cancel()
