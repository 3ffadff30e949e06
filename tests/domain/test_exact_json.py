"""Numbers keep their digits from the document to the page."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.exact_json import WrittenNumber, plain_text, read_exact, write_exact

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("number", ["12345678901234567890", "1.10", "-0", "1E400", "1e-7", "0.30000000000000004"])
def test_a_number_is_shown_as_it_was_written(number: str) -> None:
    assert plain_text(read_exact(number)) == number
    assert write_exact(read_exact(f'{{"n": [{number}]}}')) == f'{{"n": [{number}]}}'


def test_a_text_that_looks_like_a_number_stays_a_text() -> None:
    assert read_exact('["1.10", 1.10]') == ["1.10", WrittenNumber("1.10")]
    assert write_exact(read_exact('["1.10", 1.10]')) == '["1.10", 1.10]'


@given(values, st.sampled_from([0, 1, 2]))
def test_what_is_written_reads_as_the_same_document(value: object, indent: int) -> None:
    assert json.loads(write_exact(read_exact(json.dumps(value)), indent=indent)) == value


def test_with_an_indent_every_element_has_a_line() -> None:
    assert write_exact(read_exact('{"a": [1, {}], "b": "x"}'), indent=2) == (
        '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "x"\n}'
    )
