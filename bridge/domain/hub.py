"""Registrations at a hub, and whose callback one is, however the server spells it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.errors import PermanentError

_MASK: Final = re.compile(
    r"\*{2,}|[xX]{4,}|[•●]{2,}|…|\.{3,}|\[(?:redacted|hidden|masked)\]|<(?:redacted|hidden|masked)>", re.IGNORECASE
)
"""What servers show instead of a secret."""


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
