"""The hub: bodies to register with, and what the answers say. Pure: no I/O.

Versions differ in the body (v5 wants `@type`, strict v4 servers refuse what they do not know) and servers in the
answer: 201 with the subscription, 200, or 204 with nothing but a Location. The standard has no GET on the hub, so the
id is worth some effort: it is the only handle for deregistering.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from bridge.errors import PermanentError

ACCEPTED = frozenset({200, 201, 202, 204})
"""Every status some server means "registered" by."""
ABSENT = frozenset({404, 405, 501})
"""The server has no such route."""


class HubAbsentError(PermanentError):
    """The server has no hub: it cannot push, only be polled."""


class HubConflictError(PermanentError):
    """The server has this callback already, or takes one listener only; deregister the old subscription first."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A subscription at a hub. `hub_id` is None when the server did not tell it; then it can only be left to lapse."""

    hub_id: str | None
    callback: str
    query: str = ""


def bodies(callback: str, query: str, version: str) -> tuple[dict[str, str], ...]:
    """Return what to POST, best first; the next is for a server that answered 400 or 422.

    `version` "2" to "5"; of an unknown one ("auto") both kinds are tried, as each is refused by strict servers of the
    other.
    """
    plain = {"callback": callback} | ({"query": query} if query else {})
    typed = {"@type": "Hub"} | plain
    match version:
        case "5":
            return (typed,)
        case "2" | "3" | "4":
            return (plain,)
        case _:
            return (plain, typed)


def read_registration(document: Any, location: str | None, callback: str, query: str) -> Registration:
    """Read the answer to a registration; the id from the body, else from the last segment of Location."""
    entity = document[0] if isinstance(document, list) and len(document) == 1 else document
    hub_id = _identity(entity) if isinstance(entity, dict) else None
    return Registration(hub_id or _last_segment(location or ""), callback, query)


def read_subscriptions(rows: list[dict[str, Any]]) -> list[Registration]:
    """Read a list of subscriptions, as some servers offer it outside the standard; what has no callback is left out."""
    return [
        Registration(_identity(row), row["callback"], row["query"] if isinstance(row.get("query"), str) else "")
        for row in rows
        if isinstance(row.get("callback"), str)
    ]


def _identity(entity: dict[str, Any]) -> str | None:
    """Take `id` (text or number), else the last segment of `href`."""
    value = entity.get("id")
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    href = entity.get("href")
    return _last_segment(href) if isinstance(href, str) else None


def _last_segment(address: str) -> str | None:
    """Take the id at the end of `…/hub/{id}`; None when the address ends with the hub itself."""
    try:
        path = urlsplit(address).path.rstrip("/")
    except ValueError:
        return None
    segment = unquote(path.rpartition("/")[2])
    return segment if segment and segment != "hub" else None
