"""Which path is answered by what, and which permission it takes.

A pattern is made of segments, `{name}` stands for any one. A path is split before it is decoded, so that an id may have
slashes in it (`%2F`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import hdrs, web
from msgspec import Struct

from bridge.domain.access import Permission
from bridge.web.console.live_part import LIVE_HEADER

if TYPE_CHECKING:
    from bridge.web.console.visit import Visit

PageHandler = Callable[["Visit"], Awaitable[web.StreamResponse]]
SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class ConsoleRoute(Struct, frozen=True):
    """One method of one path. `navigation`: its name among the links at the top of every page. `page`: people look at
    it, so a request without login is sent to the login page. `holds_slot`:
    it counts among the requests that are answered at a time; a stream does not. `shares`: what a live page asks for
    (`LIVE_HEADER`) does not either, because many wait for one.
    """

    method: str
    pattern: str
    permission: Permission
    handler: PageHandler
    navigation: str = ""
    page: bool = True
    holds_slot: bool = True
    shares: bool = False

    def holds_slot_for(self, request: web.BaseRequest) -> bool:
        """Does this request count among those?"""
        return self.holds_slot and not (self.shares and LIVE_HEADER in request.headers)


class Found(Struct, frozen=True):
    """A route, and the values of the names in its pattern."""

    route: ConsoleRoute
    values: Mapping[str, str]


class RouteTable:
    """All routes of the console."""

    def __init__(self, routes: Sequence[ConsoleRoute]) -> None:
        """Take them; ValueError when two are the same."""
        self.routes = tuple(routes)
        self._by_length: dict[int, list[tuple[tuple[str, ...], ConsoleRoute]]] = {}
        if len({(one.method, one.pattern) for one in routes}) != len(self.routes):
            raise ValueError("two routes have the same method and pattern")
        for route in routes:
            segments = tuple(route.pattern.split("/"))
            self._by_length.setdefault(len(segments), []).append((segments, route))

    def find(self, method: str, raw_path: str) -> Found | frozenset[str]:
        """Return the route of a path as it was sent, else the methods that the path allows: none where it is unknown.
        HEAD is answered as GET.
        """
        method = hdrs.METH_GET if method == hdrs.METH_HEAD else method
        parts, allowed = raw_path.split("/"), set()
        for segments, route in self._by_length.get(len(parts), ()):
            values = _values(segments, parts)
            if values is None:
                continue
            if route.method == method:
                return Found(route, values)
            allowed.add(route.method)
        return frozenset(allowed)


def _values(segments: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    values = {}
    for segment, part in zip(segments, parts, strict=True):
        try:
            text = unquote(part, errors="strict")
        except UnicodeDecodeError:
            return None
        if segment.startswith("{"):
            values[segment[1:-1]] = text
        elif segment != text:
            return None
    return values
