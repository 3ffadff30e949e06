"""The console on a database of its own, and a browser without JavaScript: what comes over HTTP."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from bridge.bootstrap import client_for
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics
from bridge.web.console import layout
from bridge.web.console.front import Front

PATIENCE_SECONDS = 90.0
TOKEN = "t0ken-t0ken-t0ken-t0ken"


class _Rows(HTMLParser):
    """Reads tables, hidden fields and links out of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, str]] = {}
        self.hidden: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self._row: dict[str, str] | None = None
        self._cell = self._link = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "tr" and "data-key" in given:
            self._row = self.rows.setdefault(given["data-key"], {})
        elif tag in ("td", "th") and self._row is not None:
            self._cell = given.get("data-col", "")
            self._row[self._cell] = ""
        elif tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given["value"]
        elif tag == "a":
            self._link = given.get("href", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self._row = None
        elif tag in ("td", "th"):
            self._cell = ""
        elif tag == "a":
            self._link = ""

    def handle_data(self, text: str) -> None:
        if self._row is not None and self._cell:
            self._row[self._cell] = " ".join(f"{self._row[self._cell]} {text}".split())
        if self._link and text.strip():
            self.links[text.strip()] = self._link


@dataclass(frozen=True)
class Shown:
    """An answer: status, headers, text, and what its page holds, which is read when it is asked for."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def rows(self) -> dict[str, dict[str, str]]:
        return self._page.rows

    @property
    def hidden(self) -> dict[str, str]:
        return self._page.hidden

    @property
    def links(self) -> dict[str, str]:
        return self._page.links

    @cached_property
    def _page(self) -> _Rows:
        page = _Rows()
        page.feed(self.text if "html" in self.headers.get("content-type", "") else "")
        return page


@dataclass
class Browser:
    """Follows no redirect by itself; keeps cookies."""

    url: str
    session: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)

    async def reached(self) -> None:
        """Wait until the console has reached Postgres: in a demo nothing but a page of problems needs it."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while (await self.with_token("/problems?limit=1", "x")).status == 503:  # noqa: ASYNC110 -- seen from outside only
                await anyio.sleep(0.01)

    async def get_when_reached(self, path: str) -> Shown:
        """Get a page as soon as the console has reached Postgres."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while (shown := await self.get(path)).status == 503:  # noqa: ASYNC110 -- as above
                await anyio.sleep(0.01)
        return shown

    async def with_token(self, path: str, token: str) -> Shown:
        """Get a page as somebody with this token of a session, and no other cookie."""
        timeout = aiohttp.ClientTimeout(PATIENCE_SECONDS)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session:
            return await Browser(self.url, session).get(path, Cookie=f"bridge_session={token}")

    async def get(self, path: str, **headers: str) -> Shown:
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Shown:
        """Post a form as a page of the console would."""
        own = {"Sec-Fetch-Site": "same-origin"}
        return await self._ask("POST", path, fields or {}, own | headers)

    async def _ask(self, method: str, path: str, fields: dict[str, str] | None, headers: dict[str, str]) -> Shown:
        async with self.session.request(
            method, f"{self.url}{path}", data=fields, headers=self.headers | headers, allow_redirects=False
        ) as answer:
            text = await answer.text()
        return Shown(answer.status, {name.lower(): value for name, value in answer.headers.items()}, text)


@asynccontextmanager
async def _console(dsn: str, *, demo: bool = True, reach: bool = True, **settings: Any) -> AsyncIterator[Browser]:
    ready = anyio.Event()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    console = {"enabled": True, "port": 0, "admin_token": TOKEN} | settings.pop("console", {})
    read = {"database": {"dsn": _spelled_out(dsn)}, "console": console, **settings}
    front = Front(
        Settings.model_validate(read),
        demo=demo,
        on_ready=on_ready,
        client_for=lambda name, source: client_for(name, source, Metrics()),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(front.run)
        with anyio.fail_after(PATIENCE_SECONDS):
            await ready.wait()
        parts = urlsplit(urls[0])
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(PATIENCE_SECONDS)) as session:
            browser = Browser(f"{parts.scheme}://{parts.netloc}{parts.path}", session)
            try:
                if reach and demo:  # the others ask for it where they log in
                    await browser.reached()
                yield browser
            finally:
                front.stop()


def _spelled_out(dsn: str) -> str:
    """The configuration wants `postgresql://` also before an empty host, which urllib leaves out."""
    return dsn if "://" in dsn else "postgresql:///" + dsn.removeprefix("postgresql:").lstrip("/")


class _CompiledTemplates(BytecodeCache):
    """The templates compiled so far in this run of the tests: that takes a third of what a test of a page costs."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def open_console() -> Iterator[Callable[..., Any]]:
    """Call it with a DSN for a context manager that yields a browser at a console; `demo=False`: one that asks who is
    there; `reach=False`: one whose Postgres is away; other arguments are settings.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "Environment", partial(Environment, bytecode_cache=_CompiledTemplates()))
        yield _console


@pytest.fixture
async def browser(dsn: str) -> AsyncIterator[Browser]:
    """A browser at a console where everybody is admin, on a database of its own."""
    async with _console(dsn) as browser:
        yield browser
