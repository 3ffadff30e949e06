"""What the panels of *Service problems* ask of Postgres, asked as the reader."""

import re
from typing import Any

import asyncpg
import pytest

from grafana import asking
from grafana.seed import SOURCES

from .conftest import DAYS, UNTIL

pytestmark = pytest.mark.anyio

BOARD = asking.dashboards()["service-problems"]
PANELS = {panel["title"]: panel for panel in asking.panels(BOARD)}
WINDOW = asking.Window(UNTIL.timestamp() - DAYS * 86_400, UNTIL.timestamp() + 3600, 3600)
[SOURCE_QUERY] = [one["query"] for one in BOARD["templating"]["list"] if one["name"] == "source"]


@pytest.fixture
async def reader(seeded: str) -> Any:
    """A connection with the rights and the limits that Grafana is to have."""
    connection = await asyncpg.connect(seeded, server_settings={"statement_timeout": "10s"})
    await connection.execute("set role bridge_reader")
    yield connection
    await connection.close()


def statement(title: str, sources: tuple[str, ...] = SOURCES) -> str:
    return asking.sql(PANELS[title]["targets"][0]["rawSql"], WINDOW, sources)


async def test_the_variable_offers_every_source(reader: asyncpg.Connection) -> None:
    assert [row[0] for row in await reader.fetch(SOURCE_QUERY)] == sorted(SOURCES)


@pytest.mark.parametrize("title", PANELS)
async def test_a_panel_has_data_and_postgres_a_plan(title: str, reader: asyncpg.Connection) -> None:
    plan = await reader.fetchval(f"explain (format json) {statement(title)}")
    assert "Plan" in plan
    rows = await reader.fetch(statement(title))
    assert rows
    assert any(value is not None for row in rows for value in row.values())
    assert len(rows) <= 1000, "more than anybody looks at"


@pytest.mark.parametrize("title", PANELS)
async def test_a_panel_shows_only_the_chosen_sources(title: str, reader: asyncpg.Connection) -> None:
    assert len(await reader.fetch(statement(title, ("nobody",)))) in {0, 1, 6}, "counts of nothing, or no rows"
    both, one = await reader.fetch(statement(title)), await reader.fetch(statement(title, SOURCES[1:]))
    assert [tuple(row) for row in both] != [tuple(row) for row in one]


@pytest.mark.parametrize("title", [title for title, panel in PANELS.items() if panel["type"] == "timeseries"])
async def test_a_panel_over_time_has_a_time_and_keeps_to_what_is_chosen(title: str, reader: asyncpg.Connection) -> None:
    rows = await reader.fetch(statement(title))
    times = [row["time"] for row in rows]
    assert times == sorted(times)
    assert min(times).timestamp() >= WINDOW.begin - 86_400
    assert PANELS[title]["targets"][0]["format"] == "time_series"


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_reads_nothing_but_reports(title: str) -> None:
    sql = PANELS[title]["targets"][0]["rawSql"]
    assert re.findall(r"\b(?:from|join)\s+(\w+)\.", sql)
    assert set(re.findall(r"\b(?:from|join)\s+(\w+)\.", sql)) == {"report"}
    assert "${source:sqlstring}" in sql


async def test_figures_agree_with_the_problems_themselves(reader: asyncpg.Connection) -> None:
    """Counted a second way, from the current rows."""
    [row] = await reader.fetch(
        """
        select
            count(*) filter (where status not in ('resolved', 'closed', 'cancelled', 'rejected')) as open,
            count(*) filter (where status in ('held', 'pending')) as waiting
        from report.service_problem
        where deleted_at is null
        """
    )
    assert await reader.fetchval(statement("Open")) == row["open"] > 0
    assert await reader.fetchval(statement("Held or pending")) == row["waiting"]
    assert sum(each["problems"] for each in await reader.fetch(statement("Open by status"))) == row["open"]
    ages = await reader.fetch(statement("Open by age and priority"))
    assert sum(sum(value for value in each.values() if isinstance(value, int)) for each in ages) == row["open"]
    backlog = await reader.fetch(statement("Open at the end of the day"))
    assert sum(each["open"] for each in backlog if each["time"] == backlog[-1]["time"]) == row["open"]
    services = await reader.fetch(statement("Services with the most open problems"))
    assert sum(each["problems"] for each in services) == row["open"], "each has one service, of seven"
