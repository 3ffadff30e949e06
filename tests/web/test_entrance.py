"""The HTTP side by the settings: its pages are there before anything is received, and settings are taken over."""

from typing import Any

import aiohttp
import pytest

from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics
from bridge.web.backend import Backend
from bridge.web.entrance import Entrance

pytestmark = pytest.mark.anyio

SECRET = "s3cr3t-" * 4


def settings(*sources: str, **http: Any) -> Settings:
    configured = {name: {"url": "http://127.0.0.1:9/v4", "callback_secret": SECRET} for name in sources}
    return Settings.model_validate({"http": {"port": 0} | http, "sources": configured})


async def status(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> int:
    async with session.request(method, url, **options) as answer:
        return answer.status


async def test_before_it_receives_it_is_alive_and_not_ready_and_refuses_for_a_while() -> None:
    entrance = Entrance(Backend(), Metrics())
    async with entrance.serving(settings("snow")) as server, aiohttp.ClientSession(server.url) as session:
        assert await status(session, "GET", "/livez") == 200
        assert await status(session, "GET", "/readyz") == 503
        assert await status(session, "POST", f"/listener/snow/{SECRET}", data=b"{}") == 503
        assert await status(session, "GET", "/stream") == 404


async def test_the_metrics_are_those_of_the_process_and_kept_for_who_has_the_token() -> None:
    metrics, token = Metrics(), "a-t0ken-of-16-characters"
    metrics.introduce("snow")
    entrance = Entrance(Backend(), metrics)
    async with (
        entrance.serving(settings(metrics_token=token)) as server,
        aiohttp.ClientSession(server.url) as session,
    ):
        assert await status(session, "GET", "/metrics") == 401
        async with session.get("/metrics", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert (answer.status, 'source="snow"' in await answer.text()) == (200, True)


async def test_sources_that_are_added_and_removed_are_seen_without_a_restart() -> None:
    entrance = Entrance(Backend(), Metrics())
    async with entrance.serving(settings("snow")):
        assert entrance._sources == ["snow"]
        entrance.apply(settings("rain", "hail"))
        assert entrance._sources == ["rain", "hail"]
