"""Secrets become stars, whatever stands around them, and words that only look alike stay."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.telemetry import redaction
from bridge.telemetry.redaction import MASK, hide, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://bridge:s3cret@db/x", f"postgresql://bridge:{MASK}@db/x"),
        ("http://:s3cret@proxy:3128", f"http://:{MASK}@proxy:3128"),
        ("host=db password=s3cret dbname=x", f"host=db password={MASK} dbname=x"),
        ("postgresql://db/x?password=s3cret&user=a", f"postgresql://db/x?password={MASK}&user=a"),
        ("postgresql://db/x?sslpassword=s3cret", f"postgresql://db/x?sslpassword={MASK}"),
        ("POST /listener/snow/s3cret/listener/createEvent", f"POST /listener/snow/{MASK}/listener/createEvent"),
        ('{"callback": "http://h/listener/snow/s3cret"}', f'{{"callback": "http://h/listener/snow/{MASK}"}}'),
    ],
)
def test_what_looks_like_a_secret_is_masked_by_its_place(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", ["", "http://host/path", "a=b", "see /listener/", "the password is long"])
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=8, max_size=30))
def test_a_hidden_value_is_masked_plain_and_percent_encoded(secret: str) -> None:
    hide(secret)
    for written in (secret, quote(secret), quote(secret, safe="")):
        assert secret not in mask(f"<{written}>") or secret in f"<{MASK}>"


def test_a_value_too_short_to_be_told_from_a_word_is_not_hidden() -> None:
    hide("abc")
    assert mask("abcdef") == "abcdef"


def test_a_secret_that_is_a_word_of_ours_uncovers_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defect: where somebody's password is "password", `password=…` was no longer known by its name."""
    monkeypatch.setattr(redaction, "_hidden", frozenset())
    monkeypatch.setattr(redaction, "_hidden_pattern", None)
    hide("password")
    assert "s3cret" not in mask("host=db password=s3cret sslpassword=s3cret2")
    assert "s3cret" not in mask("http://password:s3cret@host/listener/password/s3cret")
