"""What a command does in one transaction on the configured database."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bridge.bootstrap import ensure_schema, open_database
from bridge.cli.options import on_loop, require_data
from bridge.settings import Settings
from bridge.storage.database import Connection

T = TypeVar("T")


def in_transaction(settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` and return what it returns."""
    require_data(settings)

    async def run() -> T:
        async with open_database(settings, join=True, wait=False) as place:
            await ensure_schema(place)
            async with place.database.transaction() as connection:
                return await work(connection)

    return on_loop(run)
