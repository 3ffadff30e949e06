"""Failures named: what the HTTP library raises, or a status says → an outcome to count, and an error of ours.

The message names the source, the request, what went wrong, and the key whose value is likely at fault.
"""

import ssl
from dataclasses import dataclass

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from bridge.errors import PermanentError, TransientError
from bridge.http.errors import MalformedAnswerError, NotFoundError, NotSentError, TooLargeError, UnauthorisedError
from bridge.http.quotation import quoted
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse
from bridge.settings import SystemSettings

_PLAIN_ANSWERS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""What OpenSSL says where the other side answers a handshake with something that is no TLS."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Names the failures of one source, or of a system whose address is another key (`place`)."""

    name: str
    settings: SystemSettings
    place: str = ""

    @property
    def _key(self) -> str:
        """Where its keys stand in the configuration."""
        return self.place.rpartition(".")[0] or f"sources.{self.name}"

    @property
    def _address(self) -> str:
        """The key with its address."""
        return self.place or f"sources.{self.name}.url"

    @property
    def _subject(self) -> str:
        return self.name if self.place else f"source {self.name}"

    def raised(self, request: HttpRequest, error: Exception) -> tuple[str, TransientError | PermanentError]:
        """Return outcome and error for what the library raised."""
        key, where = self._key, f"{self._subject}: {request}"
        match error:
            case aiohttp.ConnectionTimeoutError():
                return "timeout", NotSentError(
                    f"{where} could not be sent: no connection within {self.settings.request_timeout_seconds:g} s: "
                    f"check {self._address}, the network and the proxy settings"
                )
            case TimeoutError():
                return "timeout", TransientError(
                    f"{where} was not answered within {self.settings.request_timeout_seconds:g} s: is the source "
                    f"overloaded? raise {key}.request_timeout_seconds or lower {key}.page_size"
                )
            case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
                return "unreachable", NotSentError(f"{where} failed in TLS ({_text(error)}): {self._tls(error)}")
            case aiohttp.ClientResponseError() if (limit := self._header_limit(error)) is not None:
                return "malformed", MalformedAnswerError(f"{where} was answered with {limit}")
            case aiohttp.ServerDisconnectedError():
                return "unreachable", TransientError(
                    f"{where} was not answered ({_text(error)}): is {self._address} right, and the "
                    "server not overloaded?"
                )
            case aiohttp.ClientConnectionError() | OSError():
                never = isinstance(error, aiohttp.ClientConnectorError)
                return "unreachable", (NotSentError if never else TransientError)(
                    f"{where} could not be sent ({_text(error)}): check {self._address}, the network and the "
                    "proxy settings"
                )
            case _:
                return "malformed", MalformedAnswerError(f"{where} was answered with broken HTTP ({_text(error)})")

    def refused(
        self, request: HttpRequest, response: HttpResponse, *private: str
    ) -> tuple[str, TransientError | PermanentError]:
        """Return outcome and error for a status that grants nothing. `private`: texts that are not repeated."""
        outcome, remedy = self._diagnosis(response.status)
        text = f"{self._subject}: {request} answered {response.status}"
        if excerpt := response.excerpt(*private):
            text += f" ({excerpt})"
        text += f": {remedy}" if remedy else ""
        pause = response.retry_after_seconds
        match outcome:
            case "unauthorised":
                return outcome, UnauthorisedError(text, retry_after_seconds=pause)
            case "rate_limited" | "timeout" | "server_error":
                return outcome, TransientError(text, retry_after_seconds=pause)
        kind = NotFoundError if response.status in {404, 410} else PermanentError
        return outcome, kind(text)

    def outcome(self, status: int) -> str:
        """Return what a status counts as."""
        return "ok" if 200 <= status < 300 else self._diagnosis(status)[0]

    def too_large(self, request: HttpRequest, what: str) -> TooLargeError:
        """Return the error for an answer that is larger than what is read."""
        key = self._key
        return TooLargeError(
            f"{self._subject}: {request} answered with {what}: lower {key}.page_size or raise max_response_bytes"
        )

    def malformed(self, request: HttpRequest, what: str) -> MalformedAnswerError:
        """Return the error for an answer that is not what was asked for."""
        return MalformedAnswerError(
            f"{self._subject}: {request} answered with {what}: check that {self._address} is the base path of the API"
        )

    def speaks_tls(self, request: HttpRequest) -> TransientError:
        """Return the error for an http address whose port speaks TLS."""
        return TransientError(
            f"{self._subject}: {request} was sent in plain http to a port that speaks TLS: write https:// in "
            f"{self._address}"
        )

    def _tls(self, error: Exception) -> str:
        inner = getattr(error, "os_error", None)
        if isinstance(inner, ssl.SSLError) and inner.reason in _PLAIN_ANSWERS:
            return f"the port does not speak TLS: write http:// in {self._address}, or the port that does"
        return f"check {self._key}.ca_file, verify_tls and client_cert_file"

    def _header_limit(self, error: aiohttp.ClientResponseError) -> str | None:
        """Name the limit that the headers of the answer exceeded, if they did."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, BadHttpMessage):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, LineTooLong):
            return (
                f"a header field of more than {self.settings.max_header_bytes:,} bytes: raise {self._key}."
                "max_header_bytes"
            )
        if error.message == "Too many headers received":
            return f"more than {self.settings.max_header_fields:,} header fields: raise {self._key}.max_header_fields"
        return None

    def _diagnosis(self, status: int) -> tuple[str, str]:
        """Return the outcome a status counts as, and what a person can do about it."""
        key = self._key
        match status:
            case 401:
                return "unauthorised", f"set {key}.username and password, or token, or headers, or the oauth2 settings"
            case 403:
                return "unauthorised", f"the account of {key} lacks the right, or a rule there forbids it"
            case 404 | 405 | 410:
                return "client_error", f"check {self._address}"
            case 407:
                return "client_error", f"the proxy wants credentials, set {key}.proxy"
            case 429:
                return "rate_limited", f"raise {key}.poll_interval_seconds"
            case 408 | 425:
                return "timeout", ""
        return ("client_error", "") if status == 501 or status < 500 else ("server_error", "")


def _text(error: Exception) -> str:
    return quoted(str(error)) or type(error).__name__
