"""Who sends a request."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from tests.web.console.conftest import TOKEN

pytestmark = pytest.mark.anyio

PROXY = {
    "proxy_user_header": "X-Remote-User",
    "proxy_groups_header": "X-Remote-Groups",
    "roles": {"noc": "operator", "chiefs": "admin"},
}


async def test_a_program_sends_the_admin_token_with_each_request(dsn: str, open_console: Callable[..., Any]) -> None:
    async with open_console(dsn, demo=False) as browser:
        assert (await browser.get("/about")).status == 303
        for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ", f"bearer{TOKEN}"):
            assert (await browser.get("/about", Authorization=wrong)).status == 303
        assert (await browser.get("/about", Authorization=f"Bearer {TOKEN}")).status == 200


@pytest.mark.parametrize("header", [b"Authorization: Bearer \xff", b"Cookie: bridge_session=\xff\xfe"])
async def test_bytes_that_are_no_text_are_no_login(dsn: str, open_console: Callable[..., Any], header: bytes) -> None:
    async with open_console(dsn, demo=False) as browser:
        place = urlsplit(browser.url)
        async with await anyio.connect_tcp(place.hostname or "", place.port or 0) as stream:
            await stream.send(b"GET /about HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + b"\r\n\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 303 ")


async def test_the_demo_asks_nobody_but_answers_only_this_machine(dsn: str, open_console: Callable[..., Any]) -> None:
    """A page elsewhere whose name resolves to 127.0.0.1 must not read it."""
    async with open_console(dsn) as browser:
        assert "without a login" in (await browser.get("/about")).text
        for host in ("localhost:1", "127.0.0.1", "[::1]:8657"):
            assert (await browser.get("/about", Host=host)).status == 200
        for host in ("evil.example", "127.0.0.1.evil.example:8657", ""):
            assert (await browser.get("/about", Host=host)).status == 403


async def test_a_trusted_proxy_names_a_user_and_its_groups_decide(dsn: str, open_console: Callable[..., Any]) -> None:
    trusted = {"http": {"trusted_proxies": ["127.0.0.1"]}, "console": PROXY}
    async with open_console(dsn, demo=False, **trusted) as browser:
        for groups, role in (("staff, noc", "operator"), ("noc,chiefs", "admin")):
            page = await browser.get("/about", **{"X-Remote-User": "anna", "X-Remote-Groups": groups})
            assert page.status == 200
            assert f'anna <span class="role">{role}</span>' in page.text
        for groups in ("", "staff", "NOC"):
            refused = await browser.get("/about", **{"X-Remote-User": "anna", "X-Remote-Groups": groups})
            assert refused.status == 403
            assert "console.roles" in refused.text
        assert (await browser.get("/about")).status == 303  # no longer named, no longer logged in


async def test_a_form_belongs_to_the_user_the_proxy_named(dsn: str, open_console: Callable[..., Any]) -> None:
    trusted = {"http": {"trusted_proxies": ["127.0.0.1"]}, "console": PROXY}
    async with open_console(dsn, demo=False, **trusted) as browser:
        anna, ben = ({"X-Remote-User": name, "X-Remote-Groups": "noc"} for name in ("anna", "ben"))
        form = (await browser.get("/about", **anna)).hidden
        assert (await browser.post("/logout", form, **ben)).status == 403
        assert (await browser.post("/logout", form, **anna)).status == 303


async def test_nobody_else_is_believed(dsn: str, open_console: Callable[..., Any]) -> None:
    """The address of the connection decides; what X-Forwarded-For says of it does not."""
    forged = {"X-Remote-User": "anna", "X-Remote-Groups": "chiefs", "X-Forwarded-For": "192.0.2.7"}
    for http in ({}, {"trusted_proxies": ["192.0.2.7"]}):
        async with open_console(dsn, demo=False, console=PROXY, http=http) as browser:
            assert (await browser.get("/about", **forged)).status == 303


@pytest.mark.parametrize(
    "lines",
    [
        "X-Remote-User: anna\r\nX-Remote-User: ben\r\nX-Remote-Groups: noc",
        "X-Remote-User: anna\r\nX-Remote-Groups: chiefs\r\nX-Remote-Groups: noc",
        "x-remote-user: anna\r\nX-Remote-User: anna\r\nX-Remote-Groups: noc",
    ],
)
async def test_a_proxy_that_adds_to_what_a_client_sent_is_not_believed(
    dsn: str, open_console: Callable[..., Any], lines: str
) -> None:
    """Which of two lines is the proxy's own cannot be known."""
    trusted = {"http": {"trusted_proxies": ["127.0.0.1"]}, "console": PROXY}
    async with open_console(dsn, demo=False, **trusted) as browser:
        assert (await _first_line(browser.url, lines)).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "lines", ["X_Remote_User: anna\r\nX-Remote-Groups: chiefs", "X-Remote-User : anna", "X-Remote-User:\r\n anna"]
)
async def test_another_spelling_of_the_header_names_nobody(
    dsn: str, open_console: Callable[..., Any], lines: str
) -> None:
    """As gateways spell it for CGI; folded; with a blank before the colon."""
    trusted = {"http": {"trusted_proxies": ["127.0.0.1"]}, "console": PROXY}
    async with open_console(dsn, demo=False, **trusted) as browser:
        assert (await _first_line(browser.url, lines)).split(b" ")[1] in (b"303", b"400")


async def test_groups_with_letters_beyond_ascii_have_their_role(dsn: str, open_console: Callable[..., Any]) -> None:
    trusted = {
        "http": {"trusted_proxies": ["127.0.0.1"]},
        "console": PROXY | {"roles": {"Störung": "operator"}},
    }
    async with open_console(dsn, demo=False, **trusted) as browser:
        line = await _first_line(browser.url, "X-Remote-User: jörg\r\nX-Remote-Groups: Störung")
        assert line.startswith(b"HTTP/1.1 200 ")


async def _first_line(url: str, lines: str) -> bytes:
    """How the page of about is answered to somebody who sends these headers."""
    place = urlsplit(url)
    async with await anyio.connect_tcp(place.hostname or "", place.port or 0) as stream:
        await stream.send(f"GET /about HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n\r\n".encode())
        return (await stream.receive()).partition(b"\r\n")[0]
