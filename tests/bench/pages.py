"""A TMF656 server that is never the bottleneck: it lists problems, and takes registrations at its hub.

    python -m tests.bench.pages COUNT [--generation N]

Pages are put together from made-up problems, about four microseconds each, in a process of its own, while the reader
is busy with the page before. A generation is a later state of the same problems: another status, a later update.
It keeps no state and ignores filters, as many servers do.
"""

import argparse
import asyncio
import re
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import uvloop

from tests.bench.notification import STEPS, problem

PREFIX = "listed"
_LIST = "/serviceProblem"
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Collection:
    """So many problems, as they are in one generation."""

    def __init__(self, count: int, generation: int) -> None:
        """Hold nothing but what to make."""
        self.count = count
        self._generation = generation

    def page(self, offset: int, limit: int) -> bytes:
        """The problems from `offset` on, as a JSON array."""
        numbers = range(min(offset, self.count), min(offset + limit, self.count))
        return f"[{','.join(map(self.problem, numbers))}]".encode()

    def problem(self, number: int) -> str:
        """One of them."""
        at = self._generation * 60_000_000 + number
        return problem(PREFIX, number, step=self._generation % STEPS, at=at)

    def find(self, problem_id: str) -> str | None:
        """One of them by its id."""
        prefix, _, number = problem_id.rpartition("-")
        return self.problem(int(number)) if prefix == PREFIX and int(number) < self.count else None


class _Protocol(asyncio.Protocol):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = _LENGTH.search(head)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self._transport.write(self._answer(method, target))

    def _answer(self, method: str, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path == "/hub" and method == "POST":
            return _answer(HTTPStatus.CREATED, b'{"id":"1","callback":""}')
        if parts.path.startswith("/hub"):
            return _answer(HTTPStatus.NO_CONTENT if method == "DELETE" else HTTPStatus.NOT_FOUND)
        if parts.path == _LIST:
            query = parse_qs(parts.query)
            offset, limit = (int(query.get(name, [default])[0]) for name, default in (("offset", 0), ("limit", 100)))
            return _answer(HTTPStatus.OK, self._collection.page(offset, limit), total=self._collection.count)
        found = self._collection.find(parts.path.removeprefix(f"{_LIST}/"))
        return _answer(HTTPStatus.OK, found.encode()) if found else _answer(HTTPStatus.NOT_FOUND)


def _answer(status: HTTPStatus, body: bytes = b"", *, total: int | None = None) -> bytes:
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if total is not None:
        lines.append(f"X-Total-Count: {total}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _serve(collection: Collection) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Protocol(collection), "127.0.0.1", 0)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201 -- the bench reads it
    await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("count", type=int)
    arguments.add_argument("--generation", type=int, default=0)
    chosen = arguments.parse_args()
    uvloop.run(_serve(Collection(chosen.count, chosen.generation)))
