"""Addresses that a server names are read, or are none; nothing is raised for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bridge.http.address import below, on_origin, resolve

BASE = URL("https://h/v4/serviceProblem?limit=1")


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("?after=a%2Fb", "https://h/v4/serviceProblem?after=a%2Fb"),
        ("/x?y=1#z", "https://h/x?y=1"),
        ("http://other:81/x", "http://other:81/x"),
        ("", None),
        ("ftp://h/x", None),
        ("http://h:65536/", None),
        ("http://h:abc/", None),
        ("http://[::1", None),
        ("http://user@h/", None),
        ("/a\nb", None),
        ("http://xn--" + "a" * 400 + "/", None),
        ("/" + "a" * 20_000, None),
    ],
)
def test_a1_a_reference_is_an_address_or_none(reference: str, target: str | None) -> None:
    found = resolve(BASE, reference)
    assert (None if found is None else str(found)) == target


@given(st.text(max_size=30) | st.text(alphabet="http:/[]@%?#.\u00fc1:", max_size=20))
def test_a1_no_reference_raises(reference: str) -> None:
    found = resolve(BASE, reference)
    if found is not None:
        assert str(on_origin(found, BASE)).startswith("https://h")


def test_a_segment_stays_one() -> None:
    assert str(below(URL("https://h/v4?k=1"), "a/b?c")) == "https://h/v4/a%2Fb%3Fc?k=1"
