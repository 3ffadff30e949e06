"""Parameters of the pages that have few: each at most once, and those that mean nothing here are named."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from bridge.web.console.visit import Fields
from bridge.web.refusal import Refusal

_LONGEST = 1000


def read_parameters(query: Fields, *names: str) -> dict[str, str]:
    """Return those that are not empty, the last of each; Refusal (400) that names what is no parameter here."""
    if strange := sorted(query.keys() - set(names)):
        raise Refusal(400, "unknown_parameter", f"This page has no parameter {', '.join(map(repr, strange))}.")
    found = {name: values[-1] for name, values in query.items() if values[-1]}
    for name, text in found.items():
        if "\0" in text or len(text) > _LONGEST:
            raise Refusal(400, "malformed", f"{name} has a character that no text may have, or is too long.")
    return found


def one_of(name: str, text: str | None, words: Sequence[str]) -> str | None:
    """Return a word that is one of these, or None where there is none; Refusal (400) for another."""
    if text is None or text in words:
        return text
    raise Refusal(400, "malformed", f"{name} is one of {', '.join(words)}.")


def whole_number(name: str, text: str | None, otherwise: int) -> int:
    """Read a whole number; Refusal (400) for what is none."""
    if text is None:
        return otherwise
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    raise Refusal(400, "malformed", f"{name} is a whole number.")


def query_of(values: Mapping[str, Any]) -> str:
    """Write parameters, without those that say nothing.

    >>> query_of({"rule": "a b", "kind": None, "before": 7})
    'rule=a+b&before=7'
    """
    return urlencode({name: value for name, value in values.items() if value not in (None, "")})
