"""What a remote system wrote is quoted short, in one line, without secrets and control characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.http.quotation import CHARACTERS, quoted


@given(st.text(max_size=400))
def test_any_text_is_one_printable_line(text: str) -> None:
    assert quoted(text).isprintable()


def test_it_is_short_and_runs_of_blanks_are_one() -> None:
    assert quoted("no\n\n  light") == "no light"
    assert quoted("x" * 10_000) == "x" * CHARACTERS


def test_what_steers_a_terminal_is_escaped() -> None:
    assert quoted("a\x1b[2Jb\u202e") == "a\\x1b[2Jb\\u202e"


@pytest.mark.parametrize("before", ["", "word " * 1637])
def test_a_secret_is_masked_also_where_the_text_is_cut(before: str) -> None:
    text = quoted(f"{before}password=C4nary-C4nary-C4nary {'x' * 9000}")
    assert "C4nary" not in text
