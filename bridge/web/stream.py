"""`GET /stream`: every change as it is committed, as server-sent events.

It is served only with `http.stream_token`, as bearer token: what is sent are customers' data. One event a problem,
`event: service_problem`, its `data` the problem as it is now (`?body=true`: all of it). `?source=` and `?status=`
filter, each as often as wanted.

Each transaction has an id, which the last of its events carries. A client that comes back with it as `Last-Event-ID`
misses nothing for a day, and may get something twice. After more than that it gets `event: reset`, which means to read
`report.service_problem` once. Every 15 seconds without an event bring a comment and the current id.

A client that does not read costs at most two parts of 16 kB, and is cut after 30 seconds.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio
from aiohttp import web

from bridge.domain.status import Status
from bridge.domain.stream_event import Position, StreamFilter, StreamStep
from bridge.errors import TransientError
from bridge.telemetry.metrics import Metrics
from bridge.web.answer import PAGE_HEADERS, error_response
from bridge.web.ops.health import guarded
from bridge.web.refusal import Refusal
from bridge.web.routes import Handler

HEARTBEAT_SECONDS = 15.0
STALLED_SECONDS = 30.0
_PART_BYTES = 16 * 1024
"""What is written at a time, and what may wait in a connection: there may be thousands that do not read."""
_PARAMETERS = frozenset(("source", "status", "body"))


class Following(Protocol):
    """What follows the changes for one client; see `bridge.stream.follower`."""

    position: Position
    reset: bool
    scope: anyio.CancelScope

    async def next(self, timeout_seconds: float) -> StreamStep | None:
        """Return the next step, or None when there was none for so long."""
        ...


Follow = Callable[[StreamFilter], AbstractAsyncContextManager[Following]]


def stream(follow: Follow, token: str, sources: Sequence[str], metrics: Metrics) -> Handler:
    """Make the handler. `follow` raises TransientError when that is not possible now."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            wanted = _filter_of(request, sources)
            async with follow(wanted) as following:
                return await _Sender(request, wanted, following, metrics).run()
        except Refusal as refusal:
            return error_response(refusal)
        except TransientError as error:
            after_seconds = error.retry_after_seconds or 2
            return error_response(Refusal(503, "unavailable", str(error), retry_after_seconds=after_seconds))

    async def off(_: web.BaseRequest) -> web.StreamResponse:
        return error_response(Refusal(404, "off", "there is no /stream: set http.stream_token"))

    return guarded(handle, token) if token else off


class _Sender:
    """One answer, as long as it lasts."""

    def __init__(self, request: web.BaseRequest, wanted: StreamFilter, following: Following, metrics: Metrics) -> None:
        self._request, self._wanted, self._following, self._metrics = request, wanted, following, metrics
        self._response = web.StreamResponse(
            headers=PAGE_HEADERS | {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )

    async def run(self) -> web.StreamResponse:
        """Send until the client goes or does not read, or we stop. What cannot be sent at the end is dropped, so that
        stopping does not wait for it.
        """
        reason = "stopping"
        with self._following.scope:
            reason = await self._send()
        self._metrics.stream_ends.labels(reason).inc()
        transport = self._request.transport
        if transport is not None and (reason == "stalled" or transport.get_write_buffer_size()):
            transport.abort()
        return self._response

    async def _send(self) -> str:
        try:
            await self._response.prepare(self._request)
            if self._request.transport is not None:
                self._request.transport.set_write_buffer_limits(high=_PART_BYTES)
            await self._write(b"retry: 2000\n" + _id(self._following.position))
            if self._following.reset:
                await self._write(_RESET)
            while True:
                step = await self._following.next(HEARTBEAT_SECONDS)
                if step is None:
                    await self._write(b": nothing new\n" + _id(self._following.position))
                else:
                    await self._send_step(step)
        except TransientError:
            return "failed"
        except TimeoutError:
            return "stalled"
        except ConnectionError:
            return "gone"

    async def _send_step(self, step: StreamStep) -> None:
        events = step.wanted(self._wanted)
        for part in _parts(events, step.position if step.last else None):
            await self._write(part)
        self._metrics.stream_events.inc(len(events))

    async def _write(self, part: bytes) -> None:
        """Write a part once the connection has taken those before it."""
        with anyio.fail_after(STALLED_SECONDS):
            await self._response.write(part)
            await self._request.writer.drain()


_RESET = b'event: reset\ndata: {"reason": "changes were missed that are not kept: read report.service_problem"}\n\n'


def _parts(events: Sequence[bytes], position: Position | None) -> Iterator[bytes]:
    """Yield the events in parts of a bounded size; the last event with the id. A large event, which many clients share,
    is not copied as a whole.
    """
    part = bytearray()
    for number, data in enumerate(events, 1):
        if position is not None and number == len(events):
            part += b"id: %s\n" % str(position).encode()
        part += b"event: service_problem\ndata: "
        for start in range(0, len(data), _PART_BYTES):
            part += data[start : start + _PART_BYTES]
            if len(part) >= _PART_BYTES:
                yield bytes(part)
                part.clear()
        part += b"\n\n"
    if part:
        yield bytes(part)


def _id(position: Position) -> bytes:
    """An id without an event: the position that the client then has."""
    return b"id: %s\n\n" % str(position).encode()


def _filter_of(request: web.BaseRequest, sources: Sequence[str]) -> StreamFilter:
    unknown = sorted(set(request.query) - _PARAMETERS)
    if unknown:
        raise Refusal(400, "bad_request", f"no parameter {unknown[0][:100]!r}: use source, status or body")
    return StreamFilter(
        sources=_chosen(request, "source", sources),
        statuses=_chosen(request, "status", [status.value for status in Status]),
        bodies=_chosen(request, "body", ("true", "false")) == {"true"},
        after=_after(request.headers.get("Last-Event-ID", "")),
    )


def _chosen(request: web.BaseRequest, name: str, known: Sequence[str]) -> frozenset[str]:
    chosen = frozenset(request.query.getall(name, ()))
    unknown = sorted(chosen - set(known))
    if unknown:
        raise Refusal(400, "bad_request", f"no {name} {unknown[0][:100]!r}: use one of {', '.join(sorted(known))}")
    return chosen


def _after(text: str) -> Position | None:
    if not text:
        return None
    position = Position.read(text)
    if position is None:
        raise Refusal(
            400,
            "bad_request",
            "Last-Event-ID was not sent by this bridge: leave it out and read report.service_problem",
        )
    return position
