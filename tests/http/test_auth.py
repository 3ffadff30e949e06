"""Credentials: fixed ones, and tokens that are fetched once, renewed early and never shown."""

import math
from base64 import b64decode
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import anyio
import orjson
import pytest

from bridge.errors import TransientError
from bridge.http.auth import ClientCredentials, Fixed, FormAnswer, basic, bearer
from bridge.http.errors import UnauthorisedError

pytestmark = pytest.mark.anyio

SECRET = "s3cret:+ä"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Endpoint:
    """A token endpoint; `answers` are used up, the last one stays."""

    answers: list[FormAnswer]
    now: float = 0.0
    forms: list[tuple[dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    gate: anyio.Event | None = None
    called: anyio.Event = field(default_factory=anyio.Event)

    async def post(self, body: bytes, headers: dict[str, str]) -> FormAnswer:
        self.forms.append((parse_qs(body.decode()), headers))
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def credentials(self) -> ClientCredentials:
        return ClientCredentials("snow", "id", SECRET, self.post, clock=lambda: self.now)


def token(name: str, expires_in: object = 100) -> FormAnswer:
    return FormAnswer(200, orjson.dumps({"access_token": name, "token_type": "bearer", "expires_in": expires_in}))


async def test_basic_is_utf8_and_the_representation_hides_it() -> None:
    fixed = basic("üser", SECRET)
    header = await fixed.header()
    assert header is not None
    assert b64decode(header.removeprefix("Basic ")).decode() == f"üser:{SECRET}"
    assert header not in repr(fixed)
    assert not fixed.rejected(header)


async def test_bearer_and_none() -> None:
    assert await bearer("abc").header() == "Bearer abc"
    assert "abc" not in repr(bearer("abc"))
    assert await Fixed().header() is None


async def test_a_token_is_kept_until_four_fifths_of_its_life_are_over() -> None:
    endpoint = Endpoint([token("one"), token("two")])
    credentials = endpoint.credentials()
    assert await credentials.header() == "Bearer one"
    endpoint.now = 79.9
    assert await credentials.header() == "Bearer one"
    endpoint.now = 80.0
    assert await credentials.header() == "Bearer two"
    assert len(endpoint.forms) == 2


@pytest.mark.parametrize(
    ("expires_in", "life_seconds"), [("100", 100), (None, 300), ("soon", 300), (-1, 300), (math.nan, 300)]
)
async def test_a_life_written_oddly_is_read_or_assumed(expires_in: object, life_seconds: float) -> None:
    endpoint = Endpoint([token("one", expires_in), token("two")])
    credentials = endpoint.credentials()
    await credentials.header()
    endpoint.now = life_seconds * 0.8 - 0.1
    assert await credentials.header() == "Bearer one"
    endpoint.now = life_seconds * 0.8 + 0.1
    assert await credentials.header() == "Bearer two"


async def test_a_rejected_token_is_replaced_but_a_newer_one_is_not_thrown_away() -> None:
    endpoint = Endpoint([token("one"), token("two"), token("three")])
    credentials = endpoint.credentials()
    stale = await credentials.header()
    assert credentials.rejected(stale)
    assert await credentials.header() == "Bearer two"
    assert credentials.rejected(stale)
    assert await credentials.header() == "Bearer two"


async def test_many_callers_share_one_fetch() -> None:
    endpoint = Endpoint([token("one")], gate=anyio.Event())
    assert await _headers(endpoint, 20) == ["Bearer one"] * 20
    assert len(endpoint.forms) == 1


async def test_many_callers_share_one_failure() -> None:
    endpoint = Endpoint([FormAnswer(503, b"", retry_after_seconds=7.0)], gate=anyio.Event())
    outcomes = await _headers(endpoint, 20)
    assert all(isinstance(one, TransientError) and one.retry_after_seconds == 7.0 for one in outcomes)
    assert len(set(map(id, outcomes))) == 20
    assert len(endpoint.forms) == 1


async def _headers(endpoint: Endpoint, callers: int) -> list[object]:
    """Ask for the header from many tasks at once; return headers and failures."""
    credentials = endpoint.credentials()
    outcomes: list[object] = []

    async def ask() -> None:
        try:
            outcomes.append(await credentials.header())
        except TransientError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert endpoint.gate is not None
        endpoint.gate.set()
    return outcomes


async def test_after_a_failure_the_next_caller_tries_again() -> None:
    endpoint = Endpoint([FormAnswer(503, b""), token("one")])
    credentials = endpoint.credentials()
    with pytest.raises(TransientError):
        await credentials.header()
    assert await credentials.header() == "Bearer one"


async def test_a_cancelled_fetch_leaves_the_next_one_free() -> None:
    endpoint = Endpoint([token("one")], gate=anyio.Event())
    credentials = endpoint.credentials()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(credentials.header)
        await endpoint.called.wait()
        tasks.cancel_scope.cancel()
    endpoint.gate = None
    assert await credentials.header() == "Bearer one"


async def test_a_server_that_wants_the_credentials_in_the_form_gets_them_there() -> None:
    endpoint = Endpoint([FormAnswer(401, b'{"error":"invalid_client"}'), token("one"), token("two")])
    credentials = endpoint.credentials()
    assert await credentials.header() == "Bearer one"
    (first, first_headers), (second, second_headers) = endpoint.forms
    assert "client_secret" not in first
    assert b64decode(first_headers["Authorization"].removeprefix("Basic ")) == b"id:s3cret%3A%2B%C3%A4"
    assert second["client_secret"] == [SECRET]
    assert "Authorization" not in second_headers
    credentials.rejected("Bearer one")
    await credentials.header()
    assert len(endpoint.forms) == 3, "the way that worked is remembered"


async def test_wrong_credentials_are_named_with_their_keys_and_without_their_values() -> None:
    body = orjson.dumps({"error": "invalid_client", "error_description": f"wrong secret {SECRET}"})
    credentials = Endpoint([FormAnswer(401, body)]).credentials()
    with pytest.raises(UnauthorisedError, match=r"sources\.snow\.oauth2_client_id") as caught:
        await credentials.header()
    assert "invalid_client" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(credentials)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"access_token": 1}', b'{"access_token": "a\\r\\nX: y"}'])
async def test_an_answer_without_a_usable_token_is_an_error(body: bytes) -> None:
    with pytest.raises(TransientError, match="access_token"):
        await Endpoint([FormAnswer(200, body)]).credentials().header()
