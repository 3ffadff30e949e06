"""What goes to a terminal: text from outside without anything that a terminal would obey, in any locale."""

import codecs
import json
import re
import sys
from io import TextIOWrapper
from typing import Any

import orjson

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
    "|[\U000e0000-\U000e007f]"
)
_UNSAFE_IN_A_LINE = re.compile("[\t\n]")


def escape_unencodable() -> None:
    """Let standard output take any text: what its locale has no bytes for (an arrow in Latin-1) is written as JSON
    escapes it, so that JSON stays what it says. Standard error escapes by itself.
    """
    codecs.register_error("json_escape", _json_escaped)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="json_escape")


def _json_escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def safe(text: object) -> str:
    """Text of several lines, with control characters, and marks that hide or reorder text, as visible escapes."""
    return _UNSAFE.sub(_escaped, str(text))


def safe_line(text: object) -> str:
    """As `safe`, on one line."""
    return _UNSAFE_IN_A_LINE.sub(_escaped, safe(text))


def json_text(value: Any) -> str:
    """A value as JSON that programs read, and that may stand on a terminal all the same."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NAIVE_UTC).decode()
    return _UNSAFE.sub(lambda found: json.dumps(found.group())[1:-1], text)


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode()
