"""What came back over HTTP, read to its end, and what is to be made of it whatever a server makes of HTTP and JSON.

Nothing here waits. What a message repeats of an answer is short, escaped and without secrets.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from multidict import CIMultiDictProxy

from bridge.http.lenient_json import lenient
from bridge.telemetry.redaction import MASK, mask

_EXCERPT_CHARACTERS: Final = 200
_LONGEST_PAUSE_SECONDS: Final = 3600.0
"""A Retry-After beyond this is cut: an hour of silence is long enough to ask again."""
_WRAPPERS: Final = ("items", "data", "serviceProblem", "result", "results", "content", "value")
"""Attributes under which servers have been seen to put the list, or the problem, they answer with."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP answer. `asked_at`: our clock, before its request was started."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytearray = field(repr=False)
    asked_at: datetime

    @property
    def ok(self) -> bool:
        """Was the request granted?"""
        return 200 <= self.status < 300

    @property
    def server_at(self) -> datetime | None:
        """The server's clock (its Date header), None when it shows none."""
        return _http_date(self.headers.get("Date", ""))

    @property
    def retry_after_seconds(self) -> float | None:
        """Retry-After, seconds or a date (measured on the server's own clock when it shows one)."""
        text = self.headers.get("Retry-After", "").strip()
        try:
            seconds = float(text)
        except ValueError:
            until = _http_date(text)
            if until is None:
                return None
            seconds = (until - (self.server_at or datetime.now(UTC))).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_PAUSE_SECONDS) if math.isfinite(seconds) else None

    def document(self) -> Any:
        """Parse JSON as servers write it, in the charset they say. ValueError or RecursionError when it is none."""
        charset = re.search(r"charset=\"?([\w.:-]+)", self.headers.get("Content-Type", ""), re.IGNORECASE)
        return lenient(self.body, charset[1]) if charset else lenient(self.body)

    def document_if_any(self) -> Any:
        """Parse an answer that need not be JSON; None when it is not."""
        try:
            return self.document()
        except (ValueError, RecursionError):
            return None

    def excerpt(self, private: str = "") -> str:
        """Quote why the server refused: reason and message of a TMF Error, else the beginning of the body."""
        document = self.document_if_any()
        text = ""
        if isinstance(document, dict):
            parts = (document.get(name) for name in ("code", "reason", "message"))
            text = ", ".join(str(part) for part in parts if isinstance(part, str | int) and str(part))
        text = text or self.body[: 4 * _EXCERPT_CHARACTERS].decode("utf-8", "replace")
        return plain(text.replace(private, MASK) if private else text)


def unwrap(document: Any) -> list[dict[str, Any]] | None:
    """Find the list in an answer: bare, wrapped, or one object alone; None when there is nothing of the kind.

    What is no object within a list is left out.
    """
    if isinstance(document, list):
        return [row for row in document if isinstance(row, dict)]
    if not isinstance(document, dict):
        return None
    if "id" in document or "href" in document:
        return [document]
    for name in _WRAPPERS:
        inner = document.get(name)
        if isinstance(inner, list):
            return [row for row in inner if isinstance(row, dict)]
        if isinstance(inner, dict) and ("id" in inner or "href" in inner):
            return [inner]
    return None


def plain(text: str) -> str:
    """Shorten, mask, and escape what could forge a line of a log or steer a terminal."""
    short = mask(" ".join(text.split()))[:_EXCERPT_CHARACTERS]
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in short)


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
