"""Every route of the console: what changes something is refused to others, and no secret is on any page."""

import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from aiohttp import CookieJar

from bridge.domain.access import PERMISSIONS, Login, Permission, Role
from bridge.settings import Settings
from bridge.settings.secret_seal import SecretSeal
from bridge.storage import console_session, console_user, setting, source
from bridge.storage.console_session import ConsoleSession
from bridge.storage.console_user import ConsoleUser
from bridge.storage.database import Database
from bridge.storage.setting import SettingChange
from bridge.web.console.front import console_routes
from bridge.web.console.live import ChangeSignal
from bridge.web.console.login import Authenticator
from bridge.web.console.password import hashed
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.same_origin import FIELD
from tests.web.console.conftest import Browser, Shown
from tests.web.console.login_provider import login_provider

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what the provider is made of
]

OIDC = {"issuer": "https://login.example", "client_id": "console", "client_secret": "c4nary-oidc-secret"}
ROUTES = console_routes(
    Authenticator(Settings.model_validate({"console": {"oidc": OIDC, "roles": {"noc": "viewer"}}})), ChangeSignal()
).routes
UNSAFE = [one for one in ROUTES if one.method == "POST" and one.permission is not Permission.PUBLIC]
CANARIES = {
    "password": "c4nary-password-0123456789",
    "callback": "c4nary-callback-0123456789",
    "configured": "c4nary-configured-0123456789",
    "token": "c4nary-admin-token-0123456789",
    "sealed": "c4nary-sealed-0123456789",
    "user": "c4nary-of-anna-0123456789",
    "metrics": "c4nary-metrics-0123456789",
    "oidc": OIDC["client_secret"],
}


def path_of(route: ConsoleRoute) -> str:
    """An address of a route."""
    return re.sub(r"\{[a-z_]+\}", "1", route.pattern)


@pytest.fixture
async def closed(
    dsn: str, database: Database, open_console: Callable[..., Any], tmp_path: Path
) -> AsyncIterator[Browser]:
    """A console with a secret in every place that has one."""
    keys = tmp_path / "keys"
    keys.write_text(b64encode(b"k" * 32).decode() + "\n")
    async with database.transaction() as connection:
        user = ConsoleUser("anna", hashed(CANARIES["user"]), Role.ADMIN)
        assert await console_user.add(connection, user)
        await source.ensure(connection, "snow", "http://127.0.0.1:9/v4", CANARIES["callback"])
        sealed = SecretSeal.read(keys).seal("sources.snow.token", CANARIES["sealed"])
        changes = {"sources.snow.token": SettingChange("not set", sealed=sealed)}
        await setting.append(connection, 0, "anna", "because", changes, via="console")
    settings = {
        "http": {"metrics_token": CANARIES["metrics"]},
        "console": {
            "secret_key_file": str(keys),
            "admin_token": CANARIES["token"],
            "oidc": OIDC,
            "roles": {"noc": "viewer"},
        },
        "sources": {
            "snow": {"url": "http://127.0.0.1:9/v4", "callback_secret": CANARIES["configured"]},
            "rain": {"url": "http://127.0.0.1:9/v4", "username": "u", "password": CANARIES["password"]},
        },
    }
    async with open_console(dsn, demo=False, **settings) as browser:
        await browser.reached()
        yield browser


async def session_of(browser: Browser, database: Database, role: Role) -> dict[str, str]:
    """Log somebody of a role in; returns the fields that every form has."""
    async with database.transaction() as connection:
        token = await console_session.make(connection, ConsoleSession("ben", role, Login.PASSWORD), "192.0.2.1")
    assert isinstance(browser.session.cookie_jar, CookieJar)
    browser.session.cookie_jar.clear()
    browser.session.cookie_jar.update_cookies({"bridge_session": token})
    return {FIELD: (await browser.get("/about")).hidden[FIELD]}


async def refusals(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("select count(*) from bridge.audit where outcome = 'refused'"))


@pytest.mark.parametrize("route", UNSAFE, ids=lambda route: route.pattern)
async def test_what_changes_something_takes_a_login_our_own_page_and_the_role(
    closed: Browser, database: Database, route: ConsoleRoute
) -> None:
    path = path_of(route)
    assert (await closed.post(path, {"x": "y"})).status == 401
    form = await session_of(closed, database, Role.ADMIN)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}):
        before = await refusals(database)
        assert (await closed.post(path, form, **headers)).status == 403
        assert await refusals(database) == before + 1
    foreign = await closed._ask("POST", path, form, {"Origin": "https://evil.example"})
    assert foreign.status == 403
    assert (await closed.post(path, {FIELD: "forged"})).status == 403
    for role in Role:
        form = await session_of(closed, database, role)
        before = await refusals(database)
        allowed = route.permission in PERMISSIONS[role]
        answer = await closed.post(path, form)
        assert (answer.status == 403) is not allowed, (role, answer.status)
        assert await refusals(database) - before == (0 if allowed else 1)


async def test_no_secret_is_on_any_page_in_any_error_or_in_the_audit(
    closed: Browser, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Shown] = []
    refused = await closed.post("/login", {"name": "anna", "password": CANARIES["password"]})
    shown.append(refused)
    form = await session_of(closed, database, Role.ADMIN)
    for route in ROUTES:
        if route.pattern in ("/live", "/logout", "/login/oidc", "/login/oidc/end"):
            continue
        answer = await (closed.get(path_of(route)) if route.method == "GET" else closed.post(path_of(route), form))
        assert answer.status < 500 or answer.status == 503, route.pattern
        shown.append(answer)
    typed = form | {"source": "rain", "username": "u", "url": "http://127.0.0.1:9/v4", "password": "c4nary-typed"}
    shown += [await closed.post(path, typed) for path in ("/configuration/review", "/configuration/test")]
    everything = "\n".join(f"{one.headers}\n{one.text}" for one in shown)
    async with database.connection() as connection:
        for row in await connection.fetch("select audit::text as text from bridge.audit"):
            everything += row["text"]
    everything += "".join(capsys.readouterr())
    assert [name for name, secret in (CANARIES | {"typed": "c4nary-typed"}).items() if secret in everything] == []


async def test_behind_tls_the_cookies_are_of_this_host_and_of_no_script(
    dsn: str, open_console: Callable[..., Any]
) -> None:
    """Its own, and that of a login under way: `__Host-` is taken by browsers over TLS only, and from no other host."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with login_provider() as provider:
        console = {"public_url": "https://bridge.example/noc", "port": port, "admin_token": CANARIES["token"]}
        console |= {"oidc": OIDC | {"issuer": provider.url}, "roles": {"noc": "viewer"}}
        async with open_console(dsn, demo=False, console=console) as outside:
            browser = Browser(f"http://127.0.0.1:{port}", outside.session)
            answer = await browser.post("/login", {"token": CANARIES["token"]})
            while answer.status == 503:  # until Postgres is reached
                answer = await browser.post("/login", {"token": CANARIES["token"]})
            assert answer.headers["location"] == "/noc/"
            left = await browser.get("/login/oidc")
            assert (
                "redirect_uri=https%3A%2F%2Fbridge.example%2Fnoc%2Flogin%2Foidc%2Fcallback" in left.headers["location"]
            )
            for shown, name in ((answer, "__Host-bridge"), (left, "__Host-bridge_oidc")):
                [morsel] = SimpleCookie(shown.headers["set-cookie"]).values()
                assert (morsel.key, morsel["path"], morsel["domain"], morsel["samesite"]) == (name, "/", "", "Lax")
                assert morsel["secure"]
                assert morsel["httponly"]


async def test_a_forged_header_of_a_proxy_is_not_believed_and_logged(
    dsn: str, open_console: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    console = {"proxy_user_header": "X-Remote-User", "roles": {"*": "admin"}}
    trusted = {"trusted_proxies": ["192.0.2.7"]}
    async with open_console(dsn, demo=False, console=console, http=trusted) as browser:
        forged = {"X-Remote-User": "anna", "X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.7"}
        assert (await browser.get("/about", **forged)).status == 303
        assert (await browser.post("/logout", {}, **forged)).status == 401
    said = "".join(capsys.readouterr())
    assert said.count("a user header is not believed") == 1
    assert "127.0.0.1" in said
