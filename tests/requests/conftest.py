"""A worker with the sources of a rig, and a way to ask it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.storage import request as requests
from bridge.storage.database import Database
from bridge.storage.request import RequestState

Ask = Callable[..., Awaitable[int]]


@pytest.fixture
def worker_for() -> Callable[[Any], RequestWorker]:
    """Make the worker of a rig; it has the lease where the rig has it."""

    def make(rig: Any) -> RequestWorker:
        handlers = RequestHandlers({rig.source.name: rig.source}, rig.database, rig.metrics)
        return RequestWorker(handlers, rig.database, rig.metrics, rig.source.fence)

    return make


@pytest.fixture
def ask(database: Database) -> Ask:
    """Ask for a kind of request of the source *sim* (`source=None`: of every source)."""

    async def asked(kind: Any, source: str | None = "sim", **arguments: Any) -> int:
        async with database.transaction() as connection:
            source_id = await connection.fetchval("select id from bridge.source where name = $1", source)
            return (await requests.ask(connection, source_id, kind, "anna", arguments))[0]

    return asked


@pytest.fixture
def state_of(database: Database) -> Callable[[int], Awaitable[RequestState]]:
    """The state of the request with this number, while it is the latest of its kind."""

    async def found(number: int) -> RequestState:
        async with database.connection() as connection:
            [state] = [one for one in await requests.latest(connection) if one.id == number]
            return state

    return found
