"""Reading queries and forms."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.console.visit import fields
from bridge.web.refusal import Refusal


@given(st.dictionaries(st.text(min_size=1), st.lists(st.text(), min_size=1, max_size=3), max_size=5))
def test_what_a_browser_encodes_is_read_again(values: dict[str, list[str]]) -> None:
    encodable = {
        name: texts
        for name, texts in values.items()
        if all(text.encode("utf-8", "replace") == text.encode("utf-8", "ignore") for text in (name, *texts))
    }
    assert fields(urlencode(encodable, doseq=True)) == encodable


@pytest.mark.parametrize("query", ["a=%ff", "&".join(f"a={n}" for n in range(501))])
def test_what_no_browser_sends_is_refused(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        fields(query)
    assert refused.value.status == 400
