"""A client of a simulated instance over real HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from bridge.servicenow.client import TableClient
from bridge.settings import ServiceNowSettings
from bridge.simulator.servicenow.simulator import ServiceNowSimulator

Reading = Callable[..., AbstractAsyncContextManager[TableClient]]


@pytest.fixture
def reading() -> Reading:
    """Open a client of an instance: `async with reading(sim, journals="display") as client`."""

    @asynccontextmanager
    async def opened(sim: ServiceNowSimulator, **source: Any) -> AsyncIterator[TableClient]:
        read = ServiceNowSettings.model_validate({"url": sim.url, "request_timeout_seconds": 30, **source})
        async with TableClient("snow", read) as client:
            yield client

    return opened
