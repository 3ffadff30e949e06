"""The client of all remote systems against servers that mean ill, or are not what the address says."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trustme
from aiohttp import web

from bridge.errors import BridgeError, PermanentError, TransientError
from bridge.http.client import HttpClient
from bridge.http.errors import MalformedAnswerError
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse
from bridge.settings import SystemSettings
from tests.fuzz_answers import RawAnswer, serving_raw

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def sent(
    url: str, method: str = "GET", path: str = "/hub", body: bytes | None = None, **keys: Any
) -> HttpResponse:
    async with HttpClient("snow", SystemSettings(url=url, request_timeout_seconds=5.0, **keys)) as client:
        return await client.send(HttpRequest("list", method, client.base.with_path(path), body))


def answer(*headers: str, status: str = "200 OK", body: bytes = b"[]") -> RawAnswer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return RawAnswer(("\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body,))


ODD_TIMES = [
    "Fri, 31 Dec 9999 23:59:59 -1200",
    "Mon, 01 Jan 0001 00:00:00 +1400",
    "Mon, 23 Nov 2026 10:00:00 +99999999",
    "Mon, 23 Nov 99999999999 10:00:00 GMT",
    "\udcff",
    "9" * 5000,
]


@pytest.mark.parametrize("text", ODD_TIMES)
async def test_a1_a_time_outside_of_all_calendars_is_no_time(text: str) -> None:
    async with serving_raw(lambda _: answer(f"Date: {text}", f"Retry-After: {text}", status="503 x")) as url:
        response = await sent(url)
    assert response.server_at is None
    assert response.retry_after_seconds in {None, 0.0, 3600.0}


@pytest.mark.parametrize(
    "location",
    [
        "http://h:abc/",
        "http://h:65536/",
        "http://b\u00fccher.example/",
        "http://xn--" + "a" * 5000 + "/",
        "http://[::1",
        "",
        "\udcff",
        "http://127.0.0.1:1/",
        "https:///x",
    ],
)
async def test_a1_a_redirect_to_no_address_is_not_followed(location: str) -> None:
    async with serving_raw(lambda _: answer(f"Location: {location}", status="302 x")) as url:
        with pytest.raises(PermanentError, match=r"without a usable Location|is not followed") as caught:
            await sent(url)
    assert str(caught.value).isprintable()


@asynccontextmanager
async def redirecting(status: int, target: str) -> AsyncIterator[tuple[str, list[Any]]]:
    """A hub that sends us from /hub to `target`; yields its origin, and what arrived elsewhere."""
    arrived: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/hub":
            return web.Response(status=status, headers={"Location": target})
        arrived.append((request.method, request.path, await request.text(), request.headers.get("Authorization")))
        return web.json_response({"id": "12"}, status=201 if request.method == "POST" else 200)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", arrived
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "target"),
    [(307, "/hub/"), (308, "/hub/"), (307, "/v4/hub"), (308, "hub2"), (301, "/hub/"), (302, "/hub/")],
)
async def test_b4_a_post_is_redirected_with_method_and_body(status: int, target: str) -> None:
    async with redirecting(status, target) as (url, arrived):
        response = await sent(url, "POST", body=b'{"callback":"x"}', token="secret-0815")
    assert (response.status, len(arrived)) == (201, 1)
    assert arrived[0][0::2] == ("POST", '{"callback":"x"}')
    assert arrived[0][3] == "Bearer secret-0815"


async def test_b4_after_303_the_outcome_of_a_post_is_read() -> None:
    async with redirecting(303, "/hub/12") as (url, arrived):
        assert (await sent(url, "POST", body=b"{}")).status == 200
    assert arrived == [("GET", "/hub/12", "", None)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_b4_a_get_is_redirected_on_the_same_origin(status: int) -> None:
    async with redirecting(status, "/v4/list") as (url, arrived):
        assert (await sent(url)).status == 200
    assert arrived == [("GET", "/v4/list", "", None)]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_b4_nothing_is_sent_to_another_origin(status: int, method: str) -> None:
    async with redirecting(status, "/x") as (other, arrived), redirecting(status, f"{other}/elsewhere") as (url, _):
        with pytest.raises(PermanentError, match=r"is not followed: set sources\.snow\.url to the final address"):
            await sent(url, method, body=b"{}" if method == "POST" else None, token="secret-0815")
    assert arrived == []


@pytest.mark.parametrize("status", [301, 302])
async def test_b4_a_post_that_is_moved_elsewhere_for_good_is_named_and_not_repeated(status: int) -> None:
    async with redirecting(status, "/other") as (url, arrived):
        with pytest.raises(PermanentError, match="is not followed"):
            await sent(url, "POST", body=b"{}")
    assert arrived == []


async def test_b11_headers_of_up_to_64_kilobytes_and_500_fields_are_read() -> None:
    large = [f"X-Large: {'x' * 60_000}"]
    many = [f"X-Many-{number}: x" for number in range(450)]
    for headers in (large, many):
        async with serving_raw(lambda _, headers=headers: answer(*headers)) as url:
            assert (await sent(url)).ok


async def test_b11_a_limit_on_headers_that_is_exceeded_is_named() -> None:
    async with serving_raw(lambda _: answer(f"X-Large: {'x' * 70_000}")) as url:
        with pytest.raises(MalformedAnswerError, match=r"raise sources\.snow\.max_header_bytes"):
            await sent(url)
        assert (await sent(url, max_header_bytes=100_000)).ok
    async with serving_raw(lambda _: answer(*(f"X-{number}: x" for number in range(600)))) as url:
        with pytest.raises(MalformedAnswerError, match=r"more than 500 header fields: raise sources\.snow\.max_head"):
            await sent(url)
        assert (await sent(url, max_header_fields=700)).ok


async def test_f10_plain_http_to_a_port_that_speaks_tls_is_said_so() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        with pytest.raises(TransientError, match=r"speaks TLS: write https:// in sources\.snow\.url"):
            await sent(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


async def test_f10_a_tls_alert_is_recognised() -> None:
    async with serving_raw(lambda _: RawAnswer((b"\x15\x03\x01\x00\x02\x02\x46",))) as url:
        with pytest.raises(TransientError, match=r"speaks TLS: write https:// in sources\.snow\.url"):
            await sent(url)


async def test_f10_tls_to_a_port_that_speaks_plain_http_is_said_so() -> None:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        with pytest.raises(TransientError, match=r"does not speak TLS: write http:// in sources\.snow\.url"):
            await sent(f"https://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


async def test_a_server_that_closes_without_an_answer_is_transient_and_asked_for_tls_once() -> None:
    connections: list[bytes] = []
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

    async def hang_up(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            connections.append(await stream.receive())

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, hang_up)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - of a socket, not of Django
        settings = SystemSettings(url=f"http://127.0.0.1:{port}", request_timeout_seconds=5.0)
        async with HttpClient("snow", settings) as client:
            for _ in range(3):
                with pytest.raises(TransientError, match="was not answered"):
                    await client.send(HttpRequest("get", "GET", client.base))
        group.cancel_scope.cancel()
    assert sum(received[:1] == b"\x16" for received in connections) == 1


async def test_an_error_text_is_short_whatever_its_size_and_masks_what_it_repeats() -> None:
    secret = "secret-" + "z" * 3000
    for body in (b"x" * 5_000_000, (secret + " ").encode() * 40, b'{"message":"' + secret.encode() * 2 + b'"}'):
        async with (
            serving_raw(lambda _, body=body: answer(status="400 x", body=body)) as url,
            HttpClient("snow", SystemSettings(url=url, token=secret)) as client,
        ):
            request = HttpRequest("list", "GET", client.base)
            error: BridgeError = client.refusal(request, await client.send(request))
        assert len(str(error)) < 500
        assert "zzzz" not in str(error)
