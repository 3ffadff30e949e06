"""The fast path: requests whose head was read before, byte for byte, go past aiohttp (`http.fast_path`).

A sender that keeps its connection sends the same head with every notification. Once aiohttp has read a request to a
callback, and it was stored, its head is remembered with the callback and the length of the body. A request that begins
with a known head and is exactly as long as that says goes to the listener without parser, request object, task and
coroutines. Nothing is parsed here: anything else, and anything refused, goes through aiohttp.

It also has the answer to a stored notification serialised once a second instead of for each.

One request at a time is taken on a connection. The time limits are aiohttp's own, in its own timer: a connection that
has not sent a whole head within `http.keepalive_timeout_seconds` after the last answer is closed. Stopping waits for
the request that was taken. What it earns stands in docs/performance.md.
"""

from collections import OrderedDict
from collections.abc import Callable
from time import time
from typing import Any

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from bridge.web.answer import serialised
from bridge.web.connections import CountedConnection
from bridge.web.listener.callback import Callback

_HEADS = 1024
"""Heads remembered at most: there is one for each callback, sender, and length of a body."""
_HEAD_END = b"\r\n\r\n"
_LONGEST_BYTES = 16 * 1024
"""Longer requests are not remembered: a connection keeps what may be remembered until it is answered."""
_LOOK_AGAIN_SECONDS = 1.0
_BODY_IN_OTHER_FORM = (hdrs.CONTENT_ENCODING, hdrs.TRANSFER_ENCODING, hdrs.EXPECT, hdrs.UPGRADE)
UTF8_NAMES = frozenset({"utf-8", "utf8"})
"""Charsets of bodies that are taken as they are."""

SendAnswer = Callable[[bytes, bool], None]
"""Sends a serialised answer on a connection that is then kept (True) or closed."""
Take = Callable[[Callback, bytes, SendAnswer], bool]
"""Takes the body of a request, to be answered later; or does not, and returns False."""


class Acceptance:
    """The answer that a notification is stored: `status` without content, or with a JSON `body`."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        """Prepare; `to` and `now` make the answers."""
        self._status, self._body = status, body
        self._made_at, self._made = 0, b""

    def to(self, request: web.BaseRequest, callback: Callback | None) -> web.StreamResponse:
        """Return the answer to one request. Its head is known from now on, unless `callback` is None: then the body was
        not stored as it came.
        """
        connection = request.protocol
        if isinstance(connection, FastPathConnection) and request.version == HttpVersion11 and request.keep_alive:
            if callback is not None:
                connection.remember(request, callback)
            return SerialisedResponse(self._status, self.now())
        return self._response()

    def now(self) -> bytes:
        """Return head and body as they are this second, for a connection that is kept."""
        second = int(time())
        if second != self._made_at:
            self._made_at, self._made = second, serialised(self._response())
        return self._made

    def _response(self) -> web.Response:
        content_type = "application/json" if self._body else None
        return web.Response(status=self._status, body=self._body or None, content_type=content_type)


class SerialisedResponse(web.StreamResponse):
    """An answer that aiohttp only has to send."""

    def __init__(self, status: int, serialised: bytes) -> None:
        """Take head and body."""
        super().__init__(status=status)
        self._serialised = serialised

    @property
    def prepared(self) -> bool:
        """Nothing may be added."""
        return True

    @property
    def keep_alive(self) -> bool:
        """The connection is kept."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send it; ConnectionError when its sender has gone."""
        await request.writer.write_eof(self._serialised)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing follows."""


class FastPath:
    """Knows heads of requests, and hands over the bodies behind them."""

    __slots__ = ("_heads", "_take")

    def __init__(self, take: Take) -> None:
        """Know nothing yet."""
        self._take = take
        self._heads: OrderedDict[bytes, tuple[Callback, int]] = OrderedDict()

    def take(self, data: bytes, answer: SendAnswer) -> bool:
        """Have the request taken that `data` is, no more and no less; False when its head is not known, or it is not
        taken: nothing has been done with it then.
        """
        end = data.find(_HEAD_END) + len(_HEAD_END)
        known = self._heads.get(data[:end])
        if known is None:
            return False
        callback, body_bytes = known
        return len(data) == end + body_bytes and self._take(callback, data[end:], answer)

    def remember(self, data: bytes, callback: Callback, body_bytes: int) -> bool:
        """Remember the head of a request that was read and stored; return whether `data` is that and nothing else."""
        end = data.find(_HEAD_END) + len(_HEAD_END)
        if len(data) > _LONGEST_BYTES or len(data) != end + body_bytes:
            return False
        self._heads[data[:end]] = callback, body_bytes
        if len(self._heads) > _HEADS:
            self._heads.popitem(last=False)
        return True


class FastPathConnection(CountedConnection):
    """A connection that takes requests with a known head itself, while aiohttp has nothing to do on it.

    All that came so far must have been whole requests, each of them answered (`_aligned`): that is so of those taken
    here, and of those remembered just before aiohttp writes their answer. And aiohttp must be waiting for a request, on
    its future `_waiter`: just before, it sets its own time limit, which would be set too late for a request that was
    taken earlier. Without such a future in another release of aiohttp nothing is taken here.
    """

    __slots__ = ("_aligned", "_closing", "_fast_path", "_held", "_received", "_under_way")

    def __init__(self, manager: web.Server, *, fast_path: FastPath, **options: Any) -> None:
        """The other options are those of CountedConnection."""
        super().__init__(manager, **options)
        self._fast_path = fast_path
        self._aligned = True
        self._received: bytes | None = None
        """What aiohttp was given last, when it may be one whole request."""
        self._under_way = self._closing = False
        self._held = b""

    def data_received(self, data: bytes) -> None:
        """Take a request whose head is known; leave everything else to aiohttp, in order. (aiohttp calls this with
        nothing to look again at what it has.)
        """
        if not data:
            super().data_received(data)
        elif self._under_way:
            if not self._held and self.transport is not None:
                self.transport.pause_reading()
            self._held += data
        elif not self._aligned or self._closing:
            self._received = None
            super().data_received(data)
        elif self._is_idle() and self._fast_path.take(data, self._answer):
            self._under_way = True
        else:
            self._received = data if len(data) <= _LONGEST_BYTES else None
            self._aligned = False
            super().data_received(data)

    def remember(self, request: web.BaseRequest, callback: Callback) -> None:
        """A request to this callback was stored and is about to be answered: its head is known from now on."""
        received, self._received = self._received, None
        length = request.content_length
        if received is None or length is None or any(name in request.headers for name in _BODY_IN_OTHER_FORM):
            return
        if (request.charset or "utf-8").lower() not in UTF8_NAMES:
            return
        self._aligned = self._fast_path.remember(received, callback, length)

    def close(self) -> None:
        """Take no further requests; the one under way is answered. aiohttp's `shutdown` waits for its loop over
        requests, which ends only then.
        """
        self._closing = True
        if not self._under_way:
            super().close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of what waits."""
        self._held = b""
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        waiter = getattr(self, "_waiter", None)
        return waiter is not None and not waiter.done()

    def _answer(self, answer: bytes, keep: bool) -> None:
        """Answer the request that was taken, if its sender is still there, and go on with what came behind it."""
        self._under_way = False
        if self.transport is None or self.transport.is_closing():
            return
        self.transport.write(answer)
        if not keep:
            self.force_close()
            return
        if self._closing:
            super().close()
            return
        self._next_keepalive_close_time = self._loop.time() + self.keepalive_timeout
        if self._held:
            held, self._held = self._held, b""
            self.transport.resume_reading()
            self.data_received(held)

    def _process_keepalive(self) -> None:
        """aiohttp's timer: it knows nothing of a request that was taken here, and would close the connection."""
        if self._under_way:
            self._keepalive_handle = self._loop.call_later(_LOOK_AGAIN_SECONDS, self._process_keepalive)
        else:
            super()._process_keepalive()
