"""Calls of Web Services v1 within a session, which ConnectApp opens and the server ends after five idle minutes.

One task logs in at a time, and the others use its session. A call that is answered "no connection" was not carried
out, so it is sent once more in a new session. Web Services v1 answers every refusal with status 500; the type of its
exception tells what it is: `Skyline.…` is the answer of DataMiner, anything else a failure of the server. A login that
is refused twice in a row waits before the next one, because more of them could lock the account.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import anyio
import orjson
from msgspec import Struct
from yarl import URL

from bridge import __version__
from bridge.domain.ticket_system import OutcomeUnknownError, WriteRefusedError
from bridge.errors import PermanentError, TransientError
from bridge.http.address import below
from bridge.http.circuit_breaker import CircuitBreaker
from bridge.http.client import HttpClient
from bridge.http.errors import NotSentError, TooLargeError, UnauthorisedError
from bridge.http.offload import run_by_size
from bridge.http.quotation import quoted
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse
from bridge.settings import DataminerSettings

_NO_CONNECTION: Final = "NoConnectionWebApiException"
_OF_DATAMINER: Final = "Skyline."
_COMPUTER: Final = "tmf656-bridge"
_NEVER_STARTED: Final = frozenset({401, 403, 407, 425, 429})


class ServiceFault(Struct, frozen=True):
    """What stands in an answer of status 500."""

    message: str
    exception: str

    @property
    def no_connection(self) -> bool:
        """Whether the session is over; nothing was carried out."""
        return _NO_CONNECTION in self.exception

    @property
    def of_dataminer(self) -> bool:
        """Whether DataMiner itself refused, and not its web server."""
        return self.exception.startswith(_OF_DATAMINER)


class ServiceRefusedError(PermanentError):
    """DataMiner refused a call that reads."""


class WebSession:
    """Calls methods for one source. `call` is for what reads, `call_to_write` for what changes something."""

    def __init__(
        self, name: str, settings: DataminerSettings, http: HttpClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare; the first call logs in."""
        self._name = name
        self._settings = settings
        self._http = http
        self._breaker = CircuitBreaker(clock, patience_seconds=settings.request_timeout_seconds)
        self._logging_in = anyio.Lock()
        self._connection: str | None = None
        whole = http.base.raw_path.rstrip("/").lower().endswith(".asmx")
        self.address: URL = http.base if whole else below(http.base, "API", "v1", "Json.asmx")

    async def call(self, operation: str, method: str, arguments: Mapping[str, Any]) -> "Called":
        """Call a method that reads; returns what it answered. ServiceRefusedError where DataMiner refuses,
        TransientError where its server fails.
        """
        request, response, fault = await self._exchange(operation, method, arguments)
        if fault is None:
            self._http.require_ok(request, response)
            value = await run_by_size(len(response.body), partial(self._answered, request, response))
            self._http.count(operation, "ok")
            return Called(value, response)
        self._http.count(operation, "client_error" if fault.of_dataminer else "server_error")
        raise (ServiceRefusedError if fault.of_dataminer else TransientError)(self._said(request, fault))

    async def call_to_write(self, operation: str, method: str, arguments: Mapping[str, Any]) -> "Called":
        """Call a method that changes something. Raises as `bridge.domain.ticket_system` says: WriteRefusedError where
        DataMiner refuses, OutcomeUnknownError where it may have been done.
        """
        try:
            request, response, fault = await self._exchange(operation, method, arguments)
        except (NotSentError, UnauthorisedError):
            raise
        except (TransientError, TooLargeError) as error:
            raise OutcomeUnknownError(f"{error} (it may have been done all the same)") from error
        if fault is not None and fault.of_dataminer:
            self._http.count(operation, "client_error")
            raise WriteRefusedError(self._said(request, fault))
        if not response.ok:
            refusal = self._http.refusal(request, response)
            if response.status in _NEVER_STARTED and isinstance(refusal, TransientError):
                raise refusal
            if 400 <= response.status < 500 and response.status != 408:
                raise WriteRefusedError(str(refusal)) from refusal
            raise OutcomeUnknownError(f"{refusal} (it may have been done all the same)") from refusal
        try:
            value = self._answered(request, response)
        except TransientError as error:
            raise OutcomeUnknownError(f"{error} (it may have been done all the same)") from error
        self._http.count(operation, "ok")
        return Called(value, response)

    async def log_out(self) -> None:
        """End the session there, if there is one; a failure does not matter, it ends by itself."""
        if self._connection is None:
            return
        request = self._request("logout", "LogOut", {"connection": self._connection})
        self._connection = None
        try:
            await self._http.send(request)
        except (TransientError, PermanentError):
            return

    async def _exchange(
        self, operation: str, method: str, arguments: Mapping[str, Any]
    ) -> tuple[HttpRequest, HttpResponse, ServiceFault | None]:
        """Call a method, in a new session where the server has ended the one we have."""
        ended: str | None = None
        for _ in range(2):
            connection = await self._connected(instead_of=ended)
            request = self._request(operation, method, {"connection": connection, **arguments})
            response = await self._http.send(request)
            fault = None if response.ok else _fault_in(response)
            if fault is None or not fault.no_connection:
                return request, response, fault
            self._http.count(operation, "unauthorised")
            ended = connection
        raise NotSentError(f"source {self._name}: {method}: the server ends each session at once")

    async def _connected(self, *, instead_of: str | None = None) -> str:
        """Return a session, logging in where there is none or only the one that the server has ended."""
        async with self._logging_in:
            if self._connection is None or self._connection == instead_of:
                self._connection = None
                self._connection = await self._log_in()
            return self._connection

    async def _log_in(self) -> str:
        if (seconds := self._breaker.wait_seconds()) > 0:
            raise UnauthorisedError(
                f"source {self._name}: not logged in: DataMiner refused us lately, the next try is in {seconds:.0f} s",
                retry_after_seconds=seconds,
            )
        settings = self._settings
        arguments = {
            "host": "",
            "login": settings.username,
            "password": settings.password.get_secret_value(),
            "clientAppName": settings.client_app_name,
            "clientAppVersion": __version__,
            "clientComputerName": _COMPUTER,
        }
        request = self._request("login", "ConnectApp", arguments)
        try:
            response = await self._http.send(request)
        except UnauthorisedError:
            raise
        except TransientError as error:
            raise NotSentError(str(error), retry_after_seconds=error.retry_after_seconds) from error
        fault = None if response.ok else _fault_in(response)
        if fault is not None and fault.of_dataminer:
            self._breaker.refused()
            self._http.count("login", "unauthorised")
            raise UnauthorisedError(
                f"{self._said(request, fault)}: check sources.{self._name}.username, password and client_app_name, "
                "and that the licence of the DataMiner Agent allows them"
            )
        if not response.ok:
            refusal = self._http.refusal(request, response)
            pause = refusal.retry_after_seconds if isinstance(refusal, TransientError) else None
            raise (
                refusal
                if isinstance(refusal, PermanentError | UnauthorisedError)
                else NotSentError(str(refusal), retry_after_seconds=pause)
            )
        connection = self._answered(request, response)
        if not isinstance(connection, str) or not connection:
            raise self._http.malformed(request, "something that is no session")
        self._breaker.passed()
        self._http.count("login", "ok")
        return connection

    def _request(self, operation: str, method: str, arguments: Mapping[str, Any]) -> HttpRequest:
        return HttpRequest(operation, "POST", below(self.address, method), orjson.dumps(arguments))

    def _answered(self, request: HttpRequest, response: HttpResponse) -> Any:
        """Return what stands in `d`."""
        try:
            document = response.document()
        except (ValueError, RecursionError) as error:
            raise self._http.malformed(request, "something that is no JSON") from error
        if not isinstance(document, dict) or "d" not in document:
            raise self._http.malformed(request, "JSON without `d`")
        return document["d"]

    def _said(self, request: HttpRequest, fault: ServiceFault) -> str:
        kind = fault.exception.rpartition(".")[2]
        return f"source {self._name}: {request} was refused ({quoted(f'{kind}: {fault.message}')})"


class Called(Struct, frozen=True):
    """What a method answered, and the HTTP answer that it stood in."""

    value: Any
    response: HttpResponse


def _fault_in(response: HttpResponse) -> ServiceFault | None:
    """Read the exception that an answer tells of; None where it tells of none."""
    document = response.small_document()
    if not isinstance(document, dict) or not isinstance(document.get("ExceptionType"), str):
        return None
    return ServiceFault(str(document.get("Message") or ""), document["ExceptionType"])
