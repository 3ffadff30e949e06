"""A real browser at the console: Debian's Chromium, driven by Playwright.

Without Chromium these tests are skipped. Waiting is for what a page shows, never for a time.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Request, async_playwright

from bridge.domain.observation import Via
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire
from tests.web.console.conftest import open_console  # noqa: F401 -- a fixture

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
AXE = Path(__file__).parents[1] / "peers" / "node_modules" / "axe-core" / "axe.min.js"
START = datetime(2026, 6, 1, 12, tzinfo=UTC)

requires_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not here: apt install chromium")


@dataclass
class Tab:
    """A page of the browser, what it complained of, and what it asked for."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def hear(self, said: str) -> None:
        """Keep what the browser complains of; not that a page was busy for a moment, as on a slow machine."""
        if "status of 503" not in said:
            self.complaints.append(said)

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.url}{path}")

    async def axe(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 AA and good practice."""
        await self.page.evaluate(AXE.read_text())
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = await self.page.evaluate("tags => axe.run({runOnly: tags})", tags)
        return [f"{one['id']}: {[node['html'] for node in one['nodes'][:3]]}" for one in found["violations"]]


@pytest.fixture(scope="session")
async def chromium(anyio_backend: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
def open_tab(chromium: Browser) -> Callable[..., Any]:
    """Call it with the URL of a console for a context manager that yields a tab; other arguments are Playwright's."""

    @asynccontextmanager
    async def opening(url: str, *, theme: str = "light", **options: Any) -> AsyncIterator[Tab]:
        context = await chromium.new_context(**options)
        context.set_default_timeout(20_000)
        await context.add_cookies([{"name": "bridge_theme", "value": theme, "url": url}])
        tab = Tab(await context.new_page(), url)
        tab.page.on("console", lambda said: tab.hear(f"{said.type}: {said.text}"))
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("dialog", lambda dialog: tab.complaints.append(f"dialog: {dialog.message}"))
        tab.page.on("request", lambda request: tab.requests.append(request))  # noqa: PLW0108 -- it cannot take a method
        try:
            yield tab
        finally:
            await context.close()

    return opening


@pytest.fixture
def hear(database: Database, source_id: int) -> Callable[..., Any]:
    """Store a problem of the source *sim*, as if a poll had brought it."""

    async def heard(problem_id: str, minutes: float = 0, **attributes: Any) -> None:
        at = START + timedelta(minutes=minutes)
        problem = {"id": problem_id, "status": "held", "priority": "1", "lastUpdate": at.isoformat(), **attributes}
        seen = wire.read_problem(problem, asked_at=at + timedelta(seconds=2), via=Via.POLL)
        await store_items(database, [Entry(source_id, seen)])

    return heard
