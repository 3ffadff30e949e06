"""The JSON in a posted body, whatever it is packed or wrapped in."""

import base64
import gzip
import zlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.web.listener.posted_body import taken_out, unpacked, with_attributes
from bridge.web.refusal import Refusal

EVENT = b'{"eventType":"ServiceProblemCreateEvent","event":{"serviceProblem":{"id":"1 + 1","status":"held"}}}'
FORM = "application/x-www-form-urlencoded"
QUOTED = (
    b"%7B%22eventType%22%3A%22ServiceProblemCreateEvent%22%2C%22event%22%3A%7B%22serviceProblem%22%3A%7B%22id%22%3A"
    b"%221+%2B+1%22%2C%22status%22%3A%22held%22%7D%7D%7D"
)
MOST = 10_000


def parts(*contents: bytes, head: bytes = b"Content-Type: application/json") -> bytes:
    lines = b"".join(b"--b0undary\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for content in contents)
    return b"preamble\r\n" + lines + b"--b0undary--\r\n"


def out(kind: str, body: bytes) -> bytes:
    return taken_out(CIMultiDict({"content-type": kind}), body)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(EVENT[:20]) + gzip.compress(EVENT[20:])),
        ("gzip", gzip.compress(b"") + gzip.compress(EVENT)),
        ("gzip, gzip", gzip.compress(gzip.compress(EVENT))),
        ("identity, gzip", gzip.compress(EVENT)),
        ("deflate , GZIP", gzip.compress(zlib.compress(EVENT))),
        ("", gzip.compress(EVENT)),
        ("gzip", EVENT),
    ],
    ids=["two members", "an empty member", "twice", "with identity", "two codings", "not declared", "declared wrongly"],
)
def test_a_packed_body_is_unpacked(coding: str, body: bytes) -> None:
    assert unpacked(coding, body, MOST) == EVENT


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", ""])
def test_no_number_of_members_unpacks_to_more_than_the_limit(coding: str) -> None:
    bomb = gzip.compress(b" " * (MOST - 1)) * 100
    with pytest.raises(Refusal):
        unpacked(coding, gzip.compress(bomb) if "," in coding else bomb, MOST)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"payload=" + QUOTED),
        (FORM + "; charset=UTF-8", b"token=x&payload=" + QUOTED + b"&user=me"),
        (FORM, QUOTED),
        (FORM, QUOTED + b"="),
        (FORM, EVENT),
        ("multipart/form-data; boundary=b0undary", parts(b"not json", EVENT)),
        ('Multipart/Mixed; charset=utf-8; boundary="b0undary"', parts(EVENT)),
        (
            "multipart/form-data; boundary=b0undary",
            parts(base64.b64encode(EVENT), head=b"Content-Transfer-Encoding: BASE64"),
        ),
        ("application/merge-patch+json", EVENT),
        ("text/plain", EVENT),
        ("", EVENT),
    ],
    ids=[
        "a field",
        "among fields",
        "the whole form",
        "a name",
        "declared wrongly",
        "a part among others",
        "one part",
        "base64",
        "a patch",
        "text",
        "nothing declared",
    ],
)
def test_json_is_taken_out_of_what_holds_it(kind: str, body: bytes) -> None:
    assert out(kind, body) == EVENT


def test_several_events_in_one_body_are_a_list() -> None:
    assert orjson.loads(out("multipart/mixed; boundary=b0undary", parts(EVENT, EVENT))) == [orjson.loads(EVENT)] * 2


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"payload=hello"),
        (FORM, b""),
        ("multipart/mixed", parts(EVENT)),
        ("multipart/mixed; boundary=other", parts(EVENT)),
        ("multipart/mixed; boundary=b0undary", parts(EVENT, b"{broken")),
        ("multipart/mixed; boundary=b0undary", parts(b"%", head=b"Content-Transfer-Encoding: base64")),
    ],
)
def test_what_holds_no_json_is_left_as_it_is(kind: str, body: bytes) -> None:
    assert out(kind, body) == body


def test_the_attributes_of_binary_cloudevents_are_put_around_the_data() -> None:
    headers = CIMultiDict(
        {
            "CE-SpecVersion": "1.0",
            "CE-Id": "e%20\u00e41",
            "ce-type": "com.acme.ServiceProblemDeleteEvent",
            "ce-source": "/x",
            "ce-time": "2026-06-01T12:00:00Z",
            "ce-custom": "no",
        }
    )
    assert orjson.loads(with_attributes(headers, b'{"id":"1"}')) == {
        "specversion": "1.0",
        "id": "e \u00e41",
        "type": "com.acme.ServiceProblemDeleteEvent",
        "source": "/x",
        "time": "2026-06-01T12:00:00Z",
        "data": {"id": "1"},
    }


@pytest.mark.parametrize("headers", [{}, {"ce-type": "x"}, {"ce-id": "1"}, {"ce-id": "\udc80", "ce-type": "x"}])
def test_without_id_and_type_the_body_is_the_event(headers: dict[str, str]) -> None:
    assert with_attributes(CIMultiDict(headers), EVENT) is EVENT


@given(
    st.sampled_from([FORM, "multipart/mixed; boundary=b", "multipart/;boundary=", "multipart/x; boundary*0=a"]),
    st.text(max_size=20),
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"--b", b"\r\n", b"{}", b"&", b"=", b"%7B"]), max_size=20).map(b"".join),
)
def test_anything_gives_some_bytes(kind: str, coding: str, body: bytes) -> None:
    assert isinstance(taken_out({"Content-Type": kind}, unpacked(coding, body, MOST)), bytes)
