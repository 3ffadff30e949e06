"""Questions and answers, both ways, over one connection: a JSON object a line.

A question is `{"ask": number, …}`, its answer `{"answer": number, …}`, or `{"answer": number, "failed": true}` when
the answering code failed: the defect is logged, and the process goes on to answer the others. When the connection ends,
every call that waits for an answer raises GoneError.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import anyio
import orjson
import structlog

from bridge.errors import TransientError

log = structlog.get_logger(__name__)

_MOST_BYTES = 256 * 1024**2
"""The longest line; the metrics of a hundred sources are 5 MB."""

Message = dict[str, Any]
"""A message may contain dataclasses; they arrive as dicts."""
Answer = Callable[[Message], Awaitable[Message]]


class GoneError(TransientError):
    """The other process has ended."""


class FailedError(TransientError):
    """The other side could not answer; its log says why."""


class Channel:
    """One end; use `opened`. `answer` answers the questions of the other side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        """Wrap a connection; `run` does the work."""
        self._reader, self._writer, self._answer = reader, writer, answer
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._gone = False

    async def ask(self, **question: Any) -> Message:
        """Ask, and return the answer; FailedError when answering failed, GoneError when the connection has ended."""
        if self._gone:
            raise GoneError("the other process is gone")
        number = next(self._numbers)
        answered = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            await self._send(_packed({"ask": number, **question}))
            answer: Message = await answered
        finally:
            self._asked.pop(number, None)
        if "failed" in answer:
            raise FailedError("the other process could not answer; its log says why")
        return answer

    async def run(self) -> None:
        """Receive questions and answers until the connection ends."""
        try:
            async with anyio.create_task_group() as answering:
                while message := await self._next():
                    if "answer" in message:
                        waiting = self._asked.get(message["answer"])
                        if waiting is not None and not waiting.done():
                            waiting.set_result(message)
                    else:
                        answering.start_soon(self._reply, message)
                answering.cancel_scope.cancel()
        finally:
            self._gone = True
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_exception(GoneError("the other process is gone"))

    async def _next(self) -> Message | None:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        message: Message | None = orjson.loads(line) if line.endswith(b"\n") else None
        return message

    async def _reply(self, question: Message) -> None:
        number = question["ask"]
        try:
            answer = _packed({"answer": number, **await self._answer(question)})
        except Exception:  # a defect in one answer must not end the process that serves all others
            log.exception("a question of another process could not be answered", question=question.get("what"))
            answer = _packed({"answer": number, "failed": True})
        with suppress(GoneError):
            await self._send(answer)

    async def _send(self, message: bytes) -> None:
        try:
            self._writer.write(message)
            await self._writer.drain()
        except (ConnectionError, RuntimeError) as error:  # RuntimeError: uvloop's, of a transport that is closed
            raise GoneError("the other process is gone") from error


def _packed(message: Message) -> bytes:
    return orjson.dumps(message) + b"\n"


@asynccontextmanager
async def opened(end: socket.socket, answer: Answer) -> AsyncIterator[Channel]:
    """Open one end of a pair of sockets; it is closed at the end of the context."""
    reader, writer = await asyncio.open_unix_connection(sock=end, limit=_MOST_BYTES)
    try:
        yield Channel(reader, writer, answer)
    finally:
        writer.close()
