"""Logging in at a login provider, and confirming, in a real browser: its policies of forms and cookies count here."""

from typing import Any

import pytest

from bridge.storage.database import Database
from tests.browser.conftest import AXE, requires_chromium
from tests.web.console.login_provider import ANNA, CLIENT, login_provider

pytestmark = [
    pytest.mark.anyio,
    requires_chromium,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what the provider is made of
]

ROLES = {"noc": "admin"}


async def test_somebody_logs_in_at_the_provider_confirms_in_another_tab_and_goes_on(
    dsn: str, database: Database, open_console: Any, open_tab: Any
) -> None:
    with login_provider() as provider:
        provider.claims = lambda claims: claims | ANNA
        console = {"oidc": CLIENT | {"issuer": provider.url}, "roles": ROLES}
        async with open_console(dsn, demo=False, console=console) as browser, open_tab(browser.url) as tab:
            await browser.reached()
            await tab.open("/problems?status=held")
            assert not AXE.exists() or await tab.axe() == []
            await tab.page.get_by_role("link", name="Log in at 127.0.0.1").click()
            await tab.page.fill("input[name=sub]", "1")
            await tab.page.get_by_role("button", name="Authorize").first.click()
            await tab.page.wait_for_url("**/problems?status=held")
            await tab.open("/users")
            async with database.connection() as connection:
                await connection.execute("update bridge.console_session set confirmed_at = now() - interval '1 hour'")
            await tab.page.get_by_role("button", name="End").first.click()
            await tab.page.get_by_role("heading", name="Confirm that it is you").wait_for()
            assert not AXE.exists() or await tab.axe() == []
            async with tab.page.expect_popup() as opened:
                await tab.page.get_by_role("link", name="Log in again in another tab").click()
            other = await opened.value
            await other.fill("input[name=sub]", "1")
            await other.get_by_role("button", name="Authorize").first.click()
            await other.get_by_role("heading", name="Confirmed").wait_for()
            await tab.page.get_by_role("button", name="Go on").click()
            await tab.page.wait_for_url("**/login**")  # it was their own session
            refused = [said for said in tab.complaints if browser.url in said and "Content Security Policy" in said]
            assert refused == []


async def test_a_password_is_given_again_by_keys_alone(
    dsn: str, database: Database, open_console: Any, open_tab: Any
) -> None:
    token = "t0ken-t0ken-t0ken-t0ken"
    async with open_console(dsn, demo=False) as browser, open_tab(browser.url, java_script_enabled=False) as tab:
        await browser.reached()
        await tab.open("/users")
        await tab.page.fill("#token", token)
        await tab.page.keyboard.press("Enter")
        await tab.page.wait_for_url("**/users")
        async with database.connection() as connection:
            await connection.execute("update bridge.console_session set confirmed_at = now() - interval '1 hour'")
        await tab.page.get_by_role("button", name="End").first.press("Enter")
        await tab.page.get_by_role("heading", name="Confirm that it is you").wait_for()
        await tab.page.fill("#confirm-password", token)
        await tab.page.keyboard.press("Enter")
        await tab.page.wait_for_url("**/login**")
