"""A real HTTP client for the simulated DataMiner."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest


class Said(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: Any


@pytest.fixture
async def ask() -> AsyncIterator[Callable[..., Awaitable[Said]]]:
    """Send a request and read the answer."""
    async with aiohttp.ClientSession() as session:

        async def asking(method: str, url: str, **options: Any) -> Said:
            async with session.request(method, url, **options) as response:
                raw = await response.read()
                return Said(response.status, dict(response.headers), orjson.loads(raw) if raw else None)

        yield asking
