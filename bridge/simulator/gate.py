"""What happens to every request at a simulated ticket system: it is noted, hindered as the faults say, and answered.

A handler returns a `Reply`, or for a write a `Write`: what to do and how to answer. So the gate can carry a write out
and lose the answer, or carry it out after its caller has gone.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import orjson
from aiohttp import web
from anyio.abc import TaskGroup

from bridge.simulator.request_faults import RequestFaults

_REQUESTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` is JSON."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = ()


class ReplyError(Exception):
    """The request is answered with this instead."""

    def __init__(self, reply: Reply) -> None:
        """Keep the answer."""
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Write:
    """A write that was understood and allowed: `carry_out` does it and returns the answer, or raises ReplyError."""

    carry_out: Callable[[], Reply]


Handle = Callable[[web.Request], Awaitable[Reply | Write]]


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """A request as it came; `query` is raw."""

    method: str
    path: str
    query: str
    body: bytes


class Trouble(Protocol):
    """How an API says that something is wrong with every request alike."""

    def failed(self) -> Reply:
        """Return the answer of a server that failed."""
        ...

    def rate_limited(self, retry_after_seconds: int) -> Reply:
        """Return the answer to one request too many."""
        ...


class RequestGate:
    """Lets requests in and answers out."""

    def __init__(self, faults: RequestFaults, trouble: Trouble) -> None:
        """Hinder by `faults`, in the words of `trouble`."""
        self._faults = faults
        self._trouble = trouble
        self.seen: deque[RequestSeen] = deque(maxlen=_REQUESTS_KEPT)
        self.late: deque[Write] = deque()
        """Writes that nobody waits for any more and that are not carried out yet."""
        self.group: TaskGroup | None = None
        """Where late writes wait for their time."""

    def carry_out_late(self) -> int:
        """Carry out now every write that is late; return how many there were."""
        number = 0
        while self.late:
            self._finish(self.late.popleft())
            number += 1
        return number

    async def pass_on(self, request: web.Request, handle: Handle) -> web.StreamResponse:
        """Note the request, answer it as the faults allow."""
        faults = self._faults
        self.seen.append(
            RequestSeen(request.method, request.path, request.rel_url.raw_query_string, await request.read())
        )
        if faults.slow_seconds > 0:
            await anyio.sleep(faults.slow_seconds)
        if faults.down:
            return self._hang_up(request)
        if faults.rate_limited_next > 0:
            faults.rate_limited_next -= 1
            return self._said(self._trouble.rate_limited(faults.retry_after_seconds))
        if faults.takes("fail"):
            return self._said(self._trouble.failed())
        try:
            answer = await handle(request)
            if isinstance(answer, Write):
                if faults.takes("late"):
                    self._postpone(answer)
                    return self._hang_up(request)
                answer = answer.carry_out()
                if faults.takes("lose"):
                    return self._hang_up(request)
        except ReplyError as refused:
            answer = refused.reply
        if faults.takes("cut"):
            return await self._cut(request, answer)
        return self._said(answer)

    def _postpone(self, write: Write) -> None:
        self.late.append(write)
        if self.group is not None and self._faults.late_seconds is not None:
            self.group.start_soon(self._wait_for, write, self._faults.late_seconds)

    async def _wait_for(self, write: Write, seconds: float) -> None:
        await anyio.sleep(seconds)
        if write in self.late:
            self.late.remove(write)
            self._finish(write)

    def _finish(self, write: Write) -> None:
        try:
            write.carry_out()
        except ReplyError:
            return  # refused, and nothing answers it

    def _said(self, reply: Reply) -> web.Response:
        body = b"" if reply.body is None else orjson.dumps(reply.body)
        headers = {"Content-Type": "application/json; charset=utf-8", **dict(reply.headers)}
        return web.Response(status=reply.status, body=body, headers=headers)

    def _hang_up(self, request: web.Request) -> web.StreamResponse:
        """End the connection without an answer."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    async def _cut(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        body = orjson.dumps(reply.body)
        broken = web.StreamResponse(status=reply.status, headers={"Content-Type": "application/json"})
        broken.content_length = len(body) + 1
        await broken.prepare(request)
        await broken.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return broken
