"""`check` of the login provider."""

import anyio
import pytest

from bridge.cli.check_console import check_console
from bridge.settings import Settings
from tests.web.console.login_provider import CLIENT, login_provider

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what the provider is made of
]


def settings(issuer: str, *, enabled: bool = True) -> Settings:
    console = {"enabled": enabled, "oidc": CLIENT | {"issuer": issuer}, "roles": {"noc": "viewer"}}
    return Settings.model_validate({"console": console})


async def test_discovery_is_tried_and_the_address_to_register_is_said() -> None:
    with login_provider() as provider:
        [finding] = await check_console(settings(provider.url))
    assert finding.works
    assert provider.url in finding.found
    assert "http://127.0.0.1:8657/login/oidc/callback" in finding.found


async def test_a_provider_that_is_away_or_calls_itself_otherwise_is_a_finding_with_its_key() -> None:
    with anyio.fail_after(60):
        [away] = await check_console(settings("http://127.0.0.1:9"))
        with login_provider() as provider:
            other = provider.url.replace("127.0.0.1", "localhost")
            [renamed] = await check_console(settings(f"{other}/realms/noc"))
    for finding in (away, renamed):
        assert finding.works is False
        assert "console.oidc.issuer" in finding.found
        assert CLIENT["client_secret"] not in finding.found


async def test_a_console_without_one_has_nothing_to_try() -> None:
    assert await check_console(settings("http://127.0.0.1:9", enabled=False)) == []
    assert await check_console(Settings.model_validate({"console": {"enabled": True}})) == []
