"""JSON whose numbers keep the digits they were sent with, for people to read. Pure.

`12345678901234567890` and `1.10` have no exact form as a float; a page shows what the source wrote. Two numbers are the
same only when they are written the same: 1.1 and 1.10 differ.
"""

import json
from typing import Any

from msgspec import Struct


class WrittenNumber(Struct, frozen=True):
    """A number of a JSON document, as it is written there."""

    text: str


def read_exact(document: bytes | str) -> Any:
    """Parse JSON; every number becomes a `WrittenNumber`. ValueError for what is no JSON.

    >>> read_exact('[1.10, "1.10"]')
    [WrittenNumber(text='1.10'), '1.10']
    """
    return json.loads(document, parse_float=WrittenNumber, parse_int=WrittenNumber, parse_constant=WrittenNumber)


def write_exact(value: Any, *, indent: int = 0) -> str:
    """Return a value as JSON, numbers as they were; with `indent` a line for each element.

    >>> write_exact({"a": [WrittenNumber("1.10"), None]})
    '{"a": [1.10, null]}'
    """
    return _written(value, indent, "\n" if indent else "")


def plain_text(value: Any) -> str:
    """Return a value as a person reads it: texts without quotes, anything else as JSON.

    >>> plain_text("held"), plain_text(True)
    ('held', 'true')
    """
    return value if isinstance(value, str) else write_exact(value)


def _written(value: Any, indent: int, line: str) -> str:
    if isinstance(value, WrittenNumber):
        return value.text
    if isinstance(value, dict | list) and value:
        inner = line + " " * indent if indent else ""
        if isinstance(value, dict):
            parts = [f"{_quoted(str(name))}: {_written(each, indent, inner)}" for name, each in value.items()]
        else:
            parts = [_written(each, indent, inner) for each in value]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        return f"{opening}{inner}{(',' + (inner or ' ')).join(parts)}{line}{closing}"
    return json.dumps(value, ensure_ascii=False)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
