"""Answers: errors in TMF's form, and the bytes that are sent without the library."""

import orjson
import pytest
from aiohttp import web

from bridge.web.answer import HEADERS, defect_response, error_response, serialised
from bridge.web.refusal import Refusal


def test_an_error_has_the_form_of_the_standard() -> None:
    answer = error_response(Refusal(404, "unknown_callback", "no such callback"))
    assert isinstance(answer.body, bytes)
    assert orjson.loads(answer.body) == {"code": "404", "reason": "unknown_callback", "message": "no such callback"}
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(("seconds", "written"), [(0.0, "1"), (0.2, "1"), (1.01, "2"), (30.0, "30")])
def test_a_pause_is_a_whole_second_at_least_and_never_too_short(seconds: float, written: str) -> None:
    refusal = Refusal(503, "unavailable", "later", retry_after_seconds=seconds)
    assert error_response(refusal).headers["Retry-After"] == written


@pytest.mark.parametrize(
    ("status", "reason", "closes"),
    [(408, "slow_body", True), (413, "too_large", True), (503, "overloaded", True), (503, "unavailable", False)],
)
def test_a_connection_with_an_unread_body_is_closed(status: int, reason: str, closes: bool) -> None:
    assert error_response(Refusal(status, reason, "")).keep_alive is (False if closes else None)


def test_a_defect_tells_nothing_of_the_request() -> None:
    assert defect_response().status == 500


def test_the_bytes_are_an_answer_of_http_with_the_headers_of_every_answer() -> None:
    head, _, body = serialised(web.json_response({}, status=201), keep_alive=False).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert (first, body) == ("HTTP/1.1 201 Created", b"{}")
    assert HEADERS.items() <= headers.items()
    assert (headers["Content-Length"], headers["Connection"]) == ("2", "close")
    assert b"Content-Length" not in serialised(web.Response(status=204))
