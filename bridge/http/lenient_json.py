"""JSON as servers write it, read as far as it can be read."""

import json
import re
from typing import Any, Final

import orjson

from bridge.http.charset import to_utf8

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def lenient(raw: bytes | bytearray | memoryview, charset: str | None = None) -> Any:
    """Return the document in `raw` as servers write it: NaN, text in another charset or half a surrogate pair spoil one
    value, not a page. ValueError, or RecursionError, for what is no JSON by any reading.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        text = to_utf8(bytes(raw), charset).decode("utf-8", "replace")
        return _without_surrogates(json.loads(text.removeprefix("\ufeff"), parse_constant=lambda _: None))


def _without_surrogates(value: Any) -> Any:
    """Replace halves of surrogate pairs, which no UTF-8 text can hold."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    return value
