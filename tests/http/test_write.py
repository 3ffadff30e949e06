"""What the failure of a write says about whether it was done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bridge.domain.ticket_system import OutcomeUnknownError, WriteRefusedError
from bridge.errors import BridgeError, TransientError
from bridge.http.address import below
from bridge.http.client import HttpClient
from bridge.http.errors import NotFoundError, NotSentError, UnauthorisedError
from bridge.http.request import HttpRequest
from bridge.http.write import send_write, unreadable_answer
from bridge.settings import SystemSettings

pytestmark = pytest.mark.anyio

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def writing(handler: Handler) -> AsyncIterator[HttpClient]:
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handler)
    async with (
        TestServer(app) as server,
        HttpClient("snow", SystemSettings(url=str(server.make_url("/v4")), request_timeout_seconds=5.0)) as http,
    ):
        yield http


def post(http: HttpClient) -> HttpRequest:
    return HttpRequest("create", "POST", below(http.base, "serviceProblem"), b"{}")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, '{"message": "priority is mandatory"}', WriteRefusedError),
        (401, "", UnauthorisedError),
        (403, '{"message": "aborted by business rule"}', WriteRefusedError),
        (403, "<html>blocked</html>", UnauthorisedError),
        (404, "", NotFoundError),
        (405, "", WriteRefusedError),
        (407, "", NotSentError),
        (408, "", OutcomeUnknownError),
        (409, "", WriteRefusedError),
        (410, "", NotFoundError),
        (422, "", WriteRefusedError),
        (425, "", TransientError),
        (429, "", TransientError),
        (500, "", OutcomeUnknownError),
        (501, "", WriteRefusedError),
        (503, "", OutcomeUnknownError),
    ],
)
async def test_a_status_says_whether_it_was_done(status: int, body: str, kind: type[BridgeError]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/json", headers={"Retry-After": "7"})

    async with writing(answer) as http:
        with pytest.raises(kind) as raised:
            await send_write(http, post(http))
    assert isinstance(raised.value, OutcomeUnknownError) is (kind is OutcomeUnknownError)
    assert str(status) in str(raised.value)
    if status in {429, 503}:
        assert isinstance(raised.value, TransientError)
        assert raised.value.retry_after_seconds == 7


@pytest.mark.parametrize("half", [False, True], ids=["no answer", "half an answer"])
async def test_a_write_without_an_answer_may_have_been_done(half: bool) -> None:
    async def leave(request: web.Request) -> web.StreamResponse:
        broken = web.StreamResponse(headers={"Content-Length": "100"})
        if half:
            await broken.prepare(request)
            await broken.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return broken

    async with writing(leave) as http:
        with pytest.raises(OutcomeUnknownError, match="may have been done"):
            await send_write(http, post(http))


async def test_a_refused_connection_proves_that_nothing_was_done() -> None:
    settings = SystemSettings(url=f"http://127.0.0.1:{unused_port()}/v4")
    async with HttpClient("snow", settings) as http:
        with pytest.raises(NotSentError):
            await send_write(http, post(http))


async def test_a_redirect_that_leads_nowhere_may_have_been_carried_out() -> None:
    """303 says that the request was carried out, and where its outcome can be read."""

    async def redirect_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        server.close()
        writer.write(b"HTTP/1.1 303 See Other\r\nLocation: /v4/1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(redirect_once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpClient("snow", SystemSettings(url=f"http://127.0.0.1:{port}/v4")) as http:
        with pytest.raises(OutcomeUnknownError):
            await send_write(http, post(http))


async def test_a_token_that_cannot_be_fetched_proves_that_nothing_was_done() -> None:
    settings = SystemSettings(
        url="http://127.0.0.1:9/v4",
        oauth2_token_url=f"http://127.0.0.1:{unused_port()}/token",
        oauth2_client_id="a",
        oauth2_client_secret="b",
    )
    async with HttpClient("snow", settings) as http:
        with pytest.raises(NotSentError, match="token"):
            await send_write(http, post(http))


async def test_a_granted_write_is_counted_and_its_unreadable_answer_is_no_proof() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=200, text="<html>")

    counted: list[tuple[str, str]] = []
    async with writing(answer) as http:
        http.count = lambda operation, outcome: counted.append((operation, outcome))
        response = await send_write(http, post(http))
        assert "no ticket" in str(unreadable_answer(http, post(http), response, "no ticket"))
    assert counted == [("create", "ok"), ("create", "malformed")]


async def test_a_refusal_that_the_caller_reads_is_returned() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"version": "7"}, status=409)

    async with writing(answer) as http:
        assert (await send_write(http, post(http), returned=(409,))).status == 409
        with pytest.raises(WriteRefusedError):
            await send_write(http, post(http), returned=(404,))
