"""An HTTP answer, read to its end, and the values that can be read from its headers and body.

Nothing here waits, and only `document` raises for what a server wrote.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from multidict import CIMultiDictProxy

from bridge.http.lenient_json import lenient
from bridge.http.quotation import quoted
from bridge.telemetry.redaction import MASK

_LONGEST_PAUSE_SECONDS: Final = 3600.0
"""A Retry-After beyond this is cut: after an hour of silence it is time to ask again."""
_DOCUMENT_BYTES: Final = 1 << 20
"""An answer that is neither a list nor a problem (an error, a registration) is not read beyond this."""
_QUOTED_BYTES: Final = 16_384
_WHY: Final = ("code", "reason", "message", "Message", "error", "error_description")
"""Where servers write why they refuse."""
_EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
_AHEAD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP answer. `asked_at`: our clock, before its request was started. `server_at`: the server's clock (its Date
    header); None when it shows none, or one that cannot be a clock. `charset`: the one that Content-Type names.
    """

    status: int
    headers: CIMultiDictProxy[str]
    body: bytearray = field(repr=False)
    asked_at: datetime
    server_at: datetime | None = field(init=False)
    charset: str | None = field(init=False)

    def __post_init__(self) -> None:
        """Read the headers that are asked for."""
        object.__setattr__(self, "server_at", _clock_shown(self.headers))
        object.__setattr__(self, "charset", _charset_named(self.headers))

    @property
    def ok(self) -> bool:
        """Whether the request was granted."""
        return 200 <= self.status < 300

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
        return lenient(self.body, self.charset)

    def small_document(self) -> Any:
        """Parse an answer that need not be JSON; None when it is not, or is larger than what is expected here."""
        if len(self.body) > _DOCUMENT_BYTES:
            return None
        try:
            return self.document()
        except (ValueError, RecursionError):
            return None

    def excerpt(self, *private: str) -> str:
        """Quote why the server refused: reason and message of a TMF Error, of an object `error` or of the first of
        `errors`, else how the body begins.

        `private`: texts that are not repeated.
        """
        document = self.small_document()
        text = ""
        if isinstance(document, dict):
            parts = [
                document.get(name) for name in ("code", "reason", "message", "Message", "error", "error_description")
            ]
            if isinstance(inner := document.get("error"), dict):
                parts += [inner.get(name) for name in ("code", "message", "detail")]
            listed = document.get("errors")
            if isinstance(listed, list) and listed and isinstance(listed[0], dict):
                parts += [listed[0].get(name) for name in ("errorCode", "title", "detail")]
            text = ", ".join(str(part)[:_QUOTED_BYTES] for part in parts if isinstance(part, str | int) and str(part))
        text = text or self.body[:_QUOTED_BYTES].decode("utf-8", "replace")
        for each in private:
            text = text.replace(each, MASK) if each else text
        return quoted(text)


def _clock_shown(headers: CIMultiDictProxy[str]) -> datetime | None:
    at = _http_date(headers.get("Date", ""))
    return at if at is not None and _EARLIEST <= at <= datetime.now(UTC) + _AHEAD else None


def _charset_named(headers: CIMultiDictProxy[str]) -> str | None:
    found = re.search(r"charset=\"?([\w.:-]{1,40})", headers.get("Content-Type", "")[:1000], re.IGNORECASE)
    return found[1] if found else None


def _http_date(text: str) -> datetime | None:
    """Read a date of RFC 9110; None for any other text, and for what lies outside Python's years."""
    if len(text) > 100:
        return None
    try:
        at = parsedate_to_datetime(text)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
