"""Encoded queries (`sysparm_query`). ServiceNow drops a part that it does not understand and answers without it."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from bridge.errors import PermanentError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_OPERATORS: Final = frozenset({"=", "!=", ">", ">=", "<", "<=", "IN", "STARTSWITH"})


def condition(field: str, operator: str, value: str) -> str:
    """Return one condition. PermanentError for a value that no condition can hold: `^` ends it, whatever is quoted."""
    if _NAME.fullmatch(field) is None or operator not in _OPERATORS:
        raise PermanentError(f"no condition of an encoded query: {field!r} {operator!r}")
    if "^" in value or not value.isprintable():
        raise PermanentError(f"{value!r} cannot stand in an encoded query: it has ^ or a control character in it")
    return f"{field}{operator}{value}"


def is_in(field: str, values: Iterable[str]) -> str:
    """Return the condition that a field has one of these values, none of which has a comma."""
    listed = list(values)
    if any("," in value for value in listed):
        raise PermanentError("a value with a comma cannot stand in a list of an encoded query")
    return condition(field, "IN", ",".join(listed))


def joined(*parts: str) -> str:
    """Return the query for which all parts hold; empty ones are left out."""
    return "^".join(part for part in parts if part)


def time_literal(at: datetime) -> str:
    """Write an instant as the Table API has it: UTC, to the second, rounded down."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def encoded(parameters: Mapping[str, str]) -> str:
    """Return the query part of an address, percent-encoded; parameters without a value are left out."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items() if value)
