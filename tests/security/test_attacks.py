"""What a hostile sender may try: to hold us up, to fill us up, to wear us out. Normal senders must not notice."""

import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import orjson
import psutil
import pytest
import trustme

from bridge.app import RunningBridge

pytestmark = pytest.mark.anyio

SECRET = "attacks-C4nary-0123456789a"
QUIET = {
    "push": False,
    "poll_interval_seconds": 86_400,
    "reconcile_interval_seconds": 604_800,
    "callback_secret": SECRET,
}
SLOW_CLIENTS = 500
PATH = f"/listener/snow/{SECRET}"


def event(problem_id: str) -> bytes:
    problem = {"id": problem_id, "status": "acknowledged", "priority": 1}
    return orjson.dumps({"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": problem}})


@pytest.fixture
def bridge(dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> Callable[..., Any]:
    """Start a bridge with these `[http]` settings."""

    def starting(**http: Any) -> Any:
        sources = {"snow": {"url": f"{upstream.url}/snow"} | QUIET}
        return open_bridge({"database": {"dsn": dsn}, "http": {"port": 0} | http, "sources": sources})

    return starting


async def posted(url: str, number: int, name: str) -> list[float]:
    """Seconds that each of so many normal notifications takes, sorted."""
    taken = []
    async with aiohttp.ClientSession() as session:
        for each in range(number):
            started = perf_counter()
            async with session.post(f"{url}{PATH}", data=event(f"{name}-{each}")) as answer:
                assert answer.status == 201
            taken.append(perf_counter() - started)
    return sorted(taken)


async def until_hung_up(stream: anyio.abc.SocketStream) -> bytes:
    """What comes until the other side closes."""
    received = b""
    with anyio.fail_after(30):
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


HELD_UP = {
    "silence": b"",
    "half a head": b"POST /listener/snow/x HTTP/1.1\r\nHost: bridge\r\nX-",
    "half a body": f"POST {PATH} HTTP/1.1\r\nHost: b\r\nContent-Length: 1000\r\n\r\n{{".encode(),
    "a chunk without end": f"POST {PATH} HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{{".encode(),
}


async def test_500_slow_clients_do_not_slow_normal_ones_and_are_hung_up_on(bridge: Callable[..., Any]) -> None:
    """Header and body slowloris at a time. Compared with the same run without attackers, because machines differ."""
    limits = {"keepalive_timeout_seconds": 5, "body_timeout_seconds": 5}
    async with bridge(**limits) as running, AsyncExitStack() as stack:
        parts = urlsplit(running.url)
        await posted(running.url, 20, "warm")
        before = await posted(running.url, 100, "before")
        slow = []
        for number in range(SLOW_CLIENTS):
            stream = await stack.enter_async_context(await anyio.connect_tcp(parts.hostname or "", parts.port or 0))
            slow.append(stream)
            if first := list(HELD_UP.values())[number % len(HELD_UP)]:
                await stream.send(first)
        # a busy machine holds up one round, slow clients would hold up all of them
        rounds = [await posted(running.url, 100, f"meanwhile-{number}") for number in range(3)]
        meanwhile = min(rounds, key=lambda each: each[98])
        hung_up = [0]

        async def drip(stream: anyio.abc.SocketStream) -> None:
            try:
                while True:
                    await stream.send(b"x")
                    await anyio.sleep(0.5)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                hung_up[0] += 1

        with anyio.fail_after(90):
            async with anyio.create_task_group() as dripping:
                for stream in slow:
                    dripping.start_soon(drip, stream)
        assert hung_up == [SLOW_CLIENTS], "also those that go on sending, a byte at a time"
        # a machine that became slower meanwhile is slow afterwards too
        without = (before, await posted(running.url, 100, "after"))
        assert meanwhile[50] < 3 * max(each[50] for each in without) + 0.01
        assert meanwhile[99] < 5 * max(each[99] for each in without) + 0.05


async def test_one_peer_cannot_have_more_than_its_share_of_connections(bridge: Callable[..., Any]) -> None:
    async with bridge(max_connections_per_peer=5) as running:
        parts = urlsplit(running.url)
        async with AsyncExitStack() as stack:
            for _ in range(5):
                await stack.enter_async_context(await anyio.connect_tcp(parts.hostname or "", parts.port or 0))
            async with await anyio.connect_tcp(parts.hostname or "", parts.port or 0) as sixth:
                answer = await until_hung_up(sixth)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: " in answer
        assert running.metrics.registry.get_sample_value(
            "tmf656_bridge_listener_refusals_total", {"reason": "connections"}
        )
        with anyio.fail_after(10):
            while True:
                try:
                    await posted(running.url, 1, "after")
                    break
                except (aiohttp.ClientError, AssertionError):
                    await anyio.sleep(0.05)


async def test_a_limit_of_connections_holds_for_tls_too(bridge: Callable[..., Any], tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with bridge(max_connections=2, tls_cert_file=cert, tls_key_file=key) as running, AsyncExitStack() as stack:
        parts = urlsplit(running.url)

        def connect() -> Any:
            return anyio.connect_tcp(
                parts.hostname or "", parts.port or 0, ssl_context=context, tls_standard_compatible=False
            )

        for _ in range(2):
            await stack.enter_async_context(await connect())
        third = await stack.enter_async_context(await connect())
        assert (await until_hung_up(third)).startswith(b"HTTP/1.1 503 ")


LIES = {
    "more than it sends": (b"Content-Length: 100000", event("lie"), 408),
    "less than it sends": (b"Content-Length: 2", b"{}" + event("lie"), 400),
    "no number": (b"Content-Length: many", event("lie"), 400),
    "negative": (b"Content-Length: -1", event("lie"), 400),
    "two of them": (b"Content-Length: 2\r\nContent-Length: 3", b"{}", 400),
    "beside chunks": (b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", 400),
    "enormous": (b"Content-Length: 99999999999999999999", b"{}", 400),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_length_that_is_not_true_costs_only_its_sender(
    bridge: Callable[..., Any], open_wire: Callable[..., Any], lie: str
) -> None:
    claim, body, status = LIES[lie]
    async with bridge(body_timeout_seconds=0.3) as running, open_wire(running.url) as wire:
        await wire.send(b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: b\r\n" + claim + b"\r\n\r\n" + body)
        answer = await wire.answer()
        assert (answer.status, answer.headers["server"]) == (status, "tmf656-bridge")
        assert SECRET not in answer.body.decode()
        await posted(running.url, 1, "next")


async def test_memory_stays_flat_under_bodies_that_never_end_and_bombs(
    bridge: Callable[..., Any], open_wire: Callable[..., Any], post: Callable[..., Any]
) -> None:
    limit = 64 * 1024
    async with bridge(max_body_bytes=limit) as running:
        await posted(running.url, 20, "warm")
        before = psutil.Process().memory_info().rss
        bomb = zlib.compress(b" " * (32 * 1024 * 1024), 9)
        assert len(bomb) < limit
        chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"

        async def attack() -> None:
            answer = await post(f"{running.url}{PATH}", bomb, **{"Content-Encoding": "deflate"})
            assert answer.status == 413
            async with open_wire(running.url) as wire:
                await wire.send(f"POST {PATH} HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
                with anyio.fail_after(30):
                    try:
                        while True:
                            await wire.send(chunk)
                    except anyio.BrokenResourceError:
                        pass

        async with anyio.create_task_group() as attacks:
            for _ in range(20):
                attacks.start_soon(attack)
        assert psutil.Process().memory_info().rss - before < 48 * 1024 * 1024


HEADS = {
    "a long target": b"POST /listener/" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: b\r\n\r\n",
    "a long header": b"POST / HTTP/1.1\r\nHost: b\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
    "many headers": b"POST / HTTP/1.1\r\nHost: b\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
    "a bare line feed in a name": b"POST / HTTP/1.1\r\nHost: b\r\nX\n-A: 1\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS)
async def test_a_head_beyond_the_limits_is_refused(
    bridge: Callable[..., Any], open_wire: Callable[..., Any], head: str
) -> None:
    async with bridge() as running, open_wire(running.url) as wire:
        await wire.send(HEADS[head])
        assert 400 <= (await wire.answer()).status < 500
        assert await wire.ended()


TOO_MUCH = {
    "deep": b'{"event":{"serviceProblem":{"id":"x","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}}",
    "deeper objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a long number": b'{"event":{"serviceProblem":{"id":"x","priority":' + b"9" * 100_000 + b"}}}",
}
LARGE = {
    "many attributes": b'{"event":{"serviceProblem":{"id":"x",'
    + b",".join(b'"a%d":1' % n for n in range(60_000))
    + b"}}}",
    "a long text": b'{"event":{"serviceProblem":{"id":"x","description":"' + b"x" * 1_500_000 + b'"}}}',
}
"""Within the limits of bytes."""


async def test_json_that_is_too_much_is_a_dead_letter_and_what_is_large_is_stored_within_a_moment(
    bridge: Callable[..., Any], post: Callable[..., Any]
) -> None:
    async with bridge() as running:
        for body in (TOO_MUCH | LARGE).values():
            started = process_time()
            assert (await post(f"{running.url}{PATH}", body)).status in (201, 400)
            assert process_time() - started < 5
        async with running.postgres.database.connection() as connection:
            assert await connection.fetchval("select count(*) from bridge.dead_letter") == len(TOO_MUCH)
            ids = await connection.fetch("select id from bridge.service_problem")
            assert [row["id"] for row in ids] == ["x"]


@pytest.fixture
async def running(bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    async with bridge() as it:
        yield it


async def test_pipelined_and_smuggled_requests_are_answered_one_by_one_or_refused(
    running: RunningBridge, open_wire: Callable[..., Any]
) -> None:
    """CL.TE and TE.CL: what a proxy in front might read as one request and we as two."""
    smuggled = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}"
    for transfer in (
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding : chunked",
    ):
        async with open_wire(running.url) as wire:
            await wire.send(
                b"POST "
                + PATH.encode()
                + b" HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\nTransfer"
                + transfer
                + b"\r\n\r\n"
                b"5c\r\n" + smuggled + b"\r\n0\r\n\r\n"
            )
            assert (await wire.answer()).status == 400
            assert await wire.ended()
