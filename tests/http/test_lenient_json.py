"""JSON as servers write it: one odd value spoils itself and nothing else."""

import pytest

from bridge.http.lenient_json import lenient


@pytest.mark.parametrize(
    ("raw", "charset", "value"),
    [
        (b'{"a": 1}', None, {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', None, {"a": 1}),
        (b'{"a": NaN, "b": -Infinity, "c": 1}', None, {"a": None, "b": None, "c": 1}),
        ('{"a": "\u00fc"}'.encode("latin-1"), "iso-8859-1", {"a": "\u00fc"}),
        (b'{"a": "x\\ud800y", "b": ["\\udc00"]}', None, {"a": "x\ufffdy", "b": ["\ufffd"]}),
        (b'{"\\ud800": "\\ud83d\\ude00"}', None, {"\ufffd": "\U0001f600"}),
        (memoryview(b"[1]"), None, [1]),
    ],
)
def test_what_can_be_read_is_read(raw: bytes, charset: str | None, value: object) -> None:
    assert lenient(raw, charset) == value


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"a": ', b"{'a': 1}"])
def test_what_is_no_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- whatever the reader says
        lenient(raw)
