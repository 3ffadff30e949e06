"""The proxy does what it says; what the other tests here show rests on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Link, Proxy

pytestmark = pytest.mark.anyio

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LIMIT_SECONDS = 20


class Echo:
    """A server that says back what it has_received, and remembers it; `heard_end` once a client has ended its half."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.news = asyncio.Condition()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                async with self.news:
                    self.received += chunk
                    self.news.notify_all()
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def has_received(self, wanted: bytes) -> None:
        async with self.news, asyncio.timeout(LIMIT_SECONDS):
            await self.news.wait_for(lambda: self.received == wanted)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    proxy = Proxy(("127.0.0.1", echo.port))
    await proxy.open()
    yield proxy
    await proxy.shut()


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Ends]:
    """A connection that is known to work."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        assert await said_back(reader, writer, b"hello") == b"hello"
        yield reader, writer
    finally:
        writer.transport.abort()


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes) -> bytes:
    async with asyncio.timeout(LIMIT_SECONDS):
        writer.write(words)
        return await reader.readexactly(len(words))


@pytest.mark.parametrize(
    ("fault", "least_seconds"),
    [({}, 0), ({"latency_seconds": 0.1}, 0.2), ({"bytes_per_second": 20_000}, 0.25), ({"slice_bytes": 7}, 0)],
)
async def test_everything_arrives_in_its_time(proxy: Proxy, fault: dict[str, float], least_seconds: float) -> None:
    words = bytes(range(256)) * 20
    async with connected(proxy) as (reader, writer):
        for name, value in fault.items():
            setattr(proxy, name, value)
        started = time.monotonic()
        assert await said_back(reader, writer, words) == words
    assert time.monotonic() - started >= least_seconds * 0.95


async def test_while_it_stalls_nothing_arrives_and_then_everything(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as (reader, writer):
        proxy.stall()
        saying = asyncio.ensure_future(said_back(reader, writer, b"later"))
        await asyncio.sleep(0.05)
        assert echo.received == b"hello"
        proxy.flow()
        assert await saying == b"later"


async def test_a_hole_swallows_what_the_connections_of_now_say_and_no_others(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as (_, writer):
        assert proxy.hole() == 1
        writer.write(b"lost")
        async with connected(proxy):
            pass
        assert echo.received == b"hellohello"


async def test_cut_is_an_end_and_reset_an_error(proxy: Proxy) -> None:
    async with connected(proxy) as (reader, _), asyncio.timeout(LIMIT_SECONDS):
        assert proxy.cut() == 1
        assert await reader.read() == b""
    async with connected(proxy) as (reader, _), asyncio.timeout(LIMIT_SECONDS):
        assert proxy.cut(reset=True) == 1
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_half_closed_the_far_side_says_nothing_more_and_still_hears(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as (reader, writer), asyncio.timeout(LIMIT_SECONDS):
        assert proxy.half_close() == 1
        assert await reader.read() == b""
        writer.write(b" more")
        await echo.has_received(b"hello more")


@pytest.mark.parametrize("ending", [Link.abort, Link.half_close, Link.reset])
async def test_in_the_middle_of_an_answer_it_ends(proxy: Proxy, ending: Callable[[Link], None]) -> None:
    async with connected(proxy) as (reader, writer), asyncio.timeout(LIMIT_SECONDS):
        proxy.answer_bytes, proxy.ending = 5, ending
        assert await said_back(reader, writer, b"one") == b"one"
        writer.write(b"two")
        if ending is Link.reset:
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(100)
        else:
            assert await reader.read() == b"tw"
    proxy.answer_bytes = None
    async with connected(proxy):
        pass


async def test_in_the_middle_of_an_answer_nothing_more_comes(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as (reader, writer), asyncio.timeout(LIMIT_SECONDS):
        proxy.answer_bytes, proxy.ending = 2, Link.swallow
        writer.write(b"one")
        assert await reader.readexactly(2) == b"on"
        writer.write(b"two")
        proxy.answer_bytes = None
        async with connected(proxy):
            assert echo.received == b"helloonehello"
        assert not reader.at_eof()


async def test_shut_it_refuses_and_open_it_takes_again(proxy: Proxy) -> None:
    async with connected(proxy) as (reader, _), asyncio.timeout(LIMIT_SECONDS):
        await proxy.shut()
        assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.open()
    async with connected(proxy):
        pass


async def test_a_target_that_is_away_ends_the_connection(proxy: Proxy) -> None:
    proxy.target = "/nowhere/at/all"
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    async with asyncio.timeout(LIMIT_SECONDS):
        assert await reader.read() == b""
    writer.close()
