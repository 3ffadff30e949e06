"""Nothing that a terminal obeys comes through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.terminal import safe, safe_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x08c\x7f", "a\\rb\\x08c\\x7f"),
        ("pay\u202eslip", "pay\\u202eslip"),
        ("a\u200bb\u2066c\ufeff", "a\\u200bb\\u2066c\\ufeff"),
        ("\ud800", "\\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("déjà vu · 你好", "déjà vu · 你好"),
    ],
)
def test_e2_escape_sequences_and_hidden_marks_become_visible(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert safe_line(text) == shown


def test_line_breaks_stay_in_a_text_and_not_in_a_line() -> None:
    assert safe("a\tb\nc") == "a\tb\nc"
    assert safe_line("a\tb\nc") == "a\\tb\\nc"


@given(text=st.text())
def test_whatever_comes_is_one_line_that_can_be_encoded(text: str) -> None:
    line = safe_line(text)
    assert len(line.splitlines()) <= 1
    assert "\x1b" not in line
    line.encode()
