"""Where the parts of a JSON text begin and end, found without reading them.

For texts that are too large to be made into objects, or of which one part is no JSON (NaN, half a surrogate pair).
"""

import re
from collections.abc import Iterator
from typing import Final

from bridge.http.lenient_json import lenient

_STRINGS_AND_BRACKETS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
_TOKENS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},:]', re.DOTALL)


class NotJsonError(ValueError):
    """The text breaks off, or its brackets and quotes do not match."""


def children(text: bytes | bytearray, start: int, stop: int) -> Iterator[tuple[str | None, int, int]]:
    """Yield (name, start, stop) of each value directly within the array or object at `start`; name None in an array."""
    of_object = text[start : start + 1] == b"{"
    name: str | None = None
    begin = position = start + 1
    while (token := _TOKENS.search(text, position, stop)) is not None:
        at, position = token.span()
        match text[at : at + 1]:
            case b'"' if position - at == 1:
                break
            case b"[" | b"{":
                position = _end(text, at, stop)
            case b":" if of_object and name is None:
                name = _name(text[begin:at])
                begin = position
            case b"," | b"]" | b"}" as sign:
                if text[begin:at].strip():
                    if of_object and name is None:
                        break
                    yield name, begin, at
                if sign != b",":
                    if text[position:stop].strip():
                        break
                    return
                name, begin = None, position
    raise NotJsonError("something that is not JSON")


def _name(text: bytes | bytearray) -> str:
    """Read the name of a value of an object."""
    try:
        return str(lenient(bytes(text)))
    except (ValueError, RecursionError) as error:
        raise NotJsonError("something that is not JSON") from error


def _end(text: bytes | bytearray, start: int, stop: int) -> int:
    """Return the position behind the bracket that closes the one at `start`."""
    depth = 0
    for token in _STRINGS_AND_BRACKETS.finditer(text, start, stop):
        at = token.start()
        match text[at]:
            case 0x5B | 0x7B:
                depth += 1
            case 0x5D | 0x7D:
                depth -= 1
                if depth == 0:
                    return token.end()
            case _ if token.end() - at == 1:
                break
    raise NotJsonError("JSON that breaks off")


def trimmed(text: bytes | bytearray, start: int, stop: int) -> tuple[int, int]:
    """Leave out blanks at both ends."""
    while start < stop and text[start] in b" \t\r\n":
        start += 1
    while start < stop and text[stop - 1] in b" \t\r\n":
        stop -= 1
    return start, stop
