"""`GET /stream`: every change as it is committed, as server-sent events.

There is none unless `http.stream_token` is set, and none without that token as bearer: what is sent are customers'
data, and an address tells nothing of who asks once there is a proxy. One event a problem, `event: service_problem`, its
`data` the problem as it is now (`?body=true`: all of it). `?source=` and `?status=`, both as often as wanted, choose.

Each transaction has an id, which the last of its events carries; who comes back with it as `Last-Event-ID` misses
nothing for a day, and may hear something twice. After more than that: `event: reset`, which means to read
`report.service_problem` once, since what was missed cannot be told. Every 15 seconds without an event bring a comment
and the id that is current. A connection that takes nothing for 30 seconds is cut.
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
_PART_BYTES = 64 * 1024
_PARAMETERS = frozenset(("source", "status", "body"))


class Following(Protocol):
    """One who follows the changes; see `bridge.stream.follower`."""

    heard: Position
    reset: bool
    scope: anyio.CancelScope

    async def next(self, timeout_seconds: float) -> StreamStep | None:
        """Return the next step, or None when nothing happened for so long."""
        ...


Follow = Callable[[StreamFilter], AbstractAsyncContextManager[Following]]


def stream(follow: Follow, token: str, sources: Sequence[str], metrics: Metrics) -> Handler:
    """Make the handler. `follow` raises TransientError when that is not possible now."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            wish = _wish(request, sources)
            async with follow(wish) as following:
                return await _Sender(request, wish, following, metrics).run()
        except Refusal as refusal:
            return error_response(refusal)
        except TransientError as error:
            after_seconds = error.retry_after_seconds or 2
            return error_response(Refusal(503, "unavailable", str(error), retry_after_seconds=after_seconds))

    async def off(_: web.BaseRequest) -> web.StreamResponse:
        return error_response(Refusal(404, "off", "there is no stream unless http.stream_token is set"))

    return guarded(handle, token) if token else off


class _Sender:
    """One answer, as long as it lasts."""

    def __init__(self, request: web.BaseRequest, wish: StreamFilter, following: Following, metrics: Metrics) -> None:
        self._request, self._wish, self._following, self._metrics = request, wish, following, metrics
        self._response = web.StreamResponse(
            headers=PAGE_HEADERS | {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )

    async def run(self) -> web.StreamResponse:
        """Send until the other side goes, does not take it, or we stop. What cannot be sent at the end is dropped, so
        that stopping does not wait for it.
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
            await self._write(b"retry: 2000\n" + _id(self._following.heard))
            if self._following.reset:
                await self._write(_RESET)
            while True:
                step = await self._following.next(HEARTBEAT_SECONDS)
                if step is None:
                    await self._write(b": nothing new\n" + _id(self._following.heard))
                else:
                    await self._tell(step)
        except TransientError:
            return "failed"
        except TimeoutError:
            return "stalled"
        except ConnectionError:
            return "gone"

    async def _tell(self, step: StreamStep) -> None:
        told = step.wanted(self._wish)
        for part in _parts(told, step.position if step.last else None):
            await self._write(part)
        self._metrics.stream_events.inc(len(told))

    async def _write(self, text: bytes) -> None:
        with anyio.fail_after(STALLED_SECONDS):
            await self._response.write(text)


_RESET = b'event: reset\ndata: {"reason": "what was missed is not kept any more: read report.service_problem"}\n\n'


def _parts(told: Sequence[bytes], position: Position | None) -> Iterator[bytes]:
    """Yield the events, some at a time; the last one with the id."""
    part = bytearray()
    for number, data in enumerate(told, 1):
        if position is not None and number == len(told):
            part += b"id: %s\n" % str(position).encode()
        part += b"event: service_problem\ndata: %s\n\n" % data
        if len(part) >= _PART_BYTES or number == len(told):
            yield bytes(part)
            part.clear()


def _id(position: Position) -> bytes:
    """An id without an event: where the other side then stands."""
    return b"id: %s\n\n" % str(position).encode()


def _wish(request: web.BaseRequest, sources: Sequence[str]) -> StreamFilter:
    unknown = sorted(set(request.query) - _PARAMETERS)
    if unknown:
        raise Refusal(400, "bad_request", f"no parameter {unknown[0][:100]!r}: there are source, status and body")
    return StreamFilter(
        sources=_chosen(request, "source", sources),
        statuses=_chosen(request, "status", [status.value for status in Status]),
        bodies=_chosen(request, "body", ("true", "false")) == {"true"},
        after=_after(request.headers.get("Last-Event-ID", "")),
    )


def _chosen(request: web.BaseRequest, name: str, there_are: Sequence[str]) -> frozenset[str]:
    chosen = frozenset(request.query.getall(name, ()))
    unknown = sorted(chosen - set(there_are))
    if unknown:
        raise Refusal(400, "bad_request", f"no {name} {unknown[0][:100]!r}: there are {', '.join(sorted(there_are))}")
    return chosen


def _after(text: str) -> Position | None:
    if not text:
        return None
    position = Position.read(text)
    if position is None:
        raise Refusal(400, "bad_request", "Last-Event-ID is none that was given here")
    return position
