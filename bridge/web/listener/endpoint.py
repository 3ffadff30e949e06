"""`POST /listener/{source}/{secret}` and everything below it: the callback that sources post their events to.

Servers differ in where they post: to the callback as registered, or to the callback with `/listener/{eventName}`
appended, with a single or a doubled slash. All of it is served. The last part of the path is kept as a hint for events
that do not say what they are.

The secret is part of the path (a capability URL): the standard gives a sender no other way to prove itself. It is
compared in constant time and never logged. A request is answered once its event is durable; one that cannot be is
answered 503 with Retry-After, so that a sender that retries loses nothing.

Nothing of a body is read before the callback is known, and never more than the limit: a compressed body is unpacked
here (the server does not), up to the same limit. A `Content-Encoding` that the bytes do not bear out is not believed;
the bytes are then taken as they came, so that what cannot be understood is kept as it was sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Generic, Protocol, TypeVar
from zlib import MAX_WBITS, decompressobj
from zlib import error as ZlibError  # noqa: N812 -- an exception by its kind

import anyio
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import OverdueError, RetiredError, TransientError, UnreadableError
from bridge.telemetry import exemplar
from bridge.telemetry.metrics import Metrics
from bridge.web.answer import Acceptance, defect_response, error_response, written
from bridge.web.listener.admission import Gate
from bridge.web.listener.body_budget import BodyBudget, BodyReservation
from bridge.web.refusal import Refusal

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 64 * 1024
_HINT_CHARACTERS = 128
_PACKED = {"gzip": (MAX_WBITS | 16,), "x-gzip": (MAX_WBITS | 16,), "deflate": (MAX_WBITS, -MAX_WBITS)}
"""Content coding → forms to try; `deflate` is sent with and without zlib's header."""


class Admitted(Protocol):
    """A source that may post here; `version` is the version of TMF656 it speaks, as far as known."""

    @property
    def version(self) -> str | None:
        """2, 3, 4, 5 or None."""
        ...


AdmittedT = TypeVar("AdmittedT", bound=Admitted)
ArrivalT = TypeVar("ArrivalT")


class Receiving(Protocol[AdmittedT, ArrivalT]):
    """Who keeps what is posted. What is not admitted is served nothing."""

    def admit(self, name: str, secret: str, /) -> AdmittedT | None:
        """Find whose callback this is; RetiredError when it was somebody's."""
        ...

    def begin(
        self,
        admitted: AdmittedT,
        body: bytes,
        event_hint: str | None,
        received_at: datetime,
        then: Callable[[ArrivalT], None] | None = None,
        /,
    ) -> ArrivalT:
        """Have a body stored, and `then` be called when it is known what became of it."""
        ...

    def ended(self, arrival: ArrivalT, /) -> bool:
        """Is it durable, and that all there is to tell of it?"""
        ...

    async def end(self, arrival: ArrivalT, /) -> str:
        """See to it that it is durable, in time; else UnreadableError, OverdueError, TransientError."""
        ...


@dataclass(frozen=True, slots=True)
class Callback:
    """The parts of the path of a callback; `tail`: what a source has appended."""

    source: str
    secret: str
    tail: str = ""


SendAnswer = Callable[[bytes, bool], None]
"""Sends an answer that is written, on a connection that then stays, or not."""
CallbackHandler = Callable[[web.BaseRequest, Callback], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What one request may take, and `all_bytes`: all bodies at a time."""

    body_bytes: int = 2 * 1024 * 1024
    all_bytes: int = 64 * 1024 * 1024
    body_seconds: float = 10


class ListenerEndpoint(Generic[AdmittedT, ArrivalT]):
    """Takes what is posted to callbacks: whole requests from aiohttp (`handle`), or, of those whose head was read
    before, only the body (`take`).
    """

    def __init__(
        self,
        receiving: Callable[[], Receiving[AdmittedT, ArrivalT]],
        metrics: Metrics,
        limits: BodyLimits,
        gates: Mapping[str, Gate] | None = None,
    ) -> None:
        """Take for this one, or, as long as TransientError is raised instead, for nobody; `gates` hold what a source
        demands besides its secret.
        """
        self._receiving = receiving
        self._metrics = metrics
        self._limits = limits
        self._gates = gates or {}
        self._room = BodyBudget(limits.all_bytes)
        self._created, self._no_content = Acceptance(201, b"{}"), Acceptance(204)
        self._in_progress = 0
        self._late: set[asyncio.Task[None]] = set()
        metrics.in_progress.set_function(lambda: self._in_progress)

    async def handle(self, request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
        """Answer one request."""
        started = perf_counter()
        if self._metrics.exemplars:
            exemplar.note(request.headers.get("traceparent"))
        self._in_progress += 1
        try:
            response = await self._answered(request, callback)
        except Refusal as refusal:
            response = self._refused(refusal)
        finally:
            self._in_progress -= 1
        self._metrics.acknowledge.observe(perf_counter() - started)
        return response

    def take(self, callback: Callback, body: bytes, answer: SendAnswer) -> bool:
        """Take the body of a request like one that was answered before, and answer it later; False, and nothing done,
        when it has to be looked at.
        """
        if self._metrics.exemplars or callback.source in self._gates:
            return False
        place = self._room.place()
        try:
            admitted = _admitted(self._admit, callback)
            place.take(len(body))
        except Refusal:
            return False
        self._in_progress += 1
        then = partial(self._told, _Taken(admitted, place, answer, perf_counter()))
        self._receiving().begin(admitted, body, _hint(callback), datetime.now(UTC), then)
        return True

    def _told(self, taken: "_Taken[AdmittedT]", arrival: ArrivalT) -> None:
        """What was taken is stored, or not."""
        if self._receiving().ended(arrival):
            self._leave(taken, self._accepting(taken.admitted).written(), stays=True)
            return
        task = asyncio.get_running_loop().create_task(self._finish(taken, arrival))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _finish(self, taken: "_Taken[AdmittedT]", arrival: ArrivalT) -> None:
        """Something else became of it."""
        try:
            await self._durable(arrival)
        except Refusal as refusal:
            response = self._refused(refusal)
            stays = response.keep_alive is not False
            self._leave(taken, written(response, stays=stays), stays=stays)
        except Exception:
            log.exception("a request met a defect")
            self._leave(taken, written(defect_response(), stays=False), stays=False)
        else:
            self._leave(taken, self._accepting(taken.admitted).written(), stays=True)

    def _leave(self, taken: "_Taken[AdmittedT]", answer: bytes, *, stays: bool) -> None:
        taken.place.leave()
        self._in_progress -= 1
        taken.answer(answer, stays)
        self._metrics.acknowledge.observe(perf_counter() - taken.started)

    async def _answered(self, request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
        admitted = _admitted(self._admit, callback)
        gate = self._gates.get(callback.source)
        if gate is not None and (greeting := gate.enter(request)) is not None:
            return greeting
        with self._room.place() as place:
            sent = await _sent(request, self._limits, place)
            if gate is None:
                return await self._stored(request, callback, admitted, sent, place)
            with gate.taking(request.headers, sent):
                return await self._stored(request, callback, admitted, sent, place)

    async def _stored(
        self, request: web.BaseRequest, callback: Callback, admitted: AdmittedT, sent: bytes, place: BodyReservation
    ) -> web.StreamResponse:
        raw = _plain(request, sent, self._limits)
        place.take(len(raw) - len(sent))
        await self._durable(self._receiving().begin(admitted, raw, _hint(callback), datetime.now(UTC)))
        return self._accepting(admitted).to(request)

    async def _durable(self, arrival: ArrivalT) -> None:
        try:
            await self._receiving().end(arrival)
        except UnreadableError as error:
            raise Refusal(400, "malformed", str(error)) from error
        except OverdueError as error:
            raise Refusal(503, "deadline", "could not be stored in time", retry_after_seconds=2) from error
        except TransientError as error:
            raise Refusal(
                503, "unavailable", "cannot be stored now", retry_after_seconds=error.retry_after_seconds or 2
            ) from error

    def _admit(self, name: str, secret: str) -> AdmittedT | None:
        return self._receiving().admit(name, secret)

    def _accepting(self, admitted: AdmittedT) -> Acceptance:
        return self._no_content if admitted.version == "5" else self._created

    def _refused(self, refusal: Refusal) -> web.Response:
        self._metrics.refused.labels(refusal.reason).inc()
        return error_response(refusal)


@dataclass(frozen=True, slots=True)
class _Taken(Generic[AdmittedT]):
    """A body that was taken: from whom, where it is counted, and who is told since when."""

    admitted: AdmittedT
    place: BodyReservation
    answer: SendAnswer
    started: float


def greeter(
    admit: Callable[[str, str], AdmittedT | None], metrics: Metrics, gates: Mapping[str, Gate]
) -> CallbackHandler | None:
    """Make the handler of validation handshakes by OPTIONS; None when no source wants any."""
    if not any("cloudevents" in gate.handshakes for gate in gates.values()):
        return None

    async def handle(request: web.BaseRequest, callback: Callback) -> web.StreamResponse:
        try:
            _admitted(admit, callback)
            return gates.get(callback.source, Gate()).greet(request)
        except Refusal as refusal:
            metrics.refused.labels(refusal.reason).inc()
            return error_response(refusal)

    return handle


def _admitted(admit: Callable[[str, str], AdmittedT | None], callback: Callback) -> AdmittedT:
    """Find whose callback this is, or refuse."""
    try:
        admitted = admit(callback.source, callback.secret)
    except TransientError as error:
        raise Refusal(503, "starting", str(error), retry_after_seconds=error.retry_after_seconds) from error
    except RetiredError as error:
        raise Refusal(410, "retired", str(error)) from error
    if admitted is None:
        raise Refusal(404, "unknown_callback", "no such callback")
    return admitted


def _plain(request: web.BaseRequest, body: bytes, limits: BodyLimits) -> bytes:
    """Unpack the body, up to the limit of size."""
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    return _unpacked(body, coding, limits.body_bytes) if coding in _PACKED else body


async def _sent(request: web.BaseRequest, limits: BodyLimits, place: BodyReservation) -> bytes:
    """Read the body as it was sent, whatever it claims to be long, within the limits of size and time."""
    if request.content_length is not None and request.content_length > limits.body_bytes:
        raise _too_large(limits.body_bytes)
    if request.content.is_eof() and request.content.exception() is None:  # came with its head: nothing to wait for
        body = request.content.read_nowait()
        place.take(len(body))
        if len(body) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        return body
    return await _dripping(request, limits, place)


async def _dripping(request: web.BaseRequest, limits: BodyLimits, place: BodyReservation) -> bytes:
    """Read what is still coming."""
    body = bytearray()
    try:
        with anyio.fail_after(limits.body_seconds):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                place.take(len(chunk))
                body += chunk
                if len(body) > limits.body_bytes:
                    raise _too_large(limits.body_bytes)
    except TimeoutError as error:
        raise Refusal(408, "slow_body", f"the body took longer than {limits.body_seconds:g} s") from error
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as error:
        raise Refusal(400, "cut_off", "the body broke off") from error
    return bytes(body)


def _unpacked(body: bytes, coding: str, most_bytes: int) -> bytes:
    """Return what `body` unpacks to, or `body` itself when it is not, or not wholly, in that coding."""
    for form in _PACKED[coding]:
        unpacking = decompressobj(form)
        try:
            unpacked = unpacking.decompress(body, most_bytes + 1)
        except ZlibError:
            continue
        if len(unpacked) > most_bytes:
            raise _too_large(most_bytes)
        if unpacking.eof and not unpacking.unused_data:
            return unpacked
    return body


def _too_large(most_bytes: int) -> Refusal:
    return Refusal(413, "too_large", f"the body is larger than {most_bytes} bytes")


def _hint(callback: Callback) -> str | None:
    last = callback.tail.rstrip("/").rpartition("/")[2]
    return last[:_HINT_CHARACTERS] or None
