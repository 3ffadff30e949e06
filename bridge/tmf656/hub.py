"""The hub: bodies of a registration, and its answers. Pure: no I/O.

Versions differ in the body (v5 wants `@type`, strict v4 servers refuse what they do not know) and servers in the
answer: 201 with the subscription, 200, or 204 with nothing but a Location; bare, or wrapped in an object. The standard
has no GET on the hub, so the id is worth some effort: it is the only handle for deregistering.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge.domain.hub import Registration, same_callback
from bridge.domain.service_problem import usable_id

ACCEPTED: Final = frozenset({200, 201, 202, 204})
"""Every status by which some server confirms a registration."""
ABSENT: Final = frozenset({404, 405, 501})
"""The server has no such route."""

_CALLBACKS: Final = frozenset({"callback", "callbackurl", "callbackuri", "callbackaddress"})
_ADDRESSES: Final = frozenset(
    {"url", "uri", "endpoint", "target", "targeturl", "sink", "address", "webhook", "webhookurl", "notifyurl"}
    | {"notificationurl", "notificationuri", "deliveryurl", "destination", "endpointurl", "href"}
)
"""Where servers keep a callback, too; in these only an http(s) address is one."""
_IDS: Final = ("subscriptionid", "hubid", "registrationid", "listenerid", "uuid", "identifier", "id")
"""Names of an id, in lower case and without signs, where there is none named `id`."""
_ERRORS: Final = ("error", "errors", "fault", "exception", "errormessage", "errorcode")
_FAILED: Final = frozenset({"error", "failed", "failure", "fail", "rejected", "denied"})
_WRAPPERS: Final = frozenset(
    {"result", "results", "data", "subscription", "eventsubscription", "hub", "response", "items", "value", "content"}
    | {"payload", "body", "entity", "resource", "listener"}
)
_DEPTH: Final = 4


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
    return Registration(_scalar_id(document) or _id_in_location(location or ""), callback, query)


def refuses(document: Any, body: bytes | bytearray = b"") -> bool:
    """Whether an answer with a status of success is a refusal: an object that states an error, or a page for people."""
    if not isinstance(document, dict):
        return bytes(body[:64]).lstrip().lower().startswith((b"<!doctype html", b"<html"))
    named = {_plain(name): value for name, value in document.items()}
    if named.get("success") is False or named.get("ok") is False or any(named.get(name) for name in _ERRORS):
        return True
    if isinstance(state := named.get("status"), str) and state.lower() in _FAILED and "callback" not in named:
        return True
    failed = isinstance(state, int) and not isinstance(state, bool) and state >= 400
    explained = "code" in named and bool(named.get("reason") or named.get("message"))
    return (failed or explained) and _identity(document) is None


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
        plain = _plain(name)
        if isinstance(value, dict) and plain in _CALLBACKS | _ADDRESSES:
            yield from (one for one in value.values() if isinstance(one, str) and _is_address(one))
        elif isinstance(value, str) and (plain in _CALLBACKS or (plain in _ADDRESSES and _is_address(value))):
            yield value


def _is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _plain(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


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
    if isinstance(href, str) and (last := _last_segment(href)) is not None:
        return last
    named = {_plain(name): each for name, each in entity.items()}
    return next((usable for name in _IDS if (usable := usable_id(named.get(name))) is not None), None)


def _scalar_id(document: Any) -> str | None:
    """Take a body that is nothing but an id: a number, or a text with a digit and no blank."""
    found = usable_id(document)
    return found if found is not None and found.isprintable() and re.search(r"^\S*[0-9]\S*$", found) else None


def _id_in_location(address: str) -> str | None:
    """Take the id at the end of the path, else one in the query (`/hub?id=42`)."""
    try:
        query = parse_qsl(urlsplit(address).query)
    except ValueError:
        return None
    return _last_segment(address) or next((value for name, value in query if _plain(name) in _IDS and value), None)


def _last_segment(address: str) -> str | None:
    """Take the id at the end of `…/hub/{id}`; None when the address ends with the hub itself."""
    try:
        path = urlsplit(address).path.rstrip("/")
    except ValueError:
        return None
    segment = unquote(path.rpartition("/")[2])
    return segment if segment and segment.lower() != "hub" else None
