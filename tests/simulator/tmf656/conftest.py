"""A receiver of notifications and an HTTP client, both real."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web


class Receiver:
    """Takes notifications on any path and keeps them; `status` is what it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 201
        self.paths: list[str] = []
        self.events: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        self.events.append(await request.json())
        return web.Response(status=self.status)

    @property
    def problems(self) -> list[dict[str, Any]]:
        return [event["event"]["serviceProblem"] for event in self.events]

    @property
    def types(self) -> list[str]:
        return [event["eventType"] for event in self.events]


@asynccontextmanager
async def _receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/{tail:.*}", receiver.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def open_receiver() -> Callable[[], Any]:
    """Call it for a context manager that yields a listening Receiver."""
    return _receiving


@pytest.fixture
def subscribe() -> Callable[..., Any]:
    """Register a callback at a simulator's hub over HTTP and return the subscription."""

    async def register(sim: Any, callback: str, **more: Any) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{sim.url}/hub", json={"callback": callback, "@type": "Hub", **more}) as answer,
        ):
            assert answer.status == 201
            return await answer.json()

    return register


@pytest.fixture
def call() -> Callable[..., Any]:
    """Make one request; return (status, headers, decoded body or None)."""

    async def request(method: str, url: str, **options: Any) -> tuple[int, Any, Any]:
        async with aiohttp.ClientSession() as session, session.request(method, url, **options) as answer:
            raw = await answer.read()
            return answer.status, answer.headers, await answer.json() if raw else None

    return request
