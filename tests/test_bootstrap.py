"""What all commands begin with: the database that is configured, its schema, and signals."""

import os
import signal
import subprocess
import sys

import anyio
import pytest

from bridge.bootstrap import (
    client_for,
    ensure_schema,
    open_database,
    public_url,
    run_until_signal,
    source_of,
    source_state_for,
    writer_for,
)
from bridge.dataminer.api_client import TicketRoutesClient
from bridge.dataminer.web_client import WebServicesClient
from bridge.errors import PermanentError, SchemaError
from bridge.servicenow.writer import TableWriter
from bridge.settings import Settings
from bridge.storage.database import Database
from bridge.telemetry.metrics import Metrics
from bridge.tmf656.problem_writer import ProblemWriter

pytestmark = pytest.mark.anyio


def settings(dsn: str = "", **http: object) -> Settings:
    where = dsn if "://" in dsn or not dsn else dsn.replace(":/", ":///", 1)
    sources = {"snow": {"url": "http://snow.example/v4"}}
    return Settings.model_validate({"database": {"dsn": where}, "http": http, "sources": sources})


async def test_a_configured_database_is_opened_and_its_schema_checked(dsn: str) -> None:
    async with open_database(settings(dsn), wait=False) as place:
        assert (place.bin_dir, place.owned) == (None, False)
        await ensure_schema(place)


async def test_the_schema_of_a_configured_database_is_not_made_by_the_way(empty_dsn: str) -> None:
    async with open_database(settings(empty_dsn), wait=False) as place:
        with pytest.raises(SchemaError, match="tmf656-bridge migrate"):
            await ensure_schema(place)
        async with place.database.connection() as connection:
            assert await connection.fetchval("select to_regnamespace('bridge')") is None


def test_a_source_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert source_of(settings(), "snow").url == "http://snow.example/v4"
    with pytest.raises(PermanentError, match=r"no source 'rain' in the configuration \(there are: snow\)"):
        source_of(settings(), "rain")


def test_callbacks_are_built_from_the_configured_address_else_from_where_we_listen() -> None:
    assert public_url(settings(), "http://127.0.0.1:5") == "http://127.0.0.1:5"
    assert public_url(settings(public_url="https://us.example/x"), "http://127.0.0.1:5") == "https://us.example/x"


class Process:
    """Runs until it is stopped, and notes its signals."""

    def __init__(self) -> None:
        self.signals: list[str] = []
        self.news = anyio.Event()

    async def run(self) -> None:
        for number, word in ((signal.SIGHUP, "reload"), (signal.SIGTERM, "stop")):
            self.news = anyio.Event()
            os.kill(os.getpid(), number)
            with anyio.fail_after(30):
                await self.news.wait()
            assert self.signals[-1] == word

    def stop(self) -> None:
        self.signals.append("stop")
        self.news.set()

    async def reload(self) -> None:
        self.signals.append("reload")
        self.news.set()


async def test_a_signal_stops_or_reloads_and_never_has_its_default_effect() -> None:
    process, before = Process(), signal.getsignal(signal.SIGHUP)
    try:
        await run_until_signal(process)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.signals == ["reload", "stop"]


@pytest.mark.parametrize(
    ("source", "writer"),
    [
        ({"kind": "tmf656"}, ProblemWriter),
        ({"kind": "servicenow"}, TableWriter),
        ({"kind": "dataminer"}, WebServicesClient),
        ({"kind": "dataminer-api"}, TicketRoutesClient),
    ],
)
async def test_each_kind_has_its_writer(database: Database, source: dict[str, str], writer: type) -> None:
    table = {"url": "http://127.0.0.1:9", "settle_seconds": 7} | source
    configured = Settings.model_validate({"sources": {"snow": table}}).sources["snow"]
    metrics = Metrics()
    async with client_for("snow", configured, metrics) as client:
        state = await source_state_for("snow", configured, database, client, "http://127.0.0.1:8656", metrics)
        made = writer_for(state)
        assert isinstance(made, writer)
        assert made.capabilities.settle_seconds == 7


def test_what_is_not_configured_is_not_imported() -> None:
    """A kind of source, links and the embedded Postgres each take a part of every start; most bridges need few."""
    code = "import sys, bridge.cli.run; print(*(name for name in sys.modules if name.startswith('bridge.')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    unneeded = ("bridge.links", "bridge.servicenow", "bridge.dataminer", "bridge.postgres", "bridge.web.console")
    assert [name for name in found.stdout.split() if name.startswith(unneeded)] == []
