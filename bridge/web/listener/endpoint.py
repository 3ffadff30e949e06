"""`POST /listener/{source}/{secret}` and everything below it: the callback that sources post their events to.

Servers differ in where they post: to the callback as registered, or with `/listener/{eventName}` appended, with a
single or a doubled slash. All of it is served. The last part of the path is kept as a hint for events that do not name
their type.

The secret in the path (a capability URL) is the only proof of identity that the standard gives a sender. It is compared
in constant time and never logged. A request is answered once its event is durable; one that cannot be stored is
answered 503 with Retry-After, so that a sender that retries loses nothing.

Nothing of a body is read before the callback is known, and never more than the limit. What is stored is the JSON in it
(`bridge.web.listener.posted_body`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hmac import compare_digest
from time import perf_counter
from typing import Protocol

import anyio
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import BridgeError, OverdueError, TransientError, UnreadableError
from bridge.ingest.receiver import Outcome
from bridge.sources.state import SourceState
from bridge.storage import source as source_table
from bridge.telemetry import exemplar
from bridge.telemetry.metrics import Metrics
from bridge.web.answer import error_response, serialised
from bridge.web.listener.admission import Gate
from bridge.web.listener.body_budget import BodyBudget, BodyReservation
from bridge.web.listener.callback import Callback
from bridge.web.listener.fast_path import Acceptance, SendAnswer
from bridge.web.listener.posted_body import json_of, too_large
from bridge.web.refusal import Refusal

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 64 * 1024
_HINT_CHARACTERS = 128

CallbackHandler = Callable[[web.BaseRequest, Callback], Awaitable[web.StreamResponse]]


class Submitting(Protocol):
    """What stores bodies; see `bridge.ingest.receiver`."""

    sources: dict[str, SourceState]

    def submit(
        self, source: SourceState, raw: bytes, event_hint: str | None, received_at: datetime, /
    ) -> asyncio.Future[Outcome]:
        """Have one body stored; the future gets its outcome."""
        ...


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What one request may take, and `all_bytes`: all bodies at a time."""

    body_bytes: int = 2 * 1024 * 1024
    all_bytes: int = 64 * 1024 * 1024
    body_seconds: float = 10


class ListenerEndpoint:
    """Takes what is posted to callbacks: whole requests from aiohttp (`handle`), or, of those whose head is known, only
    the body (`take`). While there is no `receiver` yet, everything is answered 503.
    """

    def __init__(self, metrics: Metrics, limits: BodyLimits, gates: Mapping[str, Gate] | None = None) -> None:
        """Prepare; `gates` hold what a source demands besides its secret."""
        self.receiver: Submitting | None = None
        self._metrics = metrics
        self._limits = limits
        self._gates = {} if gates is None else gates
        self._budget = BodyBudget(limits.all_bytes)
        self._created, self._no_content = Acceptance(201, b"{}"), Acceptance(204)
        self._in_progress = 0
        metrics.in_progress.set_function(lambda: self._in_progress)

    def handlers(self) -> dict[str, CallbackHandler]:
        """Return what to serve, by method: others than POST only where a source wants such a handshake."""
        handlers: dict[str, CallbackHandler] = {"POST": self.handle}
        wanted = {handshake for gate in self._gates.values() for handshake in gate.handshakes}
        if "cloudevents" in wanted:
            handlers["OPTIONS"] = self.handshake
        return handlers | (dict.fromkeys(("GET", "HEAD"), self.probe) if "get" in wanted else {})

    async def handle(self, request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
        """Answer one notification."""
        started = perf_counter()
        if self._metrics.exemplars:
            exemplar.note(request.headers.get("traceparent"))
        self._in_progress += 1
        try:
            response = await self._respond(request, callback)
        except Refusal as refusal:
            response = self._refuse(refusal)
        finally:
            self._in_progress -= 1
        self._metrics.acknowledge.observe(perf_counter() - started)
        return response

    async def handshake(self, request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
        """Answer one validation handshake by OPTIONS."""
        return self._validated(request, callback, Gate.handshake)

    async def probe(self, request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
        """Answer one validation handshake by GET or HEAD."""
        return self._validated(request, callback, Gate.probe)

    def _validated(
        self, request: web.BaseRequest, callback: Callback, answer: Callable[[Gate, web.BaseRequest], web.Response]
    ) -> web.StreamResponse:
        try:
            source_for(callback, self._ready().sources)
            return answer(self._gates.get(callback.source, Gate()), request)
        except Refusal as refusal:
            return self._refuse(refusal)

    def take(self, callback: Callback, body: bytes, send: SendAnswer) -> bool:
        """Take the body of a request like one that was answered before, and answer it later; False, and nothing done,
        when the request itself has to be looked at. The body budget is left out: these are bounded by the connections,
        16 kB each, and by what may wait to be stored.
        """
        if self.receiver is None or self._metrics.exemplars or callback.source in self._gates:
            return False
        try:
            source = source_for(callback, self.receiver.sources)
        except Refusal:
            return False
        self._in_progress += 1
        outcome = self.receiver.submit(source, body, _hint(callback), datetime.now(UTC))
        outcome.add_done_callback(partial(self._answer_taken, source, send, perf_counter()))
        return True

    def _answer_taken(
        self, source: SourceState, send: SendAnswer, started: float, outcome: asyncio.Future[Outcome]
    ) -> None:
        answer, keep_alive = self._accepted(source).now(), True
        if isinstance(error := outcome.result(), BridgeError):
            response = self._refuse(_refusal(error))
            keep_alive = response.keep_alive is not False
            answer = serialised(response, keep_alive=keep_alive)
        self._in_progress -= 1
        send(answer, keep_alive)
        self._metrics.acknowledge.observe(perf_counter() - started)

    async def _respond(self, request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
        receiver = self._ready()
        source = source_for(callback, receiver.sources)
        gate = self._gates.get(callback.source, _NO_DEMANDS)
        if (validation := gate.enter(request)) is not None:
            return validation
        with self._budget.reserve() as reservation:
            sent = await _read(request, self._limits, reservation)
            with gate.verified(request.headers, sent):
                body = await json_of(request, sent, self._limits.body_bytes)
                reservation.take(len(body) - len(sent))
                outcome = await receiver.submit(source, body, _hint(callback), datetime.now(UTC))
                if isinstance(outcome, BridgeError):
                    raise _refusal(outcome)
        return self._accepted(source).to(request, callback if body is sent else None)

    def _ready(self) -> Submitting:
        if self.receiver is None:
            raise Refusal(503, "starting", "the bridge is starting: send it again", retry_after_seconds=2)
        return self.receiver

    def _accepted(self, source: SourceState) -> Acceptance:
        return self._no_content if source.version == "5" else self._created

    def _refuse(self, refusal: Refusal) -> web.Response:
        self._metrics.refused.labels(refusal.reason).inc()
        return error_response(refusal)


_NO_DEMANDS = Gate()


def source_for(callback: Callback, sources: Mapping[str, SourceState]) -> SourceState:
    """Return the source whose callback this is; Refusal (404, or 410 when its secret has been replaced).

    Takes the same time whether the secret or the source is wrong.
    """
    source = sources.get(callback.source)
    accepted = source.secrets if source is not None and source.settings.enabled else ("",)
    given = callback.secret.encode("utf-8", "surrogatepass")
    matches = False
    for secret in accepted:
        matches |= compare_digest(secret.encode(), given) and bool(secret)
    if source is not None and matches:
        return source
    if source is not None and source_table.digest(callback.secret) in source.retired:
        raise Refusal(410, "retired", "this callback was replaced: register at the new one, or unregister this one")
    raise Refusal(404, "unknown_callback", "no such callback: check source and secret in its path")


def _refusal(error: BridgeError) -> Refusal:
    """Return what the sender of a body is answered that was not stored, or that is no JSON object."""
    if isinstance(error, UnreadableError):
        return Refusal(400, "malformed", str(error))
    if isinstance(error, OverdueError):
        return Refusal(503, "deadline", "it could not be stored in time: send it again", retry_after_seconds=2)
    seconds = error.retry_after_seconds if isinstance(error, TransientError) else None
    return Refusal(503, "unavailable", "it cannot be stored now: send it again", retry_after_seconds=seconds or 2)


async def _read(request: web.BaseRequest, limits: BodyLimits, reservation: BodyReservation) -> bytes:
    """Read the body as it was sent, whatever its Content-Length, within the limits of size and time."""
    if request.content_length is not None and request.content_length > limits.body_bytes:
        raise too_large(limits.body_bytes)
    if request.content.is_eof() and request.content.exception() is None:  # came with its head: nothing to wait for
        body = request.content.read_nowait()
        reservation.take(len(body))
        if len(body) > limits.body_bytes:
            raise too_large(limits.body_bytes)
        return body
    return await _read_chunks(request, limits, reservation)


async def _read_chunks(request: web.BaseRequest, limits: BodyLimits, reservation: BodyReservation) -> bytes:
    body = bytearray()
    try:
        with anyio.fail_after(limits.body_seconds):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                reservation.take(len(chunk))
                body += chunk
                if len(body) > limits.body_bytes:
                    raise too_large(limits.body_bytes)
    except TimeoutError as error:
        raise Refusal(
            408, "slow_body", f"the body took longer than {limits.body_seconds:g} s (http.body_timeout_seconds)"
        ) from error
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as error:
        raise Refusal(400, "cut_off", "the body broke off: send it again") from error
    return bytes(body)


def _hint(callback: Callback) -> str | None:
    last = callback.tail.rstrip("/").rpartition("/")[2]
    return last[:_HINT_CHARACTERS] or None
