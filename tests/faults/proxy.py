"""A TCP proxy that misbehaves on request, between the bridge and what it talks to.

What can go wrong, at any time and for every connection at once:

    latency_seconds, bytes_per_second, slice_bytes    slow lines, thin ones, and ones that deliver crumbs
    stall, flow            nothing goes through, nothing is lost; it goes on
    hole                   what is sent through connections that are open now is swallowed; new ones work
    cut, reset             connections end with FIN, with RST
    half_close             the far side has ended its half; what is sent to it still arrives
    shut, open             connections end and new ones are refused; new ones are taken
    answer_bytes, ending   so much comes back through a connection, and then that happens to it: in the middle of an
                           answer, whenever that is

No time is measured but by `asyncio.sleep`; nothing is random.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_CHUNK_BYTES = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class Link:
    """One connection through the proxy."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    swallows: bool = False
    said_last: bool = False
    """The near side knows that nothing comes any more."""
    answered_bytes: int = 0
    """How much came back while that was limited."""

    def swallow(self) -> None:
        """From now on nothing that is sent arrives."""
        self.swallows = True

    def half_close(self) -> None:
        """Tell the near side that the far side has said its last."""
        self.said_last = True
        self.near.write_eof()

    def reset(self) -> None:
        """End both sides with RST."""
        self.abort(reset=True)

    def abort(self, *, reset: bool = False) -> None:
        """End both sides."""
        for writer in (self.near, self.far):
            if reset and (sock := writer.get_extra_info("socket")) is not None and sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort() if reset else writer.close()


@dataclass(slots=True)
class Proxy:
    """Forwards a port of 127.0.0.1 to `target`: a (host, port), or the path of a Unix socket."""

    target: tuple[str, int] | str
    latency_seconds: float = 0
    bytes_per_second: float | None = None
    slice_bytes: int = _CHUNK_BYTES
    answer_bytes: int | None = None
    ending: Callable[[Link], None] = Link.abort
    port: int = 0
    dsn: str = ""
    links: set[Link] = field(default_factory=set)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Take connections, on the same port as before."""
        self._flowing.set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """End every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self) -> None:
        """Let nothing through."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let everything through again."""
        self._flowing.set()

    def hole(self) -> int:
        """Swallow what is sent through the connections there are; return how many."""
        for link in self.links:
            link.swallow()
        return len(self.links)

    def cut(self, *, reset: bool = False) -> int:
        """End the connections there are; return how many."""
        cut = list(self.links)
        for link in cut:
            link.abort(reset=reset)
        return len(cut)

    def half_close(self) -> int:
        """Tell the near side that the far side has said its last; return how many connections."""
        for link in self.links:
            link.half_close()
        return len(self.links)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = None
        try:
            far_reader, far_writer = await self._reach()
            link = Link(writer, far_writer)
            self.links.add(link)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(link, reader, far_writer))
                group.create_task(self._copy(link, far_reader, writer))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            writer.transport.abort()
            if link is not None:
                self.links.discard(link)
                link.far.transport.abort()
            self._tasks.discard(task)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _copy(self, link: Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            if self.latency_seconds:
                await asyncio.sleep(self.latency_seconds)
            for piece in self._pieces(chunk):
                await self._flowing.wait()
                if link.swallows or (link.said_last and sink is link.near):
                    continue
                if self.bytes_per_second is not None:
                    await asyncio.sleep(len(piece) / self.bytes_per_second)
                if sink is link.near and self.answer_bytes is not None:
                    await self._answer(link, piece, self.answer_bytes - link.answered_bytes)
                    continue
                sink.write(piece)
                await sink.drain()
        if not link.swallows and not (link.said_last and sink is link.near):
            sink.write_eof()

    async def _answer(self, link: Link, piece: bytes, most: int) -> None:
        """Send back at most so much of a piece; if that is not all of it, it ends there."""
        link.answered_bytes += len(piece)
        link.near.write(piece[:most])
        await link.near.drain()
        if len(piece) > most:
            self.ending(link)

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        """The chunk in pieces; a thin line gets a piece at least every tenth of a second or so."""
        thin = self.slice_bytes if self.bytes_per_second is None else max(1, int(self.bytes_per_second / 10))
        size = min(self.slice_bytes, thin)
        return (chunk[start : start + size] for start in range(0, len(chunk), size))
