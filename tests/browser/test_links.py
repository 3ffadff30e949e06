"""The pages of links in a real browser: every button, with and without JavaScript, by keys, live, accessible."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from playwright.async_api import expect

from bridge.domain.link.field import ConflictKind
from bridge.storage import conflict, link_rule
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Database
from tests.browser.conftest import AXE, Tab, requires_chromium
from tests.web.console.link_world import HOSTILE, LinkWorld, link_world
from tests.web.console.test_links import WITH_TEXT

pytestmark = [pytest.mark.anyio, requires_chromium]

PAGES = ("/links", "/links/1", "/links/2", "/outbox", "/outbox?state=blocked", "/conflicts", "/conflicts?outcome=all")


@pytest.fixture
async def world(database: Database, dsn: str, open_console: Callable[..., Any]) -> AsyncIterator[LinkWorld]:
    async with link_world(database, dsn, open_console) as world:
        yield world


async def have_it_done(world: LinkWorld, tab: Tab, kind: str) -> None:
    """Wait until the page says that it was asked for, then lead."""
    await expect(tab.page.locator(f'li[data-request="{kind}"]').first).to_contain_text("waiting for the process")
    await world.work()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_a_conflict_is_decided_by_a_button(world: LinkWorld, open_tab: Any, script: bool) -> None:
    async with open_tab(world.page.url, java_script_enabled=script) as tab:
        await tab.open("/conflicts?rule=one")
        row = tab.page.locator("#conflicts tbody tr")
        await expect(row.locator('td[data-col="left"]')).to_contain_text("no light")
        await expect(row.locator('td[data-col="right"]')).to_contain_text("no power")
        await row.get_by_role("button", name="Right for title of link 1").click()
        await tab.page.wait_for_url("**/conflicts?rule=one")
        await expect(row.locator('td[data-col="decision"]')).to_have_text("asked for")
        await have_it_done(world, tab, "resolve_conflict")
        await expect(row).to_have_count(0)  # the page loads itself
        await expect(tab.page.get_by_text("right is to stand on both sides")).to_be_visible()
        await tab.page.get_by_label("Outcome").select_option("right")
        await tab.page.get_by_role("button", name="Filter").click()
        await expect(row.locator('td[data-col="decision"]')).to_contain_text("right by demo")
        assert tab.complaints == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_a_rule_is_paused_with_a_reason_and_resumed(world: LinkWorld, open_tab: Any, script: bool) -> None:
    async with open_tab(world.page.url, java_script_enabled=script) as tab:
        await tab.open("/links")
        state = tab.page.locator('#rules tr[data-key="one"] td[data-col="state"]')
        await tab.page.get_by_role("button", name="Pause… rule one").click()
        await tab.page.get_by_label("Why?").fill("carrier moves")
        if script:
            assert await tab.axe() == []
        await tab.page.get_by_role("button", name="Pause", exact=True).click()
        await have_it_done(world, tab, "pause_rule")
        await expect(state).to_contain_text("demo: carrier moves")
        await tab.page.get_by_role("button", name="Resume rule one").click()
        await have_it_done(world, tab, "resume_rule")
        await expect(state).to_contain_text("on")
        assert await world.rig.state() == "on"
        assert tab.complaints == []


async def test_a_held_rule_is_released(world: LinkWorld, open_tab: Any) -> None:
    async with world.rig.database.transaction() as connection:
        [row] = await link_rule.find(connection, "one")
        await link_rule.write_state(connection, row.id, "held", "would make 900 tickets", only_from=["on"])
    async with open_tab(world.page.url, java_script_enabled=False) as tab:
        await tab.open("/links")
        await tab.page.get_by_role("button", name="Release… rule one").click()
        await expect(tab.page.get_by_text("would make 900 tickets")).to_be_visible()
        await tab.page.get_by_role("button", name="Release", exact=True).click()
        await have_it_done(world, tab, "release_rule")
        await expect(tab.page.locator("#rules")).not_to_contain_text("held")
        assert await world.rig.state() == "on"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_a_pair_is_separated_and_linked_again(world: LinkWorld, open_tab: Any, script: bool) -> None:
    async with open_tab(world.page.url, java_script_enabled=script) as tab:
        await tab.open("/links/1")
        await tab.page.get_by_role("button", name="Unlink…").click()
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Separate the tickets of link 1?")
        await tab.page.get_by_role("button", name="Separate").click()
        await have_it_done(world, tab, "separate_link")
        await expect(tab.page.locator("#state")).to_have_text("unlinked")
        await tab.page.get_by_role("button", name="Link again…").click()
        await expect(tab.page.get_by_text("left 1: no light (inProgress)")).to_be_visible()
        await tab.page.get_by_role("button", name="Join").click()
        await have_it_done(world, tab, "join_tickets")
        await expect(tab.page.locator("#state")).to_have_text("linked")
        assert tab.complaints == []


async def test_tickets_are_linked_by_hand_and_one_is_ignored(world: LinkWorld, open_tab: Any) -> None:
    async with open_tab(world.page.url) as tab:
        await tab.open("/links/2")
        await tab.page.get_by_role("button", name="Ignore…").click()
        await tab.page.get_by_role("button", name="Ignore", exact=True).click()
        await have_it_done(world, tab, "separate_link")
        await expect(tab.page.locator("#state")).to_have_text("unlinked")
        await tab.open("/links")
        await tab.page.get_by_label("Ticket on the left").fill("2")
        await tab.page.get_by_label("Ticket on the right").fill("R2")
        await tab.page.get_by_role("button", name="Link…").click()
        await expect(tab.page.get_by_text("right R2: free")).to_be_visible()
        await tab.page.get_by_role("button", name="Join").click()
        await have_it_done(world, tab, "join_tickets")
        await expect(tab.page.get_by_text("joined by link")).to_be_visible()
        assert tab.complaints == []


async def test_what_is_blocked_is_tried_again_alone_and_by_filter(world: LinkWorld, open_tab: Any) -> None:
    async with open_tab(world.page.url) as tab:
        await tab.open("/outbox")
        await tab.page.get_by_role("link", name="HTTP 403: Data Policy Exception").click()
        await tab.page.get_by_role("button", name="Retry all blocked of this filter…").click()
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Try 1 blocked writes again?")
        assert await tab.axe() == []
        await tab.page.get_by_role("button", name="Try 1 again").click()
        await have_it_done(world, tab, "retry_writes")
        await expect(tab.page.get_by_text("1 tried again")).to_be_visible()
        await expect(tab.page.locator("#errors")).to_have_count(0)
        assert tab.complaints == []


async def test_a_conflict_appears_and_goes_by_itself(world: LinkWorld, open_tab: Any, database: Database) -> None:
    async with open_tab(world.page.url) as tab:
        await tab.open("/conflicts")
        await expect(tab.page.locator("#live")).to_have_text("Live: on")
        await expect(tab.page.locator("#conflicts tbody tr")).to_have_count(1)
        async with database.transaction() as connection:
            await conflict.keep(connection, [NewConflict(1, "status", ConflictKind.BOTH_CHANGED, "held", "closed")])
        await expect(tab.page.locator("#conflicts tbody tr")).to_have_count(2)
        async with database.transaction() as connection:
            await conflict.decide(connection, 1, "status", "left", "bert")
        await expect(tab.page.locator("#conflicts tbody tr")).to_have_count(1)
        await tab.page.locator("#live").click()
        asked = len(tab.requests)
        async with database.transaction() as connection:
            await conflict.decide(connection, 1, "title", "left", "bert")
        await expect(tab.page.locator("#changed")).to_contain_text("since: show")
        assert len(tab.requests) == asked
        assert tab.complaints == []


async def test_a_choice_is_made_by_keys_alone(world: LinkWorld, open_tab: Any) -> None:
    async with open_tab(world.page.url) as tab:
        await tab.open("/problems")
        await tab.page.keyboard.press("g")
        await tab.page.keyboard.press("l")
        await tab.page.wait_for_url("**/links")
        await tab.open("/conflicts")
        button = tab.page.get_by_role("button", name="Left for title of link 1")
        for _ in range(60):
            await tab.page.keyboard.press("Tab")
            if await button.evaluate("one => one === document.activeElement"):
                break
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator('td[data-col="decision"]')).to_have_text("asked for")
        await have_it_done(world, tab, "resolve_conflict")
        assert await world.rig.conflicts() == [("title", "both_changed", "left")]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci --prefix tests/peers")
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_of_links_is_accessible(world: LinkWorld, open_tab: Any, theme: str) -> None:
    async with open_tab(world.page.url, theme=theme) as tab:
        for path in PAGES:
            await tab.open(path)
            assert (path, await tab.axe()) == (path, [])
        assert tab.complaints == []


async def test_hostile_texts_are_shown_as_texts_in_a_narrow_window(
    world: LinkWorld, open_tab: Any, database: Database
) -> None:
    async with open_tab(world.page.url, viewport={"width": 320, "height": 640}) as tab:
        for text in (*HOSTILE, "\u202egnp.exe" + "x" * 400):
            async with database.transaction() as connection:
                await connection.execute("delete from bridge.link_note")
                for statement in WITH_TEXT:
                    await connection.execute(statement, text)
            for path in PAGES:
                await tab.open(path)
                width = await tab.page.evaluate("document.scrollingElement.scrollWidth")
                assert (path, width) == (path, 320)
        await tab.open("/conflicts")
        await expect(tab.page.locator('td[data-col="field"]')).to_contain_text("gnp.exe")
        assert tab.complaints == []
        assert all(one.url.startswith(world.page.url) for one in tab.requests)
