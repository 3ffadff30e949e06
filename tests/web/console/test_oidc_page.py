"""Logging in at a login provider."""

import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.storage.database import Database
from tests.web.console.conftest import TOKEN, Browser, Shown
from tests.web.console.login_provider import ANNA, CLIENT, LoginProvider, login_provider

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what the provider is made of
]

ROLES = {"noc": "operator", "chiefs": "admin"}


@pytest.fixture
def provider() -> Iterator[LoginProvider]:
    with login_provider() as running:
        yield running


@pytest.fixture
async def closed(dsn: str, provider: LoginProvider, open_console: Callable[..., Any]) -> AsyncIterator[Browser]:
    """A console whose people log in at the provider."""
    console = {"oidc": CLIENT | {"issuer": provider.url}, "roles": ROLES}
    async with open_console(dsn, demo=False, console=console) as browser:
        await browser.reached()
        yield browser


async def leave(browser: Browser, query: str = "next=/about") -> str:
    """Begin a login; returns where the browser is sent to."""
    sent = await browser.get(f"/login/oidc?{query}")
    assert sent.status == 303
    return sent.headers["location"]


async def consent(browser: Browser, address: str) -> str:
    """Log in at the provider; returns the path that it sends the browser back to."""
    async with browser.session.post(address, data={"sub": "1"}, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        return answer.headers["Location"].removeprefix(browser.url)


async def log_in(browser: Browser, query: str = "next=/about") -> Shown:
    return await browser.get(await consent(browser, await leave(browser, query)))


async def audited(database: Database) -> list[tuple[str, str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select actor, action, outcome from bridge.audit order by id")
    return [tuple(row) for row in rows]


async def test_somebody_logs_in_with_the_role_of_a_group_and_out_again(
    closed: Browser, provider: LoginProvider, database: Database
) -> None:
    assert "Log in at 127.0.0.1" in (await closed.get("/login")).text
    answer = await log_in(closed)
    assert (answer.status, answer.headers["location"]) == (303, "/about")
    page = await closed.get("/about")
    assert 'anna <span class="role">operator</span>' in page.text
    [challenge, *_], [verifier] = provider.challenges, provider.verifiers
    assert urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode() == challenge
    left = await closed.post("/logout", page.hidden)
    assert left.headers["location"] == "/login?left=provider"
    assert "Log out at 127.0.0.1, too" in (await closed.get("/login?left=provider")).text
    ended = await closed.get("/login/oidc/end")
    assert ended.headers["location"].startswith(f"{provider.url}/oauth2/end_session?client_id=console&post_logout")
    assert (await closed.get("/about")).status == 303
    assert await audited(database) == [("anna", "login", "done"), ("anna", "logout", "done")]


async def test_the_cookie_of_a_login_under_way_is_for_no_script_and_goes_afterwards(closed: Browser) -> None:
    sent = await closed.get("/login/oidc?next=//evil.example")
    [morsel] = SimpleCookie(sent.headers["set-cookie"]).values()
    assert (morsel.key, morsel["samesite"], morsel["max-age"]) == ("bridge_oidc", "Lax", "600")
    assert morsel["httponly"]
    query = parse_qs(urlsplit(sent.headers["location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"{closed.url}/login/oidc/callback"]
    callback = await consent(closed, sent.headers["location"])
    back = await closed.get(callback)
    assert back.headers["location"] == "/"  # never another site
    again = await closed.get(callback)
    assert again.status == 400
    assert "begin again" in again.text


SPOILT: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "nonce": lambda claims: claims | ANNA | {"nonce": "of another login"},
    "no nonce": lambda claims: {name: value for name, value in (claims | ANNA).items() if name != "nonce"},
    "aud": lambda claims: claims | ANNA | {"aud": ["another console"]},
    "azp": lambda claims: claims | ANNA | {"aud": ["console", "another"], "azp": "another"},
    "iss": lambda claims: claims | ANNA | {"iss": "http://127.0.0.1:1"},
    "exp": lambda claims: claims | ANNA | {"exp": int(time.time()) - 61},
    "no exp": lambda claims: {name: value for name, value in (claims | ANNA).items() if name != "exp"},
    "not yet": lambda claims: claims | ANNA | {"nbf": int(time.time()) + 600},
    "iat": lambda claims: claims | ANNA | {"iat": int(time.time()) + 600},
    "no name": lambda claims: claims | {"groups": ["noc"]},
    "hostile name": lambda claims: claims | ANNA | {"preferred_username": "a\x1b[2J"},
    "too many groups": lambda claims: (
        claims | {"preferred_username": "anna", "_claim_names": {"groups": "src1"}, "_claim_sources": {}}
    ),
}


@pytest.mark.parametrize("what", SPOILT)
async def test_a_token_that_is_not_for_this_login_logs_nobody_in(
    closed: Browser, provider: LoginProvider, database: Database, what: str
) -> None:
    provider.claims = SPOILT[what]
    refused = await log_in(closed)
    assert refused.status == 401
    assert "You are not logged in" in refused.text
    assert "bridge_session" not in refused.headers.get("set-cookie", "")
    assert (await closed.get("/about")).status == 303
    assert [outcome for _, _, outcome in await audited(database)] == ["refused"]


@pytest.mark.parametrize(
    "spoilt",
    [{"unsigned": True}, {"other_key": True}, {"header": {"alg": "HS256"}}, {"header": {"kid": "unknown"}}],
    ids=str,
)
async def test_a_token_that_the_provider_did_not_sign_logs_nobody_in(
    closed: Browser, provider: LoginProvider, spoilt: dict[str, Any]
) -> None:
    for name, value in spoilt.items():
        setattr(provider, name, value)
    refused = await log_in(closed)
    assert refused.status == 401
    assert "bridge_session" not in refused.headers.get("set-cookie", "")


async def test_a_code_is_good_for_one_login_of_one_browser(
    closed: Browser, dsn: str, open_console: Callable[..., Any], provider: LoginProvider
) -> None:
    """Replayed with its cookie the provider refuses it; in another browser it is not even asked."""
    address = await leave(closed)
    cookies = {morsel.key: morsel.value for morsel in closed.session.cookie_jar}
    callback = await consent(closed, address)
    assert (await closed.get(callback)).status == 303
    closed.session.cookie_jar.clear()
    exchanged = len(provider.verifiers)
    stolen = await closed.get(callback)
    assert (stolen.status, len(provider.verifiers)) == (400, exchanged)
    replayed = await closed.get(callback, Cookie=f"bridge_oidc={cookies['bridge_oidc']}")
    assert replayed.status == 503
    assert "bridge_session" not in replayed.headers.get("set-cookie", "")


@pytest.mark.parametrize("state", ["", "x", "%ff"])
async def test_a_forged_state_is_refused(closed: Browser, provider: LoginProvider, state: str) -> None:
    callback = await consent(closed, await leave(closed))
    code = parse_qs(urlsplit(callback).query)["code"][0]
    assert (await closed.get(f"/login/oidc/callback?code={code}&state={state}")).status == 400
    assert provider.verifiers == []


async def test_the_answer_of_another_provider_is_refused(closed: Browser, provider: LoginProvider) -> None:
    """RFC 9207: one provider must not end the login that another one began."""
    callback = await consent(closed, await leave(closed))
    assert (await closed.get(f"{callback}&iss=https://evil.example")).status == 401
    assert provider.verifiers == []


async def test_who_is_in_no_known_group_has_no_role(
    closed: Browser, provider: LoginProvider, database: Database
) -> None:
    provider.claims = lambda claims: claims | ANNA | {"groups": ["staff", "NOC", 7, None]}
    refused = await log_in(closed)
    assert refused.status == 403
    assert "console.roles" in refused.text
    assert await audited(database) == [("anna", "login", "refused")]


async def test_a_refusal_at_the_provider_is_said_without_its_words(closed: Browser) -> None:
    state = parse_qs(urlsplit(await leave(closed)).query)["state"][0]
    refused = await closed.get(f"/login/oidc/callback?state={state}&error=access_denied")
    assert refused.status == 401
    assert "access_denied" in refused.text
    state = parse_qs(urlsplit(await leave(closed)).query)["state"][0]
    hostile = await closed.get(f"/login/oidc/callback?state={state}&error=%3Cscript%3E&error_description=evil")
    assert "script>" not in hostile.text.replace("<script src=", "").replace("</script>", "")
    assert "evil" not in hostile.text.partition("<main")[2]


async def test_while_the_provider_is_away_the_page_says_so_and_other_ways_stay(
    dsn: str, open_console: Callable[..., Any]
) -> None:
    console = {"oidc": CLIENT | {"issuer": "http://127.0.0.1:9"}, "roles": ROLES}
    async with open_console(dsn, demo=False, console=console) as browser:
        await browser.reached()
        away = await browser.get("/login/oidc")
        assert away.status == 503
        assert "cannot be reached" in away.text
        assert (await browser.post("/login", {"token": TOKEN})).status == 303


async def test_logging_in_again_confirms_the_session_and_its_forms_go_on(
    closed: Browser, provider: LoginProvider, database: Database
) -> None:
    provider.claims = lambda claims: claims | ANNA | {"groups": ["chiefs"]}
    await log_in(closed)
    form = (await closed.get("/users")).hidden
    async with database.connection() as connection:
        await connection.execute("update bridge.console_session set confirmed_at = now() - interval '10 minutes'")
        key = await connection.fetchval("select encode(token_hash, 'hex') from bridge.console_session")
    asked = await closed.post("/users/end-session", form | {"session": "0" * 64})
    assert asked.status == 403
    assert "/login/oidc?again=yes" in asked.text
    address = await leave(closed, "again=yes&next=/about")
    query = parse_qs(urlsplit(address).query)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    confirmed = await closed.get(await consent(closed, address))
    assert "For ten minutes" in confirmed.text
    assert (await closed.post("/users/end-session", form | {"session": key})).status == 303


@pytest.mark.parametrize("asked_at", [None, -3600, 3600])
async def test_who_comes_without_a_password_has_not_confirmed_anything(
    closed: Browser, provider: LoginProvider, asked_at: int | None
) -> None:
    """Logged in at the provider since the morning: logging out and in again here must not count as a password."""
    at = None if asked_at is None else int(time.time()) + asked_at
    provider.claims = lambda claims: claims | ANNA | {"groups": ["chiefs"], "auth_time": at}
    await log_in(closed)
    form = (await closed.get("/users")).hidden
    answer = await closed.post("/users/end-session", form | {"session": "0" * 64})
    assert answer.status == (404 if asked_at == 3600 else 403)  # a clock that is ahead says now at most


async def test_a_provider_that_did_not_ask_again_confirms_nothing(
    closed: Browser, provider: LoginProvider, database: Database
) -> None:
    await log_in(closed)
    for claims in ({"auth_time": int(time.time()) - 600}, {"auth_time": None}):
        provider.claims = lambda kept, claims=claims: kept | ANNA | claims
        assert (await log_in(closed, "again=yes")).status == 401
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.audit where action = 'confirm'") == 0
