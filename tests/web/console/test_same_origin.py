"""Requests that change something come from our own pages."""

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.console.same_origin import form_token, is_form_token, is_same_origin, origin_of

OURS = "https://bridge.example"


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OURS}, False),
        ({"Origin": OURS}, True),
        ({"Origin": "https://bridge.example.evil"}, False),
        ({"Origin": "http://bridge.example"}, False),
        ({"Origin": "null"}, False),
        ({}, True),
    ],
)
def test_what_the_browser_says_decides(headers: dict[str, str], own: bool) -> None:
    assert is_same_origin(make_mocked_request("POST", "/", headers), OURS) is own


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://bridge.example:443/noc", "https://bridge.example"),
        ("http://127.0.0.1:8657", "http://127.0.0.1:8657"),
        ("http://[::1]:8657/x", "http://[::1]:8657"),
        ("http://Bridge.Example:80", "http://bridge.example"),
    ],
)
def test_an_origin_is_written_as_browsers_do(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_a_form_token_is_good_for_its_session_only_and_never_the_same(one: bytes, other: bytes) -> None:
    first, second = form_token(one), form_token(one)
    assert first != second
    assert is_form_token(first, one)
    assert is_form_token(second, one)
    assert is_form_token(first, other) is (one == other)


@given(st.text(max_size=60))
def test_no_other_text_is_a_form_token(text: str) -> None:
    assert not is_form_token(text, b"key")
