"""OWASP API Security Top 10 (2023), a test for each item that applies.

What does not apply, and why:
    API6 (sensitive business flows)  nothing can be bought, booked or posted for others here: a caller can only tell us
                                     about problems of the source whose secret he holds, and a poll corrects a lie.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest
from aiohttp import web

from bridge.app import RunningBridge
from bridge.errors import PermanentError
from bridge.settings import Tmf656Settings
from bridge.telemetry.metrics import Metrics
from bridge.tmf656.client import Client
from bridge.web.ops.openapi import DOCUMENT

pytestmark = pytest.mark.anyio

SECRETS = {"one": "owasp-0ne-0123456789abcdef", "two": "owasp-tw0-0123456789abcdef"}


def event(problem_id: str, **more: Any) -> bytes:
    problem = {"id": problem_id, "status": "acknowledged", "priority": 1} | more
    return orjson.dumps({"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": problem}})


@pytest.fixture
async def bridge(dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    sources = {
        name: {"url": f"{upstream.url}/{name}", "push": False, "callback_secret": secret, "callback_rate_per_second": 5}
        for name, secret in SECRETS.items()
    }
    http = {"port": 0, "metrics_token": "owasp-t0ken-0123456789"}
    async with open_bridge({"database": {"dsn": dsn}, "http": http, "sources": sources}) as running:
        yield running


async def rows(bridge: RunningBridge, statement: str) -> list[Any]:
    async with bridge.postgres.database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


async def test_api1_object_level_a_source_cannot_touch_another_sources_problems(
    bridge: RunningBridge, post: Callable[..., Any]
) -> None:
    for name, secret in SECRETS.items():
        assert (await post(f"{bridge.url}/listener/{name}/{secret}", event("same-id"))).status == 201
    claims = event("same-id", description="taken over", source="two", source_id=2)
    assert (await post(f"{bridge.url}/listener/one/{SECRETS['one']}", claims)).status == 201
    assert (await post(f"{bridge.url}/listener/two/{SECRETS['one']}", claims)).status == 404
    found = await rows(bridge, "select source, description from report.service_problem order by source")
    assert found == [("one", "taken over"), ("two", None)]


async def test_api2_authentication_every_secret_but_the_right_one_is_the_same_404(
    bridge: RunningBridge, post: Callable[..., Any]
) -> None:
    right = SECRETS["one"]
    wrong = ["x", right[:-1], right + "x", right.upper(), "%00", "%2e%2e%2f", "*", "null", "a" * 5000, SECRETS["two"]]
    answers = [await post(f"{bridge.url}/listener/one/{each}", event("p")) for each in wrong]
    answers += [await post(f"{bridge.url}/listener/nobody/{right}", event("p"))]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    assert await rows(bridge, "select id from report.service_problem") == []


async def test_api3_property_level_a_body_sets_no_column_of_ours(
    bridge: RunningBridge, post: Callable[..., Any]
) -> None:
    ours = {"deleted_at": "2026-01-01T00:00:00Z", "first_seen_at": "1970-01-01T00:00:00Z", "last_changed_via": "x"}
    assert (await post(f"{bridge.url}/listener/one/{SECRETS['one']}", event("p", **ours))).status == 201
    ((deleted, via, year),) = await rows(
        bridge,
        "select deleted_at, last_changed_via, extract(year from first_seen_at)::int from report.service_problem",
    )
    assert (deleted, via) == (None, "push")
    assert year > 2000


async def test_api4_resources_a_source_has_its_rate_and_is_told_when_to_come_again(
    bridge: RunningBridge, post: Callable[..., Any]
) -> None:
    """Bodies, heads, connections, depth and time: see test_attacks."""
    answers = [await post(f"{bridge.url}/listener/one/{SECRETS['one']}", event(f"p{n}")) for n in range(60)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert (await post(f"{bridge.url}/listener/two/{SECRETS['two']}", event("other"))).status == 201


async def test_api5_function_level_a_callback_is_good_for_posting_only(bridge: RunningBridge) -> None:
    async with aiohttp.ClientSession() as session:
        for method in ("GET", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND"):
            async with session.request(method, f"{bridge.url}/listener/one/{SECRETS['one']}") as answer:
                assert answer.status in (400, 405), method
        async with session.get(f"{bridge.url}/metrics") as answer:
            assert answer.status == 401
        headers = {"Authorization": f"Bearer {SECRETS['one']}"}
        async with session.get(f"{bridge.url}/metrics", headers=headers) as answer:
            assert answer.status == 401, "a source's secret opens nothing else"


ELSEWHERE = [
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]:{port}/inside",
    "http://[::ffff:127.0.0.1]:{port}/inside",
    "http://localhost:{port}/inside",
    "http://2130706433:{port}/inside",
    "http://0x7f000001:{port}/inside",
    "http://127.1:{port}/inside",
    "http://0.0.0.0:{port}/inside",
    "http://10.0.0.1/inside",
    "http://[fe80::1]/inside",
    "http://[64:ff9b::7f00:1]/inside",
    "//localhost:{port}/inside",
    "https://127.0.0.1:{port}/inside",
    "http://127.0.0.1:1/inside",
    "http://user:pass@127.0.0.2:{port}/inside",
    "http://127.0.0.1:{port}@evil.example/inside",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "http://127.0.0.1\\@evil.example/",
]


@pytest.mark.parametrize("how", ["redirect", "link"])
async def test_api7_ssrf_a_source_leads_us_nowhere_but_to_its_configured_origin(how: str) -> None:
    """By redirect or by Link; the origin is compared as it is written, so that no name is resolved to find out, and a
    name that resolves to something else the second time (rebinding) changes nothing.
    """
    visited: list[str] = []
    target = [""]

    async def answer(request: web.Request) -> web.Response:
        visited.append(f"{request.host}{request.path}")
        if how == "redirect":
            return web.Response(status=302, headers={"Location": target[0]})
        return web.json_response([{"id": "1"}], headers={"Link": f'<{target[0]}>; rel="next"'})

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        base = f"http://127.0.0.1:{port}/v4"
        for each in ELSEWHERE:
            target[0] = each.replace("{port}", str(port))
            visited.clear()
            async with Client(
                "s", Tmf656Settings(url=base, username="u", password="owasp-p4ss", page_size=1)
            ) as client:
                pages = client.pages(max_requests=3)
                if how == "redirect":
                    with pytest.raises(PermanentError, match=r"not followed|without a usable"):
                        await anext(pages)
                else:
                    async for _ in pages:
                        pass
            assert visited, each
            assert {urlsplit(f"//{one}").netloc for one in visited} == {f"127.0.0.1:{port}"}, each
            assert not [one for one in visited if "inside" in one], each
    finally:
        await runner.cleanup()


async def test_api7_ssrf_the_href_of_a_problem_is_kept_and_never_fetched(
    bridge: RunningBridge, post: Callable[..., Any], upstream: Any
) -> None:
    before = dict(upstream.lists)
    href = f"{upstream.url}/inside/serviceProblem"
    body = event("p", href=href, affectedService=[{"id": "1", "href": href}])
    assert (await post(f"{bridge.url}/listener/one/{SECRETS['one']}", body)).status == 201
    assert await rows(bridge, "select href from report.service_problem") == [(href,)]
    assert set(upstream.lists) <= {*before, "/one", "/two"}


async def test_api8_misconfiguration_no_page_for_debugging_no_listing_no_cross_origin(
    bridge: RunningBridge, get: Callable[..., Any]
) -> None:
    """Headers: see test_surface; TLS: see tests/web/test_admission.py."""
    for path in ("/debug", "/docs", "/admin", "/.git/config", "/..%2f..%2fetc/passwd", "/static/", "/console", "/env"):
        assert (await get(f"{bridge.url}{path}")).status == 404
    answer = await get(f"{bridge.url}/livez", Origin="https://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_api9_inventory_what_is_served_is_what_is_described(
    bridge: RunningBridge, get: Callable[..., Any]
) -> None:
    assert set((await get(bridge.url)).json()["paths"]) <= set(DOCUMENT["paths"])
    for path, operations in DOCUMENT["paths"].items():
        if "get" in operations:
            answer = await get(f"{bridge.url}{path}")
            assert str(answer.status) in operations["get"]["responses"], path
            assert answer.status != 404 or answer.json()["reason"] == "off", path


async def test_api10_consumption_what_a_source_answers_is_bounded_and_not_believed() -> None:
    """Size, time, depth, redirects and links of answers: see tests/tmf656/test_client.py."""

    async def answer(_: web.Request) -> web.Response:
        rows = [{"id": "'; drop table bridge.source; --", "description": "\x1b[2J<script>"}, "not a problem", None]
        return web.json_response(rows, headers={"X-Total-Count": "-5", "Link": "<" * 5000})

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    metrics = Metrics()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v4"
        async with Client("s", Tmf656Settings(url=url), on_request=lambda *_: metrics.page()) as client:
            page = await anext(client.pages())
        assert [row.id for row in page.items] == ["'; drop table bridge.source; --"]
    finally:
        await runner.cleanup()
