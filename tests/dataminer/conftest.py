"""Clients of the simulated DataMiner, over real HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bridge.dataminer.api_client import TicketRoutesClient
from bridge.dataminer.web_client import WebServicesClient
from bridge.settings import DataminerApiSettings, DataminerSettings
from bridge.simulator.dataminer.simulator import DataminerSimulator

Open = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def routes() -> Open:
    """Call it with a simulator (and settings) for a client of the routes."""

    @asynccontextmanager
    async def opened(sim: DataminerSimulator, **settings: Any) -> AsyncIterator[TicketRoutesClient]:
        given = {"url": sim.url, "token": sim.routes.token or "", "write": True} | settings
        async with TicketRoutesClient("dma2", DataminerApiSettings.model_validate(given)) as client:
            yield client

    return opened


@pytest.fixture
def services() -> Open:
    """Call it with a simulator (and settings) for a client of Web Services v1."""

    @asynccontextmanager
    async def opened(sim: DataminerSimulator, **settings: Any) -> AsyncIterator[WebServicesClient]:
        login = {"username": sim.services.username or "", "password": sim.services.password or ""}
        given = {"url": sim.url, "ticket_type": "SES", "write": True} | login | settings
        async with WebServicesClient("dma", DataminerSettings.model_validate(given)) as client:
            yield client

    return opened


@pytest.fixture
def answering() -> Open:
    """Call it with a document for the address of a server that answers nothing else."""

    @asynccontextmanager
    async def opened(document: Any, status: int = 200) -> AsyncIterator[str]:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response(document, status=status)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    return opened
