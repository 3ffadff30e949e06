"""Logins, tokens and the quota."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from bridge.simulator.servicenow.simulator import ServiceNowSimulator

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Any]]
FORM = {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s"}


async def test_without_a_login_nothing_is_answered(ask: Ask) -> None:
    async with ServiceNowSimulator(username="u", password="p") as sim:
        url = f"{sim.url}/api/now/table/incident"
        refused = await ask("GET", url)
        assert (refused.status, refused.body["error"]["message"]) == (401, "User Not Authenticated")
        assert (await ask("GET", url, headers={"Authorization": aiohttp.encode_basic_auth("u", "q")})).status == 401
        assert (await ask("GET", url, headers={"Authorization": aiohttp.encode_basic_auth("u", "p")})).status == 200


async def test_a_token_lives_for_half_an_hour(ask: Ask) -> None:
    now = [datetime(2026, 11, 30, 10, tzinfo=UTC)]
    async with ServiceNowSimulator(client_id="c", client_secret="s", clock=lambda: now[0]) as sim:
        token = (await ask("POST", f"{sim.url}/oauth_token.do", data=FORM)).body
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        url = f"{sim.url}/api/now/table/incident"
        assert (await ask("GET", url, headers=headers)).status == 200
        now[0] += timedelta(seconds=token["expires_in"])
        assert (await ask("GET", url, headers=headers)).status == 401
        again = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]} | {
            name: FORM[name] for name in ("client_id", "client_secret")
        }
        assert (await ask("POST", f"{sim.url}/oauth_token.do", data=again)).status == 200


@pytest.mark.parametrize("change", [{"client_secret": "x"}, {"grant_type": "password"}, {"grant_type": "other"}])
async def test_a_wrong_form_gets_no_token(ask: Ask, change: dict[str, str]) -> None:
    async with ServiceNowSimulator(username="u", password="p", client_id="c", client_secret="s") as sim:
        refused = await ask("POST", f"{sim.url}/oauth_token.do", data=FORM | change)
        assert (refused.status, refused.body["error"]) == (401, "access_denied")
        assert (await ask("POST", f"{sim.url}/oauth_token.do", json=FORM)).status == 400


async def test_a_quota_counts_by_the_hour(ask: Ask) -> None:
    now = [datetime(2026, 11, 30, 10, 30, tzinfo=UTC)]
    async with ServiceNowSimulator(hourly_limit=2, clock=lambda: now[0]) as sim:
        url = f"{sim.url}/api/now/table/incident"
        assert [(await ask("GET", url)).status for _ in range(2)] == [200, 200]
        now[0] += timedelta(minutes=20)
        refused = await ask("GET", url)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "2400")
        now[0] += timedelta(minutes=40)
        assert (await ask("GET", url)).status == 200
