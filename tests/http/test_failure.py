"""Failures are named: what is counted, what kind of error it is, and which key helps."""

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bridge.errors import BridgeError, PermanentError, TransientError
from bridge.http.errors import MalformedAnswerError, NotFoundError, UnauthorisedError
from bridge.http.failure import Failures
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse
from bridge.schedule import now
from bridge.settings import SystemSettings

FAILURES = Failures("snow", SystemSettings(url="http://snow.example/v4", request_timeout_seconds=7.0))
REQUEST = HttpRequest("list", "GET", URL("http://snow.example/v4/serviceProblem"))


def answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    return HttpResponse(status, CIMultiDictProxy(CIMultiDict(headers)), bytearray(body), now())


@pytest.mark.parametrize(
    ("status", "outcome", "kind", "key"),
    [
        (401, "unauthorised", UnauthorisedError, "sources.snow.username"),
        (403, "unauthorised", UnauthorisedError, "sources.snow"),
        (404, "client_error", NotFoundError, "sources.snow.url"),
        (410, "client_error", NotFoundError, "sources.snow.url"),
        (405, "client_error", PermanentError, "sources.snow.url"),
        (407, "client_error", PermanentError, "sources.snow.proxy"),
        (429, "rate_limited", TransientError, "sources.snow.poll_interval_seconds"),
        (408, "timeout", TransientError, ""),
        (501, "client_error", PermanentError, ""),
        (503, "server_error", TransientError, ""),
    ],
)
def test_a_status_is_counted_raised_and_answered_with_a_key(
    status: int, outcome: str, kind: type[BridgeError], key: str
) -> None:
    found, error = FAILURES.refused(REQUEST, answer(status, b'{"reason": "no"}'))
    assert (found, type(error), FAILURES.outcome(status)) == (outcome, kind, outcome)
    assert f"answered {status} (no)" in str(error)
    assert key in str(error)


def test_a_granted_request_is_no_failure() -> None:
    assert [FAILURES.outcome(status) for status in (200, 201, 206)] == ["ok"] * 3


def test_a_pause_that_the_server_asks_for_is_kept_and_a_secret_is_not_repeated() -> None:
    _, error = FAILURES.refused(REQUEST, answer(503, b"not for canary-7", **{"Retry-After": "9"}), "canary-7")
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == 9
    assert "canary-7" not in str(error)


@pytest.mark.parametrize(
    ("raised", "outcome", "kind", "says"),
    [
        (TimeoutError(), "timeout", TransientError, "within 7 s"),
        (aiohttp.ServerDisconnectedError(), "unreachable", TransientError, "sources.snow.url right"),
        (ConnectionRefusedError(111, "refused"), "unreachable", TransientError, "check sources.snow.url"),
        (aiohttp.ClientPayloadError("cut\x1b off"), "malformed", MalformedAnswerError, "cut\\x1b off"),
    ],
)
def test_what_the_library_raises_is_named(raised: Exception, outcome: str, kind: type[BridgeError], says: str) -> None:
    found, error = FAILURES.raised(REQUEST, raised)
    assert (found, type(error)) == (outcome, kind)
    assert str(error).startswith("source snow: ")
    assert says in str(error)
