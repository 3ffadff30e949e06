"""The real program, its database behind a gate that can be shut, and a sender that remembers what was answered."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import anyio
import orjson
import pytest

from bridge.app import Bridge, RunningBridge
from bridge.settings import Settings
from bridge.simulator.tmf656.background import background
from tests.faults.proxy import Proxy

PATIENCE_SECONDS = 60
SECRET = "s" * 32


@pytest.fixture
async def gate(dsn: str) -> AsyncIterator[Proxy]:
    """A proxy in front of this test's database; `gate.dsn` leads through it."""
    parts = urlsplit(dsn)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    gate = Proxy(f"{options['host']}/.s.PGSQL.{options.get('port', '5432')}")
    await gate.open()
    user = quote(options.get("user", "postgres"))
    gate.dsn = f"postgresql://{user}@127.0.0.1:{gate.port}{parts.path}?sslmode=disable"
    yield gate
    gate.flow()
    await gate.shut()


def _rests(running: RunningBridge, listening: int) -> bool:
    """Is the first poll over, and nothing under way in the database? `listening`: connections that always are."""
    polls = [one.value for family in running.metrics.polls.collect() for one in family.samples]
    return sum(polls) > 0 and running.postgres.database.figures()["used"] <= listening


@asynccontextmanager
async def bridge_at(dsn: str, data_dir: Path, **more: Any) -> AsyncIterator[RunningBridge]:
    """Run a bridge with one source that nobody answers for, so that everything comes by push."""
    settings = {
        "data_dir": str(data_dir),
        "database": {"dsn": dsn},
        "http": {"port": 0, "answer_timeout_seconds": 1},
        "sources": {"snow": {"url": "http://127.0.0.1:9/v4", "push": False, "callback_secret": SECRET}},
    } | more
    ready = anyio.Event()
    running: list[RunningBridge] = []

    def on_ready(it: RunningBridge) -> None:
        running.append(it)
        ready.set()

    bridge = Bridge(Settings.model_validate(settings), on_ready=on_ready)
    over = anyio.Event()

    async def live() -> None:
        await bridge.run()
        over.set()

    async with background() as tasks:
        tasks.start_soon(live)
        with anyio.fail_after(PATIENCE_SECONDS):
            await ready.wait()
            while not _rests(running[0], listening=int("links" in more)):  # noqa: ASYNC110 -- jobs that rest send no signal
                await anyio.sleep(0.02)
        try:
            yield running[0]
        finally:
            bridge.stop()
            with anyio.fail_after(PATIENCE_SECONDS, shield=True):
                await over.wait()


@pytest.fixture
def bridge(gate: Proxy, tmp_path: Path) -> Callable[..., Any]:
    """Run a bridge through the gate: `async with bridge() as running`."""
    return lambda **more: bridge_at(gate.dsn, tmp_path, **more)


@pytest.fixture(name="bridge_at")
def any_bridge() -> Callable[..., Any]:
    """Run a bridge on any database: `async with bridge_at(dsn, data_dir) as running`."""
    return bridge_at


@dataclass(slots=True)
class Sender:
    """Posts events, each about a problem of its own, and remembers which were answered with success."""

    session: aiohttp.ClientSession
    answered: list[str] = field(default_factory=list)
    refused: list[tuple[int, str | None]] = field(default_factory=list)
    number: int = 0

    async def post(self, url: str, *, about: str = "") -> int:
        """Post an event that is newer than all before, `about` this problem or one of its own."""
        self.number += 1
        event_id, at = f"e-{self.number}", datetime.now(UTC).isoformat()
        problem = {
            "id": about or f"SP-{self.number}",
            "status": "held",
            "lastUpdate": at,
            "category": "c",
            "priority": 1,
        }
        body = orjson.dumps(
            {
                "eventId": event_id,
                "eventTime": at,
                "eventType": "ServiceProblemCreateEvent",
                "event": {"serviceProblem": problem},
            }
        )
        async with self.session.post(f"{url}/listener/snow/{SECRET}", data=body) as answer:
            if answer.status in (200, 201, 204):
                self.answered.append(event_id)
            else:
                self.refused.append((answer.status, answer.headers.get("Retry-After")))
            return answer.status


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    """A sender."""
    async with aiohttp.ClientSession() as session:
        yield Sender(session)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Wait until an awaited condition holds; return what it returned."""

    async def waiting(condition: Callable[[], Any]) -> Any:
        with anyio.fail_after(PATIENCE_SECONDS):
            while not (result := await condition()):  # noqa: ASYNC110 -- a database sends no signal
                await anyio.sleep(0.02)
        return result

    return waiting
