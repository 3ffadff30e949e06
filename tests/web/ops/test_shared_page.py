"""A page is made one at a time and rarely, and everybody gets one that was made since they asked (E1)."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from bridge.errors import TransientError
from bridge.web.ops.health import Readiness, ops_pages
from bridge.web.ops.shared_page import SharedPage
from bridge.web.server import ServerOptions, serving

pytestmark = pytest.mark.anyio


class Counting:
    """Makes pages with the number of the page, one at a time."""

    def __init__(self) -> None:
        self.made = self.at_once = 0
        self.may = anyio.Event()
        self.may.set()

    async def make(self, *_: Any) -> tuple[bytes, str]:
        self.at_once += 1
        try:
            assert self.at_once == 1
            await self.may.wait()
        finally:
            self.at_once -= 1
        self.made += 1
        return b"%d" % self.made, "text/plain"


async def test_all_that_wait_share_the_next_page() -> None:
    counting = Counting()
    counting.may = anyio.Event()
    shared = SharedPage(counting.make, every_seconds=0.01)
    got: list[bytes] = []

    async def ask() -> None:
        got.append((await shared.get())[0])

    async with anyio.create_task_group() as asking:
        asking.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        for _ in range(300):
            asking.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        counting.may.set()
    assert got == [b"1"] + [b"2"] * 300  # the first was begun before the others asked


async def test_a_page_that_fails_fails_for_one_and_the_next_one_tries_again() -> None:
    counting = Counting()
    failures = [TransientError("away")]

    async def make() -> tuple[bytes, str]:
        if failures:
            raise failures.pop()
        return await counting.make()

    shared = SharedPage(make, every_seconds=0)
    with pytest.raises(TransientError):
        await shared.get()
    assert await shared.get() == (b"1", "text/plain")


async def test_one_that_leaves_while_the_page_is_made_takes_nobody_along() -> None:
    counting = Counting()
    counting.may = anyio.Event()
    shared = SharedPage(counting.make, every_seconds=0)
    got: list[bytes] = []

    async def ask() -> None:
        got.append((await shared.get())[0])

    async with anyio.create_task_group() as staying:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            staying.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        counting.may.set()
    assert got == [b"1"]


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
async def test_e1_three_hundred_scrapers_cost_as_much_as_one(path: str, get: Callable[..., Any]) -> None:
    counting = Counting()

    async def readiness() -> Readiness:
        await counting.make()
        return Readiness("ready")

    pages = ops_pages(readiness, counting.make)
    async with serving({}, pages, ServerOptions("127.0.0.1", 0)) as running, anyio.create_task_group() as scraping:
        for _ in range(300):
            scraping.start_soon(get, f"{running.url}{path}")
    assert counting.made <= 4  # one a second, as long as connecting 300 times takes on a machine that is not idle
