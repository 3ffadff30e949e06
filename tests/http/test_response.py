"""An answer says what it can, whatever a server writes into headers and body."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.http.response import HttpResponse
from bridge.telemetry.redaction import MASK

NOW = datetime.now(UTC)


def answer(body: bytes = b"", status: int = 200, **headers: str) -> HttpResponse:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return HttpResponse(status, CIMultiDictProxy(named), bytearray(body), NOW)


def date(ahead: timedelta) -> str:
    return format_datetime(NOW + ahead, usegmt=True)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30", 30), ("1.5", 1.5), ("-3", 0), ("86400", 3600), ("nan", None), ("inf", None), ("soon", None), ("", None)],
)
def test_a_pause_is_a_number_of_seconds_that_is_bounded(written: str, seconds: float | None) -> None:
    assert answer(Retry_After=written).retry_after_seconds == seconds


def test_a_pause_until_a_date_is_measured_on_the_servers_own_clock() -> None:
    wrong_by_an_hour = answer(Date=date(timedelta(hours=-1)), Retry_After=date(timedelta(minutes=-59)))
    assert wrong_by_an_hour.retry_after_seconds == 60
    assert answer(Retry_After=date(timedelta(hours=-1))).retry_after_seconds == 0


def test_a_clock_that_cannot_be_right_is_none() -> None:
    found = answer(Date=date(timedelta(minutes=-5))).server_at
    assert found == (NOW - timedelta(minutes=5)).replace(microsecond=0)
    assert answer(Date=date(timedelta(days=3))).server_at is None
    assert answer(Date="Thu, 01 Jan 1970 00:00:00 GMT").server_at is None
    assert answer().server_at is None


def test_the_charset_is_what_the_type_names() -> None:
    assert answer(Content_Type='application/json; charset="ISO-8859-1"').charset == "ISO-8859-1"
    assert answer(Content_Type="application/json").charset is None
    text = '{"a": "\u00fc"}'.encode("latin-1")
    assert answer(text, Content_Type="text/json;charset=latin1").document() == {"a": "\u00fc"}


def test_what_need_not_be_json_is_none_when_it_is_not_or_is_too_large() -> None:
    assert answer(b'{"id": "1"}').small_document() == {"id": "1"}
    assert answer(b"created").small_document() is None
    assert answer(b"[" * 100_000).small_document() is None
    assert answer(b'"' + b"x" * (1 << 20) + b'"').small_document() is None


def test_a_refusal_is_quoted_by_its_reason_else_by_its_beginning_and_repeats_nothing_private() -> None:
    error = answer(b'{"code": "60", "reason": "no right", "message": "for canary-7"}', status=403)
    assert not error.ok
    assert error.excerpt("canary-7", "") == f"60, no right, for {MASK}"
    assert answer(b"<html>\n oops </html>").excerpt() == "<html> oops </html>"


def test_an_object_error_is_quoted_by_its_message_and_detail() -> None:
    said = answer(b'{"error": {"message": "Operation Failed", "detail": "a rule"}, "status": "failure"}', status=403)
    assert said.excerpt() == "Operation Failed, a rule"
    said = answer(b'{"errors": [{"title": "Refused.", "detail": "no such state", "errorCode": 12}]}')
    assert said.excerpt() == "12, Refused., no such state"
