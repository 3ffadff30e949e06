"""Lists that many browsers look at: what all of them see is read and drawn once.

A part holds nothing of who asks; whether somebody may see it is decided for each request before. There are two ways to
get one. A live page asks at a mark of `ChangeSignal`, and gets what was begun after that mark was there: it shows
everything announced up to it, and what comes later has another mark. A page that is loaded gets what was begun after
it asked: while a part is being made, those who come wait for the next one together. When many do, the next one begins
after a pause, so that people who load a list without end take little of Postgres from senders.

A live page says what it has (`LIVE_HEADER`: the digest that stands in it), and is answered 204 when that is still what
is to be seen.
"""

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from time import monotonic
from typing import Any, Final

import anyio
import msgspec
from aiohttp import hdrs, web

LIVE_HEADER: Final = "X-Live"
MOST_PARTS: Final = 32
_LONGEST_SECONDS: Final = 2.0
"""A part says how long ago things were, so it is not shared for longer."""
_GZIP_LEVEL: Final = 4
_MANY: Final = 4
_PAUSE: Final = 10
"""Before the next part that so many wait for: this many times what the last one took, and at most a while."""
_LONGEST_PAUSE_SECONDS: Final = 0.4

Make = Callable[[], Awaitable["LivePart"]]


@dataclass(slots=True)
class LivePart:
    """What is to be seen, written as HTML when the first browser needs it."""

    digest: str
    write: Callable[[], str]
    _text: str = ""
    _packed: bytes = b""

    @property
    def text(self) -> str:
        """As HTML, made by a template."""
        self._text = self._text or self.write()
        return self._text

    def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer a live page."""
        if request.headers.get(LIVE_HEADER) == self.digest:
            return web.Response(status=204)
        if "gzip" not in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            return web.Response(text=self.text, content_type="text/html")
        self._packed = self._packed or gzip.compress(self.text.encode(), _GZIP_LEVEL, mtime=0)
        headers = {hdrs.CONTENT_ENCODING: "gzip"}
        return web.Response(body=self._packed, content_type="text/html", charset="utf-8", headers=headers)


@dataclass(slots=True)
class _Making:
    """A part that one request makes; others wait for it. `waiting`: how many."""

    mark: str = ""
    began: float = 0.0
    waiting: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)
    part: LivePart | None = None
    error: Exception | None = None

    async def make(self, make: Make) -> LivePart:
        """Make it; what goes wrong is for all who wait, unless the browser of this request went away."""
        self.began = monotonic()
        try:
            self.part = await make()
        except Exception as error:
            self.error = error
            raise
        finally:
            self.ended.set()
        return self.part

    async def made(self) -> LivePart | None:
        """Wait for it; None when the browser of its request went away."""
        self.waiting += 1
        await self.ended.wait()
        if self.error is not None:
            raise self.error
        return self.part


@dataclass(slots=True)
class LiveParts:
    """Makes parts, and keeps a few for as long as nothing else is announced."""

    _at_marks: dict[str, _Making] = field(default_factory=dict)
    _next: dict[str, _Making] = field(default_factory=dict)
    _running: dict[str, _Making] = field(default_factory=dict)

    async def at(self, mark: str, key: str, make: Make) -> LivePart:
        """Return the part of a key at a mark; where there is none yet, one request makes it and the others wait. When
        that fails all of them fail; when its browser goes away, the next one makes it.
        """
        while True:
            found = self._at_marks.get(key)
            if found is None or found.mark != mark or monotonic() - found.began > _LONGEST_SECONDS:
                break
            part = await found.made()
            if part is not None:
                return part
        own = _Making(mark, monotonic())
        self._at_marks.pop(key, None)
        while len(self._at_marks) >= MOST_PARTS:
            del self._at_marks[next(iter(self._at_marks))]
        self._at_marks[key] = own
        try:
            return await own.make(make)
        finally:
            if own.part is None and self._at_marks.get(key) is own:
                del self._at_marks[key]

    async def fresh(self, key: str, make: Make) -> LivePart:
        """Return a part that is begun from now on; of those who wait for it, the first makes it."""
        while (joined := self._next.get(key)) is not None:
            part = await joined.made()
            if part is not None:
                return part
        own = self._next[key] = _Making()
        try:
            while (running := self._running.get(key)) is not None:
                await running.ended.wait()
                if own.waiting >= _MANY:
                    await anyio.sleep(min(_LONGEST_PAUSE_SECONDS, _PAUSE * (monotonic() - running.began)))
            del self._next[key]
            self._running[key] = own
            return await own.make(make)
        finally:
            for places in (self._next, self._running):
                if places.get(key) is own:
                    del places[key]
            own.ended.set()


def digest_of(values: Mapping[str, Any], at: datetime) -> str:
    """Return what differs when something else is to be seen, or the minute: times are written as seen from now."""
    seen = msgspec.json.encode([f"{at:%Y-%m-%dT%H:%M}", values])
    return blake2b(seen, digest_size=12).hexdigest()
