"""`status`: what every source is doing, as a table for people and as JSON for programs."""

import re
import signal
from typing import Any

import asyncpg
import orjson
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio


async def test_it_tells_of_every_source_while_the_bridge_runs_and_afterwards(
    dsn: str, start: Any, call: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=4) as sim:
        config = configured(dsn=dsn, sources={"quiet": {"url": sim.url, "push": False}, "snow": {"url": sim.url}})

        async def settled() -> bool:
            said = orjson.loads((await call("status", "--json", "--config", config)).out)
            rows = {row["name"]: row for row in said["sources"]}
            return [(row["mode"], row["problems"]) for row in rows.values()] == [("poll", 4), ("push", 5)] and rows[
                "snow"
            ]["last_push_at"] is not None

        async with start("run", "--config", config) as program:
            await program.logged("registered", source="snow")
            await program.logged("polled", source="snow")
            sim.faults.operations, sim.faults.down = {"list", "get"}, True
            await sim.create(description="no light")
            await eventually(settled)
            assert await program.stopped(signal.SIGTERM) == 0
        said = orjson.loads((await call("status", "--json", "--config", config)).out)["sources"]
        assert [row["registered"] for row in said] == [False, True]
        assert said[1]["lag_seconds"] >= 0


@pytest.mark.parametrize("columns", [80, 120])
async def test_the_table_fits_and_says_below_what_needs_a_person(
    dsn: str, call: Any, configured: Any, columns: int
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("""
        insert into bridge.source (name, mode, last_push_at, last_error, last_error_at) values
            ('a-source-with-a-rather-long-name', 'fallback', now() - interval '3 hours', null, null),
            ('snow', 'push', now(), 'answered [/red] 500', now() - interval '5 minutes');
        insert into bridge.dead_letter (source_id, received_at, last_received_at, reason, detail, digest, raw)
        select id, now(), now(), 'not_json', 'x', 'x', 'x' from bridge.source where name = 'snow';
        insert into bridge.watermark (source_id, kind, started_at, finished_at)
        select id, 'poll', now(), now() - interval '2 days' from bridge.source;
        insert into bridge.push_outcome (source_id, hour, missed, late)
        select id, date_trunc('hour', now()), 3, 1 from bridge.source where name = 'snow';
        insert into bridge.push_outcome (source_id, hour, missed, late)
        select id, now() - interval '2 days', 100, 0 from bridge.source where name = 'snow';
        update bridge.source set fallback_reason = 'not registered at its hub' where mode = 'fallback';
        update bridge.source set failing_jobs = '{"poll": {"failures": 1, "failed_at": null, "error": "boom"}}';
        set application_name = 'a bridge that runs';
        insert into bridge.lease (name, holder, token, taken_at, renewed_at, expires_at)
        values ('jobs', 'a bridge that runs', 1, now(), now(), now() + interval '1 hour')
    """)
    config = configured(dsn=dsn, sources={"snow": {"url": "http://127.0.0.1:9/v4"}})
    answer = await call("status", "--config", config, env={"COLUMNS": str(columns)})
    await connection.close()
    assert answer.status == 0
    assert max(map(len, answer.out.splitlines())) <= columns
    text = " ".join(answer.out.split())
    assert "3 h 3 h 2 d - -" in text
    assert "snow: the job poll failed 1 time in a row: boom" in text
    assert "no bridge is running" not in text
    assert "snow: 1 dead letter: see `tmf656-bridge dead-letters list`" in text
    assert "snow: 5 min ago: answered [/red] 500" in text
    assert "a-source-with-a-rather-long-name: is not in this configuration; `tmf656-bridge forget a-source-" in text
    assert "not registered at its hub; it is polled instead" in text
    assert "snow: push missed 3 changes within 24 h, 75.0%; polls found them" in text


async def test_f1_without_a_running_bridge_it_says_so_and_no_mode(
    dsn: str, start: Any, call: Any, configured: Any
) -> None:
    never = await call("status", "--config", configured(dsn=dsn))
    assert "no bridge is running, none ever led on this database: `tmf656-bridge run`" in never.out
    async with Simulator(population=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config) as program:
            await program.logged("polled", source="snow")
            running = orjson.loads((await call("status", "--json", "--config", config)).out)
            assert await program.stopped(signal.SIGTERM) == 0
    assert running["bridge"]["running"] is True
    answer = await call("status", "--config", config)
    assert answer.status == 0
    assert re.search(r"no bridge is running, last led \d+ s ago: `tmf656-bridge run`", answer.out)
    assert "stopped" in answer.out
    assert "fallback" not in answer.out
    stopped = orjson.loads((await call("status", "--json", "--config", config)).out)
    assert stopped["bridge"]["running"] is False
    assert stopped["bridge"]["last_led_seconds_ago"] >= 0


@pytest.mark.parametrize(("number", "said"), [(1, "push missed 1 change within"), (2, "push missed 2 changes within")])
async def test_f14_one_is_not_many(dsn: str, call: Any, configured: Any, number: int, said: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("insert into bridge.source (name) values ('snow')")
    await connection.execute(
        "insert into bridge.push_outcome (source_id, hour, missed, late) "
        "select id, date_trunc('hour', now()), $1, 0 from bridge.source",
        number,
    )
    await connection.close()
    answer = await call("status", "--config", configured(dsn=dsn))
    assert said in answer.out


async def test_no_source_yet_is_said_with_what_to_do(dsn: str, call: Any, configured: Any) -> None:
    answer = await call("status", "--config", configured(dsn=dsn))
    assert answer.status == 0
    assert "bridge.toml" in answer.out


async def test_where_there_are_no_data_it_says_so_and_makes_none(call: Any, configured: Any, tmp_path: Any) -> None:
    config = configured()
    for command in (["status"], ["psql"], ["dead-letters", "list"]):
        answer = await call(*command, "--config", config)
        assert answer.status == 1
        assert f"there are no data in {tmp_path / 'data'} yet" in answer.err
    assert not (tmp_path / "data").exists()
