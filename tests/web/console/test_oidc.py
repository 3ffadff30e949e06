"""Talking to a login provider: what it says of itself, its keys, the exchange of a code."""

import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import anyio
import msgspec
import orjson
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from bridge.errors import PermanentError, TransientError
from bridge.settings.console import OidcSettings
from bridge.web.console.id_token import IdTokenError
from bridge.web.console.oidc import ATTEMPT_SECONDS, LoginAttempt, OidcClient
from bridge.web.server import ServerOptions, serving_site

pytestmark = pytest.mark.anyio

KEYS = [RSAKey.generate_key(2048, {"kid": name}) for name in ("first", "second")]


@dataclass
class Provider:
    """A provider of which a test says every word."""

    url: str = ""
    discovery: dict[str, Any] = field(default_factory=dict)
    published: int = 1
    signing: int = 0
    token: Any = None
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    status: int = 200

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        match request.path:
            case "/.well-known/openid-configuration":
                names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                document: Any = {"issuer": self.url} | {name: f"{self.url}/{name}" for name in names} | self.discovery
            case "/jwks_uri":
                document = {"keys": [key.as_dict(private=False) for key in KEYS[: self.published]]}
            case _:
                self.forms.append(dict(parse_qsl((await request.read()).decode())))
                self.logins.append(request.headers.get("Authorization", ""))
                document = {"id_token": self.signed()} if self.token is None else self.token
        return web.Response(body=orjson.dumps(document), content_type="application/json", status=self.status)

    def signed(self) -> str:
        key, at = KEYS[self.signing], int(time.time())
        claims = {"iss": self.url, "aud": "console", "sub": "1", "nonce": ATTEMPT.nonce, "iat": at, "exp": at + 60}
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key, algorithms=["RS256"])


ATTEMPT = LoginAttempt.begin("/about")


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[tuple[Provider, OidcClient]]:
    provider = Provider()
    async with serving_site(provider.answer, ServerOptions("127.0.0.1", 0)) as server:
        provider.url = server.url
        given = {"issuer": server.url, "client_id": "console", "client_secret": "s+ cret"} | settings
        yield provider, OidcClient(OidcSettings.model_validate(given))


def test_an_attempt_goes_through_a_cookie_and_is_over_after_a_while() -> None:
    attempt = LoginAttempt.begin("/about")  # not ATTEMPT, which is over when a session has taken ten minutes so far
    assert LoginAttempt.from_cookie(attempt.to_cookie()) == attempt
    for seconds in (-ATTEMPT_SECONDS - 1, 60):
        other = msgspec.structs.replace(ATTEMPT, begun_at=int(time.time()) + seconds)
        assert LoginAttempt.from_cookie(other.to_cookie()) is None
    assert LoginAttempt.begin("/").state != LoginAttempt.begin("/").state


@pytest.mark.parametrize(("length", "kept"), [(1000, True), (1001, False), (60_000, False)])
def test_an_address_that_a_cookie_has_no_room_for_is_the_start(length: int, kept: bool) -> None:
    there = "/" + "x" * (length - 1)
    attempt = LoginAttempt.from_cookie(LoginAttempt.begin(there).to_cookie())
    assert attempt is not None
    assert attempt.there == (there if kept else "/")


@pytest.mark.parametrize("text", ["", "x", "ä", "e30=", "W10=", "x" * 4000, urlsafe_b64encode(b"\xff\xff").decode()])
def test_what_is_no_cookie_of_ours_is_no_attempt(text: str) -> None:
    assert LoginAttempt.from_cookie(text) is None


async def test_a_code_is_exchanged_with_verifier_and_secret() -> None:
    async with running() as (provider, client):
        claims = await client.claims("c0de", ATTEMPT, "https://bridge.example/back")
        assert claims["sub"] == "1"
        [form] = provider.forms
        assert (form["code"], form["code_verifier"]) == ("c0de", ATTEMPT.verifier)
        assert form["redirect_uri"] == "https://bridge.example/back"
        assert "client_secret" not in form
        assert provider.logins == [f"Basic {b64encode(b'console:s%2B+cret').decode()}"]


@pytest.mark.parametrize(("secret", "sent"), [("s3cret", {"client_secret": "s3cret"}), ("", {})])
async def test_a_provider_may_want_the_secret_in_the_form_and_there_may_be_none(
    secret: str, sent: dict[str, str]
) -> None:
    async with running(client_secret=secret) as (provider, client):
        provider.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        await client.claims("c0de", ATTEMPT, "https://bridge.example/back")
        [form] = provider.forms
        assert {name: form[name] for name in ("client_id", "client_secret") if name in form} == {
            "client_id": "console"
        } | sent
        assert provider.logins == [""]


async def test_the_provider_is_asked_once_and_its_keys_again_when_one_is_unknown() -> None:
    async with running() as (provider, client):
        for _ in range(2):
            await client.claims("c0de", ATTEMPT, "https://bridge.example/back")
        assert provider.asked.count("/jwks_uri") == 1
        provider.signing, provider.published = 1, 2
        with pytest.raises(IdTokenError, match="does not publish"):  # asked lately: a forged token asks for nothing
            await client.claims("c0de", ATTEMPT, "https://bridge.example/back")
        assert provider.asked.count("/jwks_uri") == 1
        client._keys_at = (client._keys_at or 0) - 61
        await client.claims("c0de", ATTEMPT, "https://bridge.example/back")
        assert provider.asked.count("/jwks_uri") == 2
        assert provider.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    ("discovery", "wrong"),
    [
        ({"issuer": "https://evil.example"}, "calls itself 'https://evil.example'"),
        ({"issuer": None}, "no discovery document"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "no usable authorization_endpoint"),
        ({"token_endpoint": None}, "no usable token_endpoint"),
        ({"jwks_uri": ["x"]}, "no usable jwks_uri"),
        ({"end_session_endpoint": "ftp://x.example"}, "no usable end_session_endpoint"),
    ],
)
async def test_a_discovery_document_that_cannot_be_used_is_said_with_its_key(
    discovery: dict[str, Any], wrong: str
) -> None:
    async with running() as (provider, client):
        provider.discovery = discovery
        with pytest.raises(PermanentError, match=r"console\.oidc\.issuer") as failed:
            await client.provider()
        assert wrong in str(failed.value)


async def test_who_waits_for_a_provider_that_fails_gets_the_failure_and_asks_no_more() -> None:
    async with running() as (provider, client):
        provider.status = 503
        failures: list[str] = []

        async def ask() -> None:
            with pytest.raises(TransientError) as failed:
                await client.provider()
            failures.append(str(failed.value))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
        assert (len(failures), len(set(failures)), len(provider.asked)) == (20, 1, 1)
        provider.status = 200
        client._failed_at -= 6
        assert (await client.provider()).issuer == provider.url


@pytest.mark.parametrize("token", [{}, [], None, {"id_token": 7}, {"id_token": "x" * 70_000}], ids=str)
async def test_an_answer_without_a_token_logs_nobody_in(token: Any) -> None:
    async with running() as (provider, client):
        provider.token = token if token is not None else "text"
        with pytest.raises(IdTokenError):
            await client.claims("c0de", ATTEMPT, "https://bridge.example/back")


async def test_a_provider_that_is_away_or_fails_is_a_passing_trouble_without_secrets() -> None:
    async with running() as (provider, client):
        await client.provider()
        provider.status, provider.token = 500, {"error": f"secret s+ cret of {ATTEMPT.verifier}"}
        with pytest.raises(TransientError) as failed:
            await client.claims("c0de", ATTEMPT, "https://bridge.example/back")
        assert "s+ cret" not in str(failed.value)
        assert ATTEMPT.verifier not in str(failed.value)
    away = OidcClient(OidcSettings.model_validate({"issuer": "http://127.0.0.1:9", "client_id": "console"}))
    with pytest.raises(TransientError, match=r"console\.oidc\.issuer"):
        await away.provider()
