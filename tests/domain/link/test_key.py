"""Keys and codes are computed, and safe in any query."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.key import link_key, note_code


@given(st.text(), st.text(), st.text(), st.integers(0, 9))
def test_a_key_has_29_safe_characters(rule: str, source: str, ticket: str, number: int) -> None:
    key = link_key(rule, source, ticket, number)
    assert re.fullmatch(r"tb-[a-z2-7]{26}", key)
    assert key == link_key(rule, source, ticket, number)


def test_parts_do_not_run_into_each_other() -> None:
    keys = {link_key("a", "bc", "d"), link_key("ab", "c", "d"), link_key("a", "b", "cd"), link_key("a", "bc", "d", 1)}
    assert len(keys) == 4


def test_a_note_has_a_code_of_its_own_on_each_side() -> None:
    codes = {note_code("k", side, note) for side in ("left", "right") for note in ("1", "2")}
    assert len(codes) == 4
    assert all(re.fullmatch(r"n:[a-z2-7]{8}", code) for code in codes)
