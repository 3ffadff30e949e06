"""The console in a real browser: filters and back, live lists, keys, no JavaScript, narrow windows, hostile texts."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from bridge.domain.access import Permission
from bridge.settings import Settings
from bridge.storage.database import Database
from bridge.web.console.front import console_routes
from bridge.web.console.live import ChangeSignal
from bridge.web.console.login import Authenticator
from bridge.web.console.problem_address import problem_path
from tests.browser.conftest import AXE, requires_chromium
from tests.web.console.conftest import TOKEN, Browser

pytestmark = [pytest.mark.anyio, requires_chromium]

HOSTILE = ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "{{ 7 * 7 }}", '" onfocus="alert(1)']


def page_paths() -> list[str]:
    """Every page without a name in its path."""
    routes = console_routes(Authenticator(Settings()), ChangeSignal()).routes
    paths = [one.pattern for one in routes if one.method == "GET" and one.page and "{" not in one.pattern]
    return sorted(path for path in paths if path != "/" and not path.endswith(".csv"))


@pytest.fixture
async def console(dsn: str, hear: Any, open_console: Callable[..., Any]) -> AsyncIterator[Browser]:
    """A console with 60 open problems and a closed one."""
    for number in range(60):
        status = "held" if number % 3 else "inProgress"
        await hear(
            f"SP-{number:02}", number, status=status, name=f"no light on S{number}", category="system.originated"
        )
    await hear("SP-99", 99, status="closed", name="power is back")
    async with open_console(dsn) as browser:
        await browser.get_when_reached("/problems")
        yield browser


async def save_view(page: Page, name: str) -> None:
    """Keep the list that is shown under a name."""
    await page.locator("#save summary").click()
    await page.get_by_role("textbox", name="Name").fill(name)
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("link", name=name)).to_have_attribute("aria-current", "true")


async def test_a_filter_is_in_the_address_and_back_restores_it(console: Browser, open_tab: Any) -> None:
    async with open_tab(console.url) as tab:
        page = tab.page
        await tab.open("/problems?limit=25")
        await page.get_by_role("checkbox", name="held").check()
        await page.wait_for_url("**/problems?status=held&limit=25")
        await expect(page.locator("#count")).to_contain_text("40 problems")
        await page.get_by_role("link", name="Older").click()
        await expect(page.locator("#problems tbody tr")).to_have_count(15)
        await page.go_back()
        await expect(page.get_by_role("checkbox", name="held")).to_be_checked()
        await expect(page.locator("#problems tbody tr")).to_have_count(25)
        await page.go_back()
        await expect(page.get_by_role("checkbox", name="held")).not_to_be_checked()
        await expect(page.locator("#count")).to_contain_text("60 problems")
        assert tab.complaints == []


async def test_the_csv_of_a_page_has_its_rows_and_columns(console: Browser, open_tab: Any) -> None:
    async with open_tab(console.url) as tab:
        await tab.open("/problems?status=inProgress&col=id&col=name&sort=raised_asc")
        shown = await tab.page.locator('td[data-col="id"]').all_inner_texts()
        async with tab.page.expect_download() as download:
            await tab.page.get_by_role("link", name="CSV").click()
        text = (await (await download.value).path()).read_text()
        read = list(csv.DictReader(io.StringIO(text)))
        assert [row["id"] for row in read] == [one.strip() for one in shown]
        assert list(read[0]) == ["id", "name"]


async def test_a_change_appears_by_itself_and_not_while_paused(console: Browser, hear: Any, open_tab: Any) -> None:
    async with open_tab(console.url) as tab:
        page = tab.page
        await tab.open("/problems")
        live = page.locator("#live")
        await expect(live).to_have_text("Live: on")
        await hear("SP-new", 200, name="just now")
        await expect(page.locator('tr[data-key="sim/SP-new"]')).to_be_visible()
        await live.click()
        await expect(live).to_have_text("Live: paused")
        asked = len(tab.requests)
        await hear("SP-later", 201, name="later")
        await expect(page.locator("#changed")).to_contain_text("since: show")
        assert len(tab.requests) == asked
        await live.click()
        await expect(page.locator('tr[data-key="sim/SP-later"]')).to_be_visible()
        assert tab.complaints == []


async def test_the_sources_stay_up_to_date_and_keep_what_is_typed(
    console: Browser, hear: Any, open_tab: Any, database: Database
) -> None:
    await hear("SP-1")
    async with open_tab(console.url) as tab:
        page = tab.page
        await tab.open("/sources")
        mode = page.locator('#sources tr[data-key="sim"] td[data-col="dead_letters"]')
        await expect(mode).to_have_text("0")
        await page.evaluate("window.same = true")  # a page that is loaded again has another window
        async with database.transaction() as connection:
            await connection.execute(
                "insert into bridge.dead_letter "
                "(source_id, received_at, last_received_at, reason, detail, digest, raw) "
                "select id, now(), now(), 'not_json', '', 'x', 'x' from bridge.source where name = 'sim'"
            )
        await expect(mode).to_have_text("1", timeout=60_000)  # it asks again every five seconds
        assert await page.evaluate("window.same")
        assert tab.complaints == []


async def test_a_live_list_stays_while_the_console_is_busy_and_comes_up_to_date(
    console: Browser, hear: Any, open_tab: Any
) -> None:
    async with open_tab(console.url) as tab:
        page, refused = tab.page, 0

        async def busy_once(route: Route) -> None:
            nonlocal refused
            if refused or "x-live" not in route.request.headers:
                await route.fallback()
                return
            refused += 1
            await route.fulfill(status=503, body="<main id=main>busy</main>", content_type="text/html")

        await page.route("**/problems", busy_once)
        await tab.open("/problems")
        await hear("SP-new", 200, name="just now")
        await expect(page.locator('tr[data-key="sim/SP-new"]')).to_be_visible()
        await expect(page.locator("#live")).to_have_text("Live: on")
        assert refused == 1


async def test_what_is_folded_open_stays_open_over_changes(console: Browser, hear: Any, open_tab: Any) -> None:
    async with open_tab(console.url) as tab:
        page = tab.page
        await tab.open("/problems")
        await page.locator("#columns summary").click()
        await page.locator("#columns").get_by_role("checkbox", name="Description").check()
        await expect(page.locator('#problems th:has-text("Description")')).to_be_visible()
        await page.locator("#columns").get_by_role("checkbox", name="Reason").check(timeout=2_000)
        await expect(page.locator('#problems th:has-text("Reason")')).to_be_visible()
        await hear("SP-new", 200, name="just now")
        await expect(page.locator('tr[data-key="sim/SP-new"]')).to_be_visible()
        await expect(page.locator("#columns")).to_have_attribute("open", "")
        assert tab.complaints == []


async def test_it_works_by_keys_alone(console: Browser, open_tab: Any) -> None:
    async with open_tab(console.url) as tab:
        page = tab.page
        await tab.open("/problems")
        await page.keyboard.press("/")
        await expect(page.locator("input[name=q]")).to_be_focused()
        await page.keyboard.type("S42")
        await page.keyboard.press("Enter")
        await expect(page.locator("#count")).to_contain_text("1 problem")
        await page.locator("h1").click()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{problem_path('sim', 'SP-42')}")
        await page.keyboard.press("g")
        await page.keyboard.press("p")
        await page.wait_for_url("**/problems")


async def test_without_javascript_everything_is_there(console: Browser, open_tab: Any) -> None:
    async with open_tab(console.url, java_script_enabled=False) as tab:
        page = tab.page
        await tab.open("/problems?limit=25")
        await page.get_by_role("checkbox", name="held").check()
        await page.get_by_role("button", name="Filter").click()
        await expect(page.locator("#count")).to_contain_text("40 problems")
        await page.get_by_role("link", name="Older").click()
        await expect(page.locator("#problems tbody tr")).to_have_count(15)
        await page.get_by_role("link", name="Newest").click()
        await save_view(page, "held ones")
        await tab.open("/views")
        await page.get_by_role("button", name="Remove").click()
        await expect(page.locator("#views")).to_contain_text("Nothing is saved yet")
        await tab.open("/problems?limit=25")
        await page.locator("#problems a.id").first.click()
        await expect(page.locator("h1")).to_contain_text("no light")
        await page.locator("form.theme button").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "auto")


async def test_hostile_texts_are_shown_as_texts(dsn: str, hear: Any, open_console: Any, open_tab: Any) -> None:
    for number, text in enumerate(HOSTILE):
        await hear(f"SP-{number}", number, name=text, category=text, description=text)
    await hear("\u202egnp.exe<b>", 9, name="x")
    async with open_console(dsn) as console, open_tab(console.url) as tab:
        await console.get_when_reached("/problems")
        await tab.open("/problems?col=id&col=name&col=category&col=description")
        names = await tab.page.locator('td[data-col="name"]').all_inner_texts()
        assert {name.strip() for name in names} == {*HOSTILE, "x"}
        await tab.page.get_by_role("checkbox", name=HOSTILE[0]).check()
        await expect(tab.page.locator("#problems tbody tr")).to_have_count(1)
        assert tab.complaints == []
        assert all(one.url.startswith(console.url) for one in tab.requests)


async def test_a_user_logs_in_and_lands_where_he_was_going(dsn: str, open_console: Any, open_tab: Any) -> None:
    async with open_console(dsn, demo=False) as console, open_tab(console.url) as tab:
        await console.reached()
        await tab.open("/problems?status=held")
        await tab.page.fill("#token", TOKEN)
        await tab.page.get_by_role("button", name="Log in with the token").click()
        await tab.page.wait_for_url("**/problems?status=held")
        await tab.page.get_by_role("button", name="Log out").click()
        await tab.page.wait_for_url("**/login")
        assert tab.complaints == []


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci --prefix tests/peers")
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_is_accessible(console: Browser, open_tab: Any, theme: str) -> None:
    paths = [*page_paths(), problem_path("sim", "SP-01"), "/nothing", "/problems?status=wrong", "/problems?q=nothing"]
    assert "/problems" in paths
    async with open_tab(console.url, theme=theme) as tab:
        await tab.open("/problems?status=held")
        await save_view(tab.page, "held ones")
        for path in paths:
            await tab.open(path)
            assert (path, await tab.axe()) == (path, [])


async def test_a_narrow_window_scrolls_tables_only(console: Browser, open_tab: Any) -> None:
    """320 pixels, which is also what a zoom of 400 % leaves of 1280."""
    async with open_tab(console.url, viewport={"width": 320, "height": 640}) as tab:
        await tab.open("/problems?status=held")
        await save_view(tab.page, "held ones")
        for path in (*page_paths(), problem_path("sim", "SP-01")):
            await tab.open(path)
            width = await tab.page.evaluate("document.scrollingElement.scrollWidth")
            assert (path, width) == (path, 320)


def test_the_pages_without_login_are_few() -> None:
    routes = console_routes(Authenticator(Settings()), ChangeSignal()).routes
    assert {one.pattern for one in routes if one.permission is Permission.PUBLIC} <= {"/login", "/theme"}
