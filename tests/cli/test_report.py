"""`report`: the cookbook from the command line."""

import csv
import io
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.storage.cookbook import cookbook
from bridge.storage.database import Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio


async def test_without_a_name_every_report_is_listed_with_its_parameters(call: Any, configured: Any) -> None:
    answer = await call("report", "--config", configured())
    assert answer.status == 0
    for query in cookbook().values():
        assert query.name in answer.out
        assert all(f"--set {parameter.name}=" in answer.out for parameter in query.parameters)


async def test_f15_a_report_is_a_table_or_csv_with_parameters(dsn: str, call: Any, configured: Any) -> None:
    config = configured(dsn=dsn)
    flow = await call("report", "daily_flow", "--csv", "--set", "days=3", "--config", config)
    assert (flow.status, flow.err) == (0, "")
    [head, *_] = csv.reader(io.StringIO(flow.out))
    assert "created" in head
    table = await call("report", "daily_flow", "--config", config)
    assert table.status == 0
    assert "created" in table.out


@pytest.mark.parametrize("name", sorted(cookbook()))
async def test_every_report_runs(dsn: str, call: Any, configured: Any, name: str) -> None:
    needed = [f"--set={each.name}=x" for each in cookbook()[name].parameters if each.needed]
    answer = await call("report", name, "--csv", *needed, "--config", configured(dsn=dsn))
    assert (answer.status, answer.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["dayly_flow"], 1, "there is no report 'dayly_flow'; did you mean daily_flow?: see `tmf656-bridge report`"),
        (["daily_flow", "--set", "day=7"], 2, "there is no parameter 'day'; did you mean days?; daily_flow has days"),
        (["story", "--set", "id=SP-1"], 2, "the report story needs --set source=… (name of the source of the problem)"),
        (["daily_flow", "--set", "days"], 2, "--set days: write NAME=VALUE, for example days=7"),
    ],
)
async def test_a_wrong_name_or_parameter_is_named_with_the_likely_one(
    call: Any, configured: Any, arguments: list[str], status: int, said: str
) -> None:
    answer = await call("report", *arguments, "--config", configured(), env={"COLUMNS": "400"})
    assert answer.status == status
    assert said in " ".join(answer.err.replace("│", "").split())


async def test_a_value_that_the_query_cannot_take_is_said_with_the_parameter(
    dsn: str, call: Any, configured: Any
) -> None:
    answer = await call("report", "daily_flow", "--set", "days=many", "--config", configured(dsn=dsn))
    assert answer.status == 1
    assert "days=many" in answer.err
    assert "Traceback" not in answer.err


async def test_the_query_itself_can_be_had(call: Any, configured: Any) -> None:
    answer = await call("report", "daily_flow", "--sql", "--config", configured())
    assert answer.status == 0
    assert "select" in answer.out


async def test_rows_too_wide_for_the_terminal_are_shown_as_blocks(
    dsn: str, database: Database, call: Any, configured: Any
) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        for problem_id in ("SP-1", "SP-2"):
            problem = {"id": problem_id, "status": "held", "description": "no light in the whole of Bordeaux"}
            seen = wire.read_problem(problem, asked_at=datetime.now(UTC), via=Via.POLL)
            await store(connection, [Entry(1, seen)])
    narrow = await call("report", "export", "--config", configured(dsn=dsn), env={"COLUMNS": "80"})
    blocks = [[line.split() for line in block.splitlines()] for block in re.split(r"\n *\n", narrow.out.strip())]
    assert [["id", "SP-1"] in blocks[0], ["id", "SP-2"] in blocks[1], len(blocks)] == [True, True, 2]
    assert all(["status", "held"] in block for block in blocks)
    wide = await call("report", "export", "--config", configured(dsn=dsn), env={"COLUMNS": "400"})
    assert wide.out.split()[:3] == ["source", "id", "name"]
