"""`run` as a real process: it starts, waits, refuses, stops and leaves what it should."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import orjson
import pytest

from bridge.postgres.embedded import embedded
from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

SECRET = "a-callback-secret-for-tests"


async def ask(dsn: str, query: str, *values: Any) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def forwarding(held: socket.socket, unix_path: str) -> AsyncIterator[None]:
    """Let a TCP port lead to a Unix socket from now on."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(unix_path)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    async with await asyncio.start_server(joined, sock=held.dup()):
        yield


async def test_it_starts_registers_receives_and_ends_with_status_0_on_sigterm(
    dsn: str, start: Any, configured: Any, get: Any, eventually: Any, family_of: Any, living: Any
) -> None:
    async with Simulator(population=5) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config) as program:
            url = (await program.logged("ready"))["url"]
            status, text, _ = await get(f"{url}/readyz")
            assert (status, orjson.loads(text)) == (200, {"ready": True, "state": "ready", "missing": []})
            await program.logged("registered", source="snow")
            await eventually(lambda: ask(dsn, "select count(*) = 5 from report.service_problem"))
            problem = await sim.create(description="no light")
            await eventually(lambda: ask(dsn, "select 1 from report.service_problem where id = $1", problem["id"]))
            await eventually(lambda: ask(dsn, "select count(*) = 6 from report.service_problem"))
            assert await ask(dsn, "select count(*) from report.notification where outcome = 'applied'") == 1
            family = family_of(program.pid)
            assert await program.stopped(signal.SIGTERM) == 0
            assert living(family) == set()
        assert len(sim.subscriptions) == 1, "a plain stop leaves the registration, so that a restart misses nothing"


async def test_a_registration_that_stands_is_used_again_by_the_next_run(dsn: str, start: Any, configured: Any) -> None:
    async with Simulator() as sim:
        sim.faults.hub_readable = True
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}}, public_url="http://127.0.0.1:9")
        async with start("run", "--config", config) as program:
            first = await program.logged("registered")
            assert await program.stopped(signal.SIGINT) == 0
        async with start("run", "--config", config) as program:
            assert (await program.logged("already registered"))["hub_id"] == first["hub_id"]
            assert await program.stopped(signal.SIGTERM) == 0
        assert list(sim.subscriptions) == [first["hub_id"]]


async def test_unsubscribe_deletes_the_registration_when_it_stops(dsn: str, start: Any, configured: Any) -> None:
    async with Simulator() as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--unsubscribe", "--config", config) as program:
            await program.logged("registered")
            assert len(sim.subscriptions) == 1
            assert await program.stopped(signal.SIGTERM) == 0
        assert sim.subscriptions == {}
    assert await ask(dsn, "select count(*) from bridge.subscription where state = 'active'") == 0


async def test_hubs_that_do_not_answer_do_not_keep_it_from_stopping(dsn: str, start: Any, configured: Any) -> None:
    async with Simulator() as sim:
        sources = {name: {"url": sim.url} for name in ("snow", "rain")}
        async with start("run", "--unsubscribe", "--config", configured(dsn=dsn, sources=sources)) as program:
            for name in sources:
                await program.logged("registered", source=name)
            sim.faults.slow_seconds = 60
            assert await program.stopped(signal.SIGTERM) == 0
            for name in sources:
                await program.logged("cannot deregister", source=name)


async def test_with_its_own_postgres_it_makes_the_schema_and_ends_everything_on_sigint(
    start: Any, configured: Any, get: Any, tmp_path: Path, family_of: Any, living: Any, processes_naming: Any
) -> None:
    async with Simulator(population=3) as sim:
        config = configured(sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config, fresh=True) as program:
            await program.logged("migrated")
            url = (await program.logged("ready"))["url"]
            assert (await get(f"{url}/readyz"))[0] == 200
            family = family_of(program.pid)
            assert len(family) > 1, "Postgres is a child"
            assert await program.stopped(signal.SIGINT) == 0
            assert living(family) == set()
    assert processes_naming(tmp_path) == []


async def test_a_signal_during_the_start_ends_it_with_status_0(
    start: Any, configured: Any, tmp_path: Path, processes_naming: Any
) -> None:
    async with start("run", "--config", configured(), fresh=True) as program:
        await program.logged("listening")
        assert await program.stopped(signal.SIGTERM) == 0
    assert processes_naming(tmp_path) == []


async def test_without_postgres_it_is_alive_and_not_ready_and_goes_on_when_postgres_comes(
    dsn: str, start: Any, configured: Any, get: Any, held_port: socket.socket
) -> None:
    where = urlsplit(dsn)
    unix_path = f"{parse_qs(where.query)['host'][0]}/.s.PGSQL.5432"
    late = f"postgresql://postgres@127.0.0.1:{held_port.getsockname()[1]}{where.path}?sslmode=disable"
    async with Simulator(population=2) as sim:
        config = configured(dsn=late, sources={"snow": {"url": sim.url, "callback_secret": SECRET}})
        async with start("run", "--config", config) as program, aiohttp.ClientSession() as session:
            url = (await program.logged("listening"))["url"]
            await program.logged("waiting for postgres")
            assert (await get(f"{url}/livez"))[0] == 200
            status, text, _ = await get(f"{url}/readyz")
            assert status == 503
            assert "Postgres" in text
            async with session.post(f"{url}/listener/snow/{SECRET}", data=b"{}") as answer:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) >= 1
            assert sim.subscriptions == {}, "nothing is registered before what it brings can be stored"
            async with forwarding(held_port, unix_path):
                await program.logged("postgres is back")
                await program.logged("ready")
                assert (await get(f"{url}/readyz"))[0] == 200
                await program.logged("registered")
                assert await program.stopped(signal.SIGTERM) == 0


async def test_it_can_be_stopped_while_it_waits_for_postgres(
    start: Any, configured: Any, held_port: socket.socket
) -> None:
    dsn = f"postgresql://postgres@127.0.0.1:{held_port.getsockname()[1]}/x"
    async with start("run", "--config", configured(dsn=dsn)) as program:
        await program.logged("waiting for postgres")
        assert await program.stopped(signal.SIGTERM) == 0


async def test_a_port_that_is_taken_ends_it_with_status_1_and_names_the_key(
    dsn: str, start: Any, configured: Any, held_port: socket.socket
) -> None:
    held_port.listen()
    port = held_port.getsockname()[1]
    async with start("run", "--config", configured(dsn=dsn, port=port)) as program:
        assert await program.ended() == 1
        [error] = [line for line in program.err if line.startswith("error:")]
        assert f"127.0.0.1:{port}" in error
        assert "http.port" in error


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("drop schema bridge_migration cascade", "tmf656-bridge migrate"),
        ("delete from bridge_migration.applied", "tmf656-bridge migrate"),
        (
            "insert into bridge_migration.applied (version, name, checksum, breaking) values (9999, 'new', 'x', true)",
            "install the newer tmf656-bridge",
        ),
        ("update bridge_migration.applied set checksum = 'x'", "install the release that matches"),
    ],
    ids=["missing", "older", "newer", "altered"],
)
async def test_another_schema_than_its_own_ends_it_with_status_1_and_what_to_do(
    dsn: str, call: Any, configured: Any, change: str, named: str
) -> None:
    await execute(dsn, change)
    answer = await call("run", "--config", configured(dsn=dsn))
    assert answer.status == 1
    [error] = [line for line in answer.err.splitlines() if line.startswith("error:")]
    assert named in error
    assert "Traceback" not in answer.err


async def test_a_data_directory_in_use_ends_it_with_status_1_and_names_the_process(
    call: Any, configured: Any, tmp_path: Path
) -> None:
    config = configured()
    async with embedded(tmp_path / "data"):
        answer = await call("run", "--config", config)
    assert answer.status == 1
    assert "is in use by process" in answer.err
    assert "Traceback" not in answer.err


async def test_a7_a_table_that_is_taken_away_under_it_ends_no_process(
    start: Any, configured: Any, dsn: str, get: Any, eventually: Any
) -> None:
    """As `pg_restore --clean` does: what needs the table fails, says so and works again when it is back."""
    async with Simulator(population=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "poll_interval_seconds": 1}})
        async with start("run", "--config", config) as program:
            url = (await program.logged("ready"))["url"]
            await execute(dsn, "alter table bridge.dead_letter rename to away")

            async def failed() -> bool:
                return any(line.get("job") == "source_report" for line in program.log)

            await eventually(failed)
            await execute(dsn, "alter table bridge.away rename to dead_letter")
            problem = await sim.create(description="no light")
            await eventually(lambda: ask(dsn, "select 1 from report.service_problem where id = $1", problem["id"]))

            async def ready() -> bool:
                return bool((await get(f"{url}/readyz"))[0] == 200)

            await eventually(ready)
            assert await program.stopped(signal.SIGTERM) == 0
