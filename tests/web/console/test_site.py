"""Every request to the console: login, permission, origin, failures as pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import product

import aiohttp
import anyio
import pytest
from aiohttp import web

from bridge.domain.access import PERMISSIONS, Login, Permission, Principal, Role
from bridge.settings import Settings
from bridge.storage.database import Database, opened
from bridge.storage.session_settings import FRONT
from bridge.telemetry.metrics import Metrics
from bridge.web.console.front import console_routes
from bridge.web.console.live import ChangeSignal
from bridge.web.console.login import Authenticator
from bridge.web.console.route import ConsoleRoute, RouteTable
from bridge.web.console.same_origin import FIELD, form_token
from bridge.web.console.site import POLICY, Site
from bridge.web.console.visit import Visit
from bridge.web.server import ServerOptions, serving_site
from tests.web.console.conftest import Browser

pytestmark = pytest.mark.anyio

KEY = b"of this session"


async def who(request: web.BaseRequest, _: Database | None) -> Principal | None:
    """A principal of the role that a header names."""
    role = request.headers.get("X-Role")
    return Principal("anna", Role(role), Login.PASSWORD, KEY) if role else None


@asynccontextmanager
async def site(*routes: ConsoleRoute, database: Database | None = None, path: str = "") -> AsyncIterator[Browser]:
    made = Site("", RouteTable(routes), who, database)
    async with serving_site(made.answer, ServerOptions("127.0.0.1", 0)) as server, aiohttp.ClientSession() as session:
        made.use_url(f"{server.url}{path}")
        yield Browser(made.url, session, {"X-Role": "viewer"})


async def hello(visit: Visit) -> web.StreamResponse:
    return visit.page("about.html")


async def defect(_: Visit) -> web.StreamResponse:
    raise RuntimeError("detail that nobody outside may see")


async def reading(visit: Visit) -> web.StreamResponse:
    async with visit.reading() as connection:
        await connection.fetchval(visit.query["sql"][0])
    return visit.page("about.html")


PAGE = ConsoleRoute("GET", "/page", Permission.READ_PROBLEMS, hello)
CHANGE = ConsoleRoute("POST", "/page", Permission.RUN_SOURCES, hello)
DEFECT = ConsoleRoute("GET", "/defect", Permission.READ_PROBLEMS, defect)
READING = ConsoleRoute("GET", "/reading", Permission.READ_PROBLEMS, reading)


async def test_requests_are_counted_by_page_and_outcome() -> None:
    counted = Metrics()

    def value(name: str, **labels: str) -> float | None:
        return counted.registry.get_sample_value(f"tmf656_bridge_console_{name}", labels)

    made = Site("", RouteTable((PAGE, DEFECT)), who, metrics=counted.console)
    async with serving_site(made.answer, ServerOptions("127.0.0.1", 0)) as server, aiohttp.ClientSession() as session:
        made.use_url(f"{server.url}/noc")
        browser = Browser(made.url, session, {"X-Role": "viewer"})
        for path in ("/page", "/page?next=/problems", "/defect", "/problems/x", "/problems/y"):
            await browser.get(path)
    assert value("requests_total", page="other", outcome="ok") == 2
    assert value("requests_total", page="other", outcome="failed") == 1
    assert value("requests_total", page="problems", outcome="refused") == 2
    assert value("request_seconds_count") == 5
    assert value("requests_in_progress") == 0


async def test_every_answer_has_the_headers_that_keep_browsers_safe() -> None:
    async with site(PAGE, DEFECT) as browser:
        for path in ("/page", "/defect", "/nothing"):
            headers = (await browser.get(path)).headers
            assert headers["content-security-policy"] == POLICY
            assert "unsafe" not in POLICY
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert "Cookie" in headers["vary"]
            assert headers["server"] == "tmf656-bridge"


async def test_who_is_not_logged_in_is_sent_to_the_login_and_comes_back() -> None:
    async with site(PAGE, CHANGE) as browser:
        browser.headers.clear()
        sent = await browser.get("/page?status=held&q=%C3%A4")
        assert (sent.status, sent.headers["location"]) == (303, "/login?next=%2Fpage%3Fstatus%3Dheld%26q%3D%25C3%25A4")
        refused = await browser.post("/page")
        assert (refused.status, refused.links["Log in"]) == (401, "/login")


@pytest.mark.parametrize("role", Role)
async def test_a_role_gets_what_it_may_and_nothing_else(role: Role) -> None:
    """The routes of the console, with handlers that only answer."""
    routes = [
        ConsoleRoute(one.method, one.pattern, one.permission, hello)
        for one in console_routes(Authenticator(Settings()), ChangeSignal()).routes
    ]
    async with site(*routes) as browser:
        browser.headers["X-Role"] = role.value
        for route in routes:
            path = route.pattern.replace("{", "").replace("}", "")
            if route.method == "GET":
                answer = await browser.get(path)
            else:
                answer = await browser.post(path, {FIELD: form_token(KEY)})
            allowed = route.permission in PERMISSIONS[role] | {Permission.PUBLIC}
            assert answer.status == (200 if allowed else 403), route.pattern


async def test_a_form_of_another_site_or_session_changes_nothing() -> None:
    async with site(CHANGE) as browser:
        browser.headers["X-Role"] = "admin"
        token = {FIELD: form_token(KEY)}
        assert (await browser.post("/page", token)).status == 200
        elsewhere = ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"})
        for headers, fields in product(elsewhere, (token, {})):
            assert (await browser.post("/page", fields, **headers)).status == 403
        for fields in ({}, {FIELD: "x"}, {FIELD: form_token(b"another session")}):
            assert (await browser.post("/page", fields)).status == 403


async def test_only_forms_of_a_bounded_size_are_read() -> None:
    async with site(CHANGE) as browser:
        browser.headers["X-Role"] = "admin"
        url = f"{browser.url}/page"
        own = browser.headers | {"Sec-Fetch-Site": "same-origin"}
        async with browser.session.post(url, json={}, headers=own) as answer:
            assert answer.status == 415
        async with browser.session.post(url, data={"a": "x" * 100_000}, headers=own) as answer:
            assert answer.status == 413


async def test_a_defect_is_a_page_without_its_detail_and_the_next_page_works() -> None:
    async with site(PAGE, DEFECT) as browser:
        failed = await browser.get("/defect")
        assert failed.status == 500
        assert "detail" not in failed.text
        assert "The console failed" in failed.text
        assert (await browser.get("/page")).status == 200


async def test_paths_and_methods_that_are_not_there() -> None:
    async with site(PAGE) as browser:
        assert (await browser.get("/nothing")).status == 404
        answer = await browser.post("/page")
        assert (answer.status, answer.headers["allow"]) == (405, "GET")


async def test_below_the_path_of_a_proxy_every_link_has_it() -> None:
    async with site(PAGE, path="/noc/bridge") as browser:
        page = await browser.get("/page")
        assert page.status == 200
        assert all(link.startswith(("/noc/bridge/", "#")) for link in page.links.values())
        assert 'href="/noc/bridge/static/' in page.text
        browser.headers.clear()
        assert (await browser.get("/page")).headers["location"] == "/noc/bridge/login?next=%2Fpage"


async def test_a_page_says_that_postgres_is_away_and_loads_itself_again(dsn: str) -> None:
    async with site(READING) as browser:  # never reached
        away = await browser.get("/reading?sql=select+1")
        assert away.status == 503
        assert away.headers["refresh"] == away.headers["retry-after"]
        assert "Postgres cannot be reached" in away.text
    async with (
        opened(dsn, wait=False, max_size=4, session=FRONT) as database,
        site(READING, database=database) as browser,
    ):
        assert (await browser.get("/reading?sql=select+1")).status == 200
        await database.close()
        assert (await browser.get("/reading?sql=select+1")).status == 503


async def test_a_statement_that_takes_too_long_is_ended_and_only_reads(dsn: str) -> None:
    async with (
        opened(dsn, wait=False, max_size=4, session=FRONT) as database,
        site(READING, database=database) as browser,
    ):
        slow = await browser.get("/reading?sql=select+pg_sleep(60)")
        assert slow.status == 503
        assert "more than 3 seconds" in slow.text
        assert "refresh" not in slow.headers
        writing = await browser.get("/reading?sql=delete+from+bridge.console_session")
        assert writing.status == 503
        assert (await browser.get("/reading?sql=select+1")).status == 200


async def test_more_requests_than_there_are_slots_are_told_to_come_back() -> None:
    entered, leave, inside = anyio.Event(), anyio.Event(), 0

    async def waiting(visit: Visit) -> web.StreamResponse:
        nonlocal inside
        inside += 1
        if inside == 16:
            entered.set()
        await leave.wait()
        return visit.page("about.html")

    async with site(ConsoleRoute("GET", "/waiting", Permission.READ_PROBLEMS, waiting), PAGE) as browser:
        statuses: list[int] = []

        async def ask() -> None:
            statuses.append((await browser.get("/waiting")).status)

        async with anyio.create_task_group() as asking:
            for _ in range(16):
                asking.start_soon(ask)
            await entered.wait()
            busy = await browser.get("/page")
            assert (busy.status, busy.headers["retry-after"]) == (503, "2")
            leave.set()
        assert statuses == [200] * 16
        assert (await browser.get("/page")).status == 200


async def test_what_somebody_was_not_let_do_is_kept(dsn: str) -> None:
    async with (
        opened(dsn, wait=False, max_size=4, session=FRONT) as database,
        site(CHANGE, database=database) as browser,
    ):
        assert (await browser.post("/page", {FIELD: form_token(KEY)})).status == 403
        browser.headers["X-Role"] = "admin"
        assert (await browser.post("/page", {FIELD: "of another session"})).status == 403
        async with database.connection() as connection:
            rows = await connection.fetch("select actor, role, action, object, outcome from bridge.audit order by id")
    assert [tuple(row) for row in rows] == [
        ("anna", "viewer", "no_permission", "/page", "refused"),
        ("anna", "admin", "no_form_token", "/page", "refused"),
    ]


async def test_a_value_that_postgres_cannot_take_is_no_defect(dsn: str) -> None:
    async with (
        opened(dsn, wait=False, max_size=4, session=FRONT) as database,
        site(READING, database=database) as browser,
    ):
        assert (await browser.get("/reading?sql=select+chr(0)")).status == 400


@pytest.mark.parametrize("target", ["/hello?q=Zürich".encode(), b"/hello?q=" + b"x" * 9000, b"/hello\x01"])
async def test_what_is_no_http_is_answered_in_words_and_nothing_of_it_is_repeated(target: bytes) -> None:
    async with site(ConsoleRoute("GET", "/hello", Permission.READ_PROBLEMS, hello)) as browser:
        port = int(browser.url.rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            with anyio.fail_after(30), suppress(anyio.EndOfStream):
                while True:
                    answer += await stream.receive()
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"default-src 'none'" in answer
    assert b"percent-encoded" in answer
    assert b"hello" not in answer
