"""The hub: bodies of a registration, its answers, and whose callback one is. Pure: no I/O.

Versions differ in the body (v5 wants `@type`, strict v4 servers refuse what they do not know) and servers in the
answer: 201 with the subscription, 200, or 204 with nothing but a Location; bare, or wrapped in an object. The standard
has no GET on the hub, so the id is worth some effort: it is the only handle for deregistering.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.errors import PermanentError

ACCEPTED: Final = frozenset({200, 201, 202, 204})
"""Every status by which some server confirms a registration."""
ABSENT: Final = frozenset({404, 405, 501})
"""The server has no such route."""

_CALLBACKS: Final = frozenset({"callback", "callbackurl", "callbackuri", "callbackaddress"})
_WRAPPERS: Final = frozenset(
    {"result", "results", "data", "subscription", "eventsubscription", "hub", "response", "items", "value", "content"}
    | {"payload", "body", "entity", "resource", "listener"}
)
_MASK: Final = re.compile(
    r"\*{2,}|[xX]{4,}|[•●]{2,}|…|\.{3,}|\[(?:redacted|hidden|masked)\]|<(?:redacted|hidden|masked)>", re.IGNORECASE
)
"""What servers show instead of a secret."""
_DEPTH: Final = 4


class HubAbsentError(PermanentError):
    """The server has no hub: it cannot push, only be polled."""


class HubConflictError(PermanentError):
    """The server accepts only one listener and has one, or it has this callback and does not show it."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A subscription at a hub. `hub_id` is None when the server did not return one; then we cannot delete it."""

    hub_id: str | None
    callback: str
    query: str = ""


def bodies(callback: str, query: str, version: str) -> tuple[dict[str, str], ...]:
    """Return what to POST, best first; the next is for a server that answered 400 or 422.

    `version` "2" to "5"; of an unknown one ("auto") both kinds are tried, as each is refused by strict servers of the
    other.
    """
    untyped = {"callback": callback} | ({"query": query} if query else {})
    typed = {"@type": "Hub"} | untyped
    match version:
        case "5":
            return (typed,)
        case "2" | "3" | "4":
            return (untyped,)
        case _:
            return (untyped, typed)


def read_registration(document: Any, location: str | None, callback: str, query: str) -> Registration:
    """Read the answer to a registration; the id from the body, however it is wrapped, else from the end of Location."""
    ours = [
        entity
        for entity in _entities(document, _DEPTH)
        if any(same_callback(callback, each) for each in _callbacks(entity))
    ]
    for entity in (*ours, *reversed(list(_wrapped(document, _DEPTH)))):
        if (hub_id := _identity(entity)) is not None:
            return Registration(hub_id, callback, query)
    return Registration(_last_segment(location or ""), callback, query)


def read_subscriptions(document: Any) -> list[Registration] | None:
    """Read a list of subscriptions, as some servers offer it outside the standard, however it is wrapped.

    What has no callback is left out; None when nothing in it is a list or has a callback.
    """
    found = [
        Registration(_identity(entity), callback, entity["query"] if isinstance(entity.get("query"), str) else "")
        for entity in _entities(document, _DEPTH)
        for callback in _callbacks(entity)
    ]
    return found if found or _holds_list(document, _DEPTH) else None


def find_callback(registrations: Iterable[Registration], callback: str) -> list[Registration]:
    """Return those of the registrations that are of this callback."""
    return [each for each in registrations if same_callback(callback, each.callback)]


def same_callback(ours: str, listed: str) -> bool:
    """Whether a callback that a server lists is ours, though it spells it otherwise.

    Scheme and host may differ in case, a default port may be added or left out, other characters may be
    percent-encoded, a slash may be appended, and what is secret may be masked, if the rest before it is the same.
    """
    try:
        known, shown = _parts(ours), _parts(listed)
    except ValueError:
        return False
    if known == shown:
        return True
    (origin, path, query), (shown_origin, shown_path, shown_query) = known, shown
    before, _, last = path.rpartition("/")
    shown_before, _, shown_last = shown_path.rpartition("/")
    return (origin, before) == (shown_origin, shown_before) and _shows(shown_last, last) and _shows(shown_query, query)


def _shows(shown: str, text: str) -> bool:
    """Whether `shown` is the text, or the text with masks for parts of it."""
    pattern = ".*".join(re.escape(piece) for piece in _MASK.split(shown))
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def _parts(address: str) -> tuple[str, str, str]:
    """Return origin, path and query of an address in one spelling; ValueError when it is none."""
    split: SplitResult = urlsplit(address.strip())
    scheme, port = split.scheme.lower(), split.port
    if not split.hostname:
        raise ValueError("no address")
    if port == {"http": 80, "https": 443}.get(scheme):
        port = None
    host = split.hostname.rstrip(".")
    path = re.sub("/{2,}", "/", unquote(split.path)).rstrip("/")
    return f"{scheme}://{host}{'' if port is None else f':{port}'}", path, unquote(split.query)


def _entities(document: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield the objects in an answer, outer ones first."""
    if isinstance(document, dict):
        yield document
    if depth and isinstance(document, dict | list):
        for inner in document.values() if isinstance(document, dict) else document:
            yield from _entities(inner, depth - 1)


def _wrapped(document: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield an object and those that it only wraps, outer ones first."""
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if isinstance(document, dict) and depth:
        yield document
        for name, inner in document.items():
            if name.lower() in _WRAPPERS:
                yield from _wrapped(inner, depth - 1)


def _holds_list(document: Any, depth: int) -> bool:
    if isinstance(document, dict) and depth:
        return any(_holds_list(inner, depth - 1) for inner in document.values())
    return isinstance(document, list)


def _callbacks(entity: dict[str, Any]) -> Iterator[str]:
    for name, value in entity.items():
        if isinstance(value, str) and name.lower().replace("_", "").replace("-", "") in _CALLBACKS:
            yield value


def _identity(entity: dict[str, Any]) -> str | None:
    """Take `id` (text or number), else the last segment of `href`. The id of a JSON-RPC answer is that of the call."""
    if "jsonrpc" in entity:
        return None
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
    return segment if segment and segment.lower() != "hub" else None
