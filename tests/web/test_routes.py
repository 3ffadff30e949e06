"""What is served where: the same paths as aiohttp's own router would find, and what HTTP asks of a server."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.web.listener.callback import Callback, callback_of
from bridge.web.ops.health import Readiness, ops_pages
from bridge.web.routes import WebPage
from bridge.web.server import HttpServer, ServerOptions, serving

pytestmark = pytest.mark.anyio

PIECES = st.sampled_from(
    ["/", "//", "listener", "a", "snow", "é", ".", "..", "%2F", "%25", "%20", "%00", "%C3%A9", "%zz", "+", ";", "~"]
)
PATHS = (
    st.lists(PIECES, max_size=8).map("".join).flatmap(lambda rest: st.sampled_from(["/" + rest, "/listener/" + rest]))
)


async def nothing(_: web.Request) -> web.Response:
    return web.Response()


@given(path=PATHS)
async def test_a_callback_is_where_the_library_would_find_it(path: str) -> None:
    application = web.Application()
    for pattern in ("/listener/{source}/{secret}", "/listener/{source}/{secret}/{tail:.*}"):
        application.router.add_post(pattern, nothing)
    try:
        request = make_mocked_request("POST", path, app=application, writer=Mock())
        url_path = request.rel_url.path_safe
    except ValueError:
        assume(False)
    found = await application.router.resolve(request)
    expected = None if found.http_exception else Callback(**{"tail": "", **found})
    assert callback_of(url_path) == expected


async def echo(request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
    return web.json_response([callback.source, callback.secret, callback.tail, (await request.read()).decode()])


async def greet(_request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
    return web.json_response(callback.source)


async def condition() -> Readiness:
    return Readiness("ready")


async def exposition(accept: str) -> tuple[bytes, str]:
    return accept.encode(), "text/plain"


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"one")
    return response


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    pages = ops_pages(condition, exposition) | {"/stream": WebPage(endless, methods=("GET",))}
    async with serving({"POST": echo}, pages, ServerOptions("127.0.0.1", 0)) as running:
        yield running


Ask = Callable[..., Any]


@pytest.fixture
def ask(server: HttpServer, open_wire: Callable[..., Any], request_head: Callable[..., bytes]) -> Ask:
    async def send(method: str, path: str, *headers: str, body: bytes = b"") -> Any:
        async with open_wire(server.url) as wire:
            if body:
                headers = (*headers, f"Content-Length: {len(body)}")
            await wire.send(request_head(path, *headers, method=method) + body)
            return await wire.answer()

    return send


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/listener/snow/s3cr3t", ["snow", "s3cr3t", ""]),
        ("/listener/snow/s3cr3t/", ["snow", "s3cr3t", ""]),
        ("/listener/snow/s3cr3t//listener/aEvent", ["snow", "s3cr3t", "/listener/aEvent"]),
        ("/listener/s%6Eow/s%2F3%25?x=/y", ["snow", "s/3%", ""]),
        ("http://bridge/listener/snow/s3cr3t/a", ["snow", "s3cr3t", "a"]),
    ],
)
async def test_a_callback_has_its_parts(ask: Ask, path: str, parts: list[str]) -> None:
    answer = await ask("POST", path, body=b"{}")
    assert (answer.status, answer.json()) == (200, [*parts, "{}"])
    assert answer.headers["server"] == "tmf656-bridge"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/listener", "/listener/", "/listener/snow", "/listener/snow/", "/listener//x", "/x"])
async def test_elsewhere_is_nothing(ask: Ask, path: str) -> None:
    answer = await ask("POST", path, body=b"{}")
    assert (answer.status, answer.json()["code"]) == (404, "404")
    assert answer.headers["server"] == "tmf656-bridge"


async def test_pages_are_read_only(ask: Ask) -> None:
    for method, path, allowed in (
        ("POST", "/metrics", "GET,HEAD"),
        ("DELETE", "/", "GET,HEAD"),
        ("PUT", "/stream", "GET"),
        ("OPTIONS", "/listener/snow/s3cr3t", "POST"),
    ):
        answer = await ask(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)


async def test_a_head_is_an_answer_without_a_body(
    server: HttpServer, open_wire: Callable[..., Any], request_head: Callable[..., bytes]
) -> None:
    async with open_wire(server.url) as wire:
        await wire.send(request_head("/livez", method="HEAD") + request_head("/livez", method="GET"))
        first = (await wire._incoming.receive_until(b"\r\n\r\n", 65536)).decode()
        assert first.startswith("HTTP/1.1 200")
        assert (await wire.answer()).json() == {"live": True}  # and nothing was in between


async def test_who_waits_to_be_told_to_go_on_is_told(
    server: HttpServer, open_wire: Callable[..., Any], request_head: Callable[..., bytes]
) -> None:
    async with open_wire(server.url) as wire:
        await wire.send(request_head("/listener/a/b", "Content-Length: 2", "Expect: 100-continue"))
        with anyio.fail_after(10):
            assert await wire._incoming.receive_until(b"\r\n\r\n", 65536) == b"HTTP/1.1 100 Continue"
        await wire.send(b"{}")
        assert (await wire.answer()).json() == ["a", "b", "", "{}"]


async def test_nothing_else_may_be_expected(ask: Ask) -> None:
    answer = await ask("POST", "/listener/a/b", "Expect: the unexpected", body=b"{}")
    assert (answer.status, answer.json()["code"]) == (417, "417")


async def test_pages_may_be_apart(get: Ask, post: Ask) -> None:
    options = ServerOptions("127.0.0.1", 0, pages_port=0)
    async with serving({"POST": echo, "OPTIONS": greet}, ops_pages(condition, exposition), options) as running:
        assert (await get(f"{running.pages_url}/metrics", Accept="text/plain")).body == b"text/plain"
        assert (await get(f"{running.url}/metrics")).status == 404
        assert (await post(f"{running.pages_url}/listener/a/b", b"{}")).status == 404
        assert (await post(f"{running.url}/listener/a/b", b"{}")).status == 200
        answer = await get(f"{running.url}/listener/a/b")
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS,POST")
