"""Who sends a request."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.web.console.conftest import TOKEN

pytestmark = pytest.mark.anyio


async def test_a_program_sends_the_admin_token_with_each_request(dsn: str, open_console: Callable[..., Any]) -> None:
    async with open_console(dsn, demo=False) as browser:
        assert (await browser.get("/about")).status == 303
        for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ", f"bearer{TOKEN}"):
            assert (await browser.get("/about", Authorization=wrong)).status == 303
        assert (await browser.get("/about", Authorization=f"Bearer {TOKEN}")).status == 200


async def test_the_demo_asks_nobody_but_answers_only_this_machine(dsn: str, open_console: Callable[..., Any]) -> None:
    """A page elsewhere whose name resolves to 127.0.0.1 must not read it."""
    async with open_console(dsn) as browser:
        assert "without a login" in (await browser.get("/about")).text
        for host in ("localhost:1", "127.0.0.1", "[::1]:8657"):
            assert (await browser.get("/about", Host=host)).status == 200
        for host in ("evil.example", "127.0.0.1.evil.example:8657", ""):
            assert (await browser.get("/about", Host=host)).status == 403
