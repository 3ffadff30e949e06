"""What people do with forms, in a real browser: settings, requests, dead letters, and the page of a problem."""

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.schedule import now
from bridge.storage import dead_letter, setting
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.telemetry.metrics import Metrics
from bridge.web.console.problem_address import problem_path
from tests.browser.conftest import requires_chromium
from tests.web.console.conftest import Browser

pytestmark = [pytest.mark.anyio, requires_chromium]

URL = "https://noc.example/v4"
SECRET = "c4nary-pass-word"


@pytest.fixture
async def console(dsn: str, source_id: int, tmp_path: Path, open_console: Callable[..., Any]) -> AsyncIterator[Browser]:
    """A console that knows the source *sim*."""
    (tmp_path / "key").write_text(b64encode(bytes(32)).decode())
    settings = {"sources": {"sim": {"url": URL}}, "console": {"secret_key_file": str(tmp_path / "key")}}
    async with open_console(dsn, **settings) as browser:
        await browser.get_when_reached("/configuration")
        yield browser


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_settings_are_reviewed_confirmed_and_of_two_editors_one_is_asked_again(
    console: Browser, open_tab: Any, database: Database, script: bool
) -> None:
    async with (
        open_tab(console.url, java_script_enabled=script) as mine,
        open_tab(console.url, java_script_enabled=script) as theirs,
    ):
        for tab, seconds in ((mine, "30"), (theirs, "45")):
            await tab.open("/configuration")
            await tab.page.get_by_label("Ticket synchronisation frequency").fill(seconds)
            await tab.page.get_by_label("Username", exact=True).fill("me")
            await tab.page.get_by_label("Password (not set; replaced when filled)").fill(SECRET)
            await tab.page.get_by_role("button", name="Save…").click()
            await expect(tab.page.locator("#changes tbody tr")).to_have_count(3)
            assert SECRET not in await tab.page.content()
        for tab in (theirs, mine):
            await tab.page.get_by_label("Why?").fill("the server is slow")
            await tab.page.get_by_role("button", name="Confirm").click()
        await expect(theirs.page.get_by_text("Saved as revision 1")).to_be_visible()
        await expect(mine.page.get_by_role("heading", level=1)).to_have_text(
            "Somebody else has changed the configuration"
        )
        if script:
            assert await mine.axe() == []
        await mine.page.get_by_role("button", name="Confirm").click()
        await expect(mine.page.get_by_text("Saved as revision 2")).to_be_visible()
        row = mine.page.locator('tr[data-key="sources.sim.poll_interval_seconds"]')
        await expect(row.locator('td[data-col="value"]')).to_have_text("30")
        await expect(row.locator('td[data-col="from"]')).to_contain_text("here")
        assert SECRET not in await mine.page.content()
        assert [said for said in mine.complaints if "409" not in said] == []
    async with database.connection() as connection:
        assert (await setting.current(connection)).revision == 2


async def test_back_leads_to_the_form_as_it_was_left_and_sends_nothing_again(
    console: Browser, open_tab: Any, database: Database
) -> None:
    """A browser that finds a posted form in its history asks whether to send it once more, and shows nothing."""
    async with open_tab(console.url) as tab:
        page = tab.page
        await tab.open("/problems")
        await tab.open("/configuration")
        await page.get_by_label("Ticket synchronisation frequency").fill("30")
        await page.get_by_label("Username", exact=True).fill("me")
        await page.get_by_label("Password (not set; replaced when filled)").fill(SECRET)
        await page.get_by_role("button", name="Save…").click()
        await expect(page.locator("#changes tbody tr")).to_have_count(3)
        await page.go_back()
        await expect(page.get_by_label("Ticket synchronisation frequency")).to_have_value("30")
        await expect(page.get_by_label("Password (not set; replaced when filled)")).to_have_value(SECRET)
        await page.get_by_role("button", name="Save…").click()
        await page.get_by_role("button", name="Confirm").click()  # without a reason: the browser holds it back
        await page.get_by_label("Why?").fill("the server is slow")
        await page.get_by_role("button", name="Confirm").click()
        await expect(page.get_by_text("Saved as revision 1")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Configuration")
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Service problems")
        await page.go_forward()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Configuration")
        assert tab.complaints == []
        assert [one.method for one in tab.requests].count("POST") == 3
    async with database.connection() as connection:
        assert (await setting.current(connection)).revision == 1


async def test_a_console_that_does_not_answer_is_said_to_have_done_nobody_knows_what(
    console: Browser, open_tab: Any
) -> None:
    async with open_tab(console.url) as tab:
        await tab.open("/sources")
        await tab.page.route("**/ask", lambda route: route.abort())
        await tab.page.get_by_role("button", name="Poll now").click()
        await expect(tab.page.get_by_role("alert")).to_contain_text("not known whether this was done")


async def test_a_button_is_answered_by_the_page_itself(console: Browser, open_tab: Any, database: Database) -> None:
    async with open_tab(console.url, java_script_enabled=False) as tab:
        await tab.open("/sources")
        await tab.page.get_by_role("button", name="Poll now").click()
        await expect(tab.page.get_by_text("waiting for the process that leads")).to_be_visible()
        await RequestWorker(RequestHandlers({}, database, Metrics()), database, Metrics()).run_once()
        await expect(tab.page.locator("li[data-request=poll] strong")).to_have_text("failed")  # the page loads itself
        await expect(tab.page.get_by_text("not among the configured sources")).to_be_visible()


async def test_letters_of_a_filter_are_discarded_after_their_number_was_confirmed(
    console: Browser, open_tab: Any, database: Database, source_id: int
) -> None:
    async with database.transaction() as connection:
        for reason, raw in (("not_json", b"<b>1"), ("not_json", b"2"), ("no_problem", b"{}")):
            await dead_letter.keep(connection, [DeadLetter(source_id, now(), raw, reason, "found")])
    async with open_tab(console.url) as tab:
        await tab.open("/dead-letters")
        await tab.page.get_by_role("link", name="1", exact=True).click()
        await expect(tab.page.get_by_text("<b>1")).to_be_visible()
        assert await tab.axe() == []
        await tab.open("/dead-letters?reason=not_json")
        await tab.page.get_by_role("button", name="Discard all 2 of this filter").click()
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Discard 2 dead letters?")
        assert await tab.axe() == []
        await tab.page.get_by_role("button", name="Discard 2").click()
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Dead letters")
        await RequestWorker(RequestHandlers({}, database, Metrics()), database, Metrics()).run_once()
        await expect(tab.page.get_by_text("2 discarded")).to_be_visible()
        assert await tab.axe() == []
        await expect(tab.page.locator("#dead-letters tbody tr")).to_have_count(0)
        await tab.open("/dead-letters")
        await expect(tab.page.locator("#dead-letters tbody tr")).to_have_count(1)
        assert tab.complaints == []


async def test_the_page_of_a_problem_is_read_and_filtered(console: Browser, hear: Any, open_tab: Any) -> None:
    await hear("a/b", 0, status="acknowledged", note=[{"id": "1", "text": "seen"}])
    await hear("a/b", 5, status="held", note=[{"id": "1", "text": "seen"}])
    await hear("a/b", 9, status="held", note=[{"id": "1", "text": "seen"}, {"id": "2", "text": "waiting"}])
    async with open_tab(console.url) as tab:
        await tab.open(problem_path("sim", "a/b"))
        await expect(tab.page.locator("ol.timeline > li")).to_have_count(3)
        await tab.page.get_by_role("link", name="notes", exact=True).click()
        await expect(tab.page.locator("ol.timeline > li")).to_have_count(2)
        await expect(tab.page.locator("ol.timeline ins").first).to_contain_text("waiting")
        await tab.page.locator("summary").filter(has_text="acknowledged 5 min").click()
        await expect(tab.page.locator("#intervals tbody tr")).to_have_count(2)
        await tab.page.get_by_role("link", name="version 5").click()
        await expect(tab.page.locator("pre")).to_contain_text('"id": "a/b"')
        assert await tab.axe() == []
        assert tab.complaints == []
