"""The parts of a JSON text are found without reading them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.http.json_spans import NotJsonError, children

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=4) | st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_the_children_of_a_document_are_its_elements_or_members(document: object) -> None:
    text = orjson.dumps(document)
    parts = [(name, orjson.loads(text[begin:end])) for name, begin, end in children(text, 0, len(text))]
    expected = list(document.items()) if isinstance(document, dict) else [(None, each) for each in document]
    assert parts == expected


@pytest.mark.parametrize("text", [b"[", b"[1", b'["', b"[[]", b"{1}", b"[] x", b'{"a":[}', b'["\\"]'])
def test_what_breaks_off_or_does_not_match_is_no_json(text: bytes) -> None:
    with pytest.raises(NotJsonError):
        list(children(text, 0, len(text)))
