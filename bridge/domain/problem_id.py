"""What names a problem, in a problem, an event or a reference."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

ID_CHARACTERS = 512
"""A longer id would not fit an index of Postgres."""


def usable_id(value: object) -> str | None:
    """Return an id as text: a text as it is, an integer in digits, None for what cannot name a problem."""
    if not isinstance(value, str):
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        value = str(value)
    return None if len(value) > ID_CHARACTERS or not value.strip() or "\0" in value else value


def id_in(item: Mapping[str, Any]) -> str | None:
    """Return the id of a problem or of a reference to one: its `id`, else the last segment of its `href`."""
    return usable_id(item.get("id")) or _id_in_href(item.get("href"))


def _id_in_href(href: object) -> str | None:
    """`…/serviceProblem/42/` and `…/serviceProblem/42?fields=id` name 42; the collection itself names nothing."""
    if not isinstance(href, str) or "/" not in href:
        return None
    try:
        segment = unquote(urlsplit(href).path.rstrip("/").rpartition("/")[2], errors="strict")
    except ValueError:
        return None
    return None if segment.lower() == "serviceproblem" else usable_id(segment)
