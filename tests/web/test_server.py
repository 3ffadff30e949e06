"""Where the server listens, and how its addresses and paths are reached."""

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from aiohttp import web

from bridge.errors import PermanentError
from bridge.web.listener.callback import Callback
from bridge.web.ops.health import Readiness, ops_pages
from bridge.web.routes import prefix_of
from bridge.web.server import ServerOptions, bind, serving, url_of

pytestmark = pytest.mark.anyio

Ask = Callable[..., Any]
ALL_IPV4 = "0.0.0.0"  # noqa: S104 -- that is tested
HAS_IPV6 = socket.has_ipv6 and socket.has_dualstack_ipv6()


async def echo(_: web.BaseRequest, callback: Callback) -> web.StreamResponse:
    return web.json_response([callback.source, callback.secret, callback.tail])


async def readiness() -> Readiness:
    return Readiness("ready")


async def exposition(accept: str) -> tuple[bytes, str]:
    return accept.encode(), "text/plain"


def listening(host: str = "127.0.0.1", **options: Any) -> Any:
    return serving({"POST": echo}, ops_pages(readiness, exposition), ServerOptions(host, 0, **options))


@pytest.mark.parametrize("host", ["::", "", "localhost", "0:0:0:0:0:0:0:0"])
async def test_e5_both_families_are_served_on_one_port(host: str, get: Ask) -> None:
    if not HAS_IPV6:
        pytest.skip("this system has no IPv6")
    async with listening(host) as running:
        port = urlsplit(running.url).port
        assert running.url == f"http://127.0.0.1:{port}"
        for address in ("127.0.0.1", "[::1]"):
            assert (await get(f"http://{address}:{port}/livez")).status == 200


@pytest.mark.parametrize(
    ("host", "url"),
    [(ALL_IPV4, "http://127.0.0.1:{}"), ("127.0.0.1", "http://127.0.0.1:{}"), ("::1", "http://[::1]:{}")],
)
async def test_e5_one_family_is_served_where_only_that_is_asked_for(host: str, url: str, get: Ask) -> None:
    if not HAS_IPV6:
        pytest.skip("this system has no IPv6")
    async with listening(host) as running:
        port = urlsplit(running.url).port
        assert running.url == url.format(port)
        assert (await get(f"{running.url}/livez")).status == 200
        listening_at = [at for at in psutil.Process().net_connections("tcp") if at.status == psutil.CONN_LISTEN]
        own = {at.family for at in listening_at if at.laddr.port == port}
        assert own == {socket.AF_INET if "." in host else socket.AF_INET6}, "another program may have the other"


async def test_e5_pages_on_a_port_of_their_own_are_served_in_both_families(get: Ask) -> None:
    if not HAS_IPV6:
        pytest.skip("this system has no IPv6")
    async with listening("::", pages_port=0) as running:
        port = urlsplit(running.pages_url).port
        for address in ("127.0.0.1", "[::1]"):
            assert (await get(f"http://{address}:{port}/livez")).status == 200


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
async def test_an_address_that_is_not_ours_is_named_with_its_key(host: str) -> None:
    with pytest.raises(PermanentError, match=rf"cannot listen on {host}:0 .*http\.host"):
        async with listening(host):
            pass


def test_a_port_in_use_leaves_no_socket_behind() -> None:
    first = bind("127.0.0.1", 0)
    port = first[0].getsockname()[1]
    first[0].listen()
    with pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", port)
    first[0].close()
    again = bind("127.0.0.1", port)
    assert url_of(again, "https") == f"https://127.0.0.1:{port}"
    again[0].close()


@pytest.mark.parametrize("prefix", ["/noc", "/noc/bridge", "/caf%C3%A9/~b"])
async def test_e4_the_path_of_public_url_is_served_whether_a_proxy_keeps_it_or_not(
    prefix: str, get: Ask, post: Ask
) -> None:
    async with listening(public_url=f"https://proxy.example{prefix}") as running:
        for kept in (prefix, ""):
            answer = await post(f"{running.url}{kept}/listener/snow/s3cr3t//listener/aEvent", b"{}")
            assert answer.json() == ["snow", "s3cr3t", "/listener/aEvent"]
            assert (await get(f"{running.url}{kept}/livez")).status == 200
        assert (await get(f"{running.url}{prefix}")).status == 200
        assert (await get(f"{running.url}{prefix}x/livez")).status == 404
        assert (await get(f"{running.url}{prefix}{prefix}/livez")).status == 404


@pytest.mark.parametrize(
    ("public_url", "prefix"),
    [
        ("", ""),
        ("https://b.example", ""),
        ("https://b.example/", ""),
        ("https://b.example/in/", "/in"),
        ("https://b.example/a%20b", "/a b"),
        ("http://127.0.0.1:0", ""),
    ],
)
def test_e4_the_prefix_is_the_path_as_requests_have_it(public_url: str, prefix: str) -> None:
    assert prefix_of(public_url) == prefix
