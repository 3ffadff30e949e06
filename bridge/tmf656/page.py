"""The request for a page and its answer, as values for the decisions about paging."""

from collections.abc import Mapping
from enum import Enum
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec import Struct

from bridge.http.row import Row


class Unit(Enum):
    """What a server counts by the number that says where a page begins."""

    UNKNOWN = 0
    ROWS = 1
    PAGES = 2
    MULTIPLES = 3
    """Rows, but only multiples of the size: what lies between is rounded down, or refused (Spring's PageRequest)."""


class PageStyle(Struct, frozen=True):
    """How to request a page: the parameters for its position and its size.

    `first`: the number of the first page (or row). Without a `position` only one page can be asked for; `ranged`: the
    header `Range: items=0-99` is sent and no parameter.
    """

    position: str
    size: str
    unit: Unit = Unit.PAGES
    first: int = 0
    ranged: bool = False

    def query(self, offset: int, limit: int) -> str:
        """Return the query part that asks for `limit` rows from `offset` on, which counts from 0."""
        if self.ranged:
            return ""
        parts = [(self.size, limit), (self.position, offset + self.first)]
        return "&".join(f"{quote(name, safe='$')}={value}" for name, value in parts if name)

    def headers(self, offset: int, limit: int) -> dict[str, str]:
        """Return the headers that ask for it."""
        return {"Range": f"items={offset}-{offset + limit - 1}"} if self.ranged else {}

    def __str__(self) -> str:
        """Name it for a person."""
        return "Range header" if self.ranged else "/".join(filter(None, (self.position, self.size))) or "no parameters"


BY_OFFSET = PageStyle("offset", "limit", Unit.UNKNOWN)
"""TMF630. What `offset` counts has to be found out: some servers count pages by it."""
BY_SYSPARM = PageStyle("sysparm_offset", "sysparm_limit", Unit.ROWS)
"""ServiceNow, and gateways before it."""
BARE = PageStyle("", "", Unit.UNKNOWN)

OTHER_STYLES = (
    PageStyle("page", "size"),
    PageStyle("page", "limit"),
    PageStyle("pageNumber", "pageSize"),
    PageStyle("page", "pageSize"),
    PageStyle("page", "per_page"),
    PageStyle("pageIndex", "pageSize"),
    PageStyle("pageNo", "pageSize"),
    PageStyle("pageNum", "pageSize"),
    PageStyle("currentPage", "pageSize"),
    PageStyle("page", "perPage"),
    PageStyle("page[number]", "page[size]"),
    PageStyle("$skip", "$top", Unit.ROWS),
    PageStyle("skip", "limit", Unit.ROWS),
    PageStyle("start", "count", Unit.ROWS),
    PageStyle("startIndex", "count", Unit.ROWS),
    PageStyle("from", "size", Unit.ROWS),
    PageStyle("startAt", "maxResults", Unit.ROWS),
    PageStyle("start", "limit", Unit.ROWS),
    PageStyle("start", "rows", Unit.ROWS),
    PageStyle("start", "length", Unit.ROWS),
    PageStyle("$offset", "$limit", Unit.ROWS),
    PageStyle("firstResult", "maxResults", Unit.ROWS),
    PageStyle("_start", "_limit", Unit.ROWS),
    PageStyle("_offset", "_limit", Unit.ROWS),
    PageStyle("_page", "_limit"),
    BY_SYSPARM,
    PageStyle("", "", Unit.ROWS, ranged=True),
)
"""Styles of real servers, the frequent ones first."""


class Window(Struct, frozen=True):
    """What to ask for: rows by `offset` and `limit` in a style, or, when `link` is not None, exactly that address.

    `cursor`: (parameter, value) sent instead of the position. Where nothing may be, a window is `speculative`: a
    refusal (400, 404, 416) says "no rows", not "wrong request". `trial`: it finds out whether a style works, so that
    any refusal only says that it does not. `extra`: further query parts.
    """

    offset: int
    limit: int
    link: str | None = None
    speculative: bool = False
    style: PageStyle = BY_OFFSET
    cursor: tuple[str, str] | None = None
    trial: bool = False
    extra: str = ""

    @property
    def query(self) -> str:
        """The query part that asks for it, percent-encoded."""
        if self.cursor is None:
            asked = self.style.query(self.offset, self.limit)
        else:
            size = f"{quote(self.style.size, safe='$')}={self.limit}" if self.style.size else ""
            asked = "&".join(filter(None, (size, f"{quote(self.cursor[0])}={quote(self.cursor[1], safe='')}")))
        return "&".join(filter(None, (self.extra, asked)))

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that ask for it."""
        return {} if self.cursor is not None else self.style.headers(self.offset, self.limit)


class PageAnswer(Struct, frozen=True):
    """What came back: the rows in the server's order, and what it states.

    `total`: how many rows there are in all. `partial`: it said 206. `next_link`: an address on the source's own origin.
    `link_refused`: it named a next page, at an address that is none or must not be asked. `cursor`: (name, value) of a
    token for the next page. `more`: whether it states further pages, None when it does not say. `refused`: it refused a
    speculative window or a trial. `not_found`: it has no such list (404), which may mean that the list is empty.
    `in_part`: it says that it holds less than was asked for, or it has null in place of a problem. `last_id`: of the
    last row.
    """

    rows: list[Row]
    total: int | None = None
    partial: bool = False
    next_link: str | None = None
    refused: bool = False
    link_refused: bool = False
    cursor: tuple[str, str] | None = None
    more: bool | None = None
    not_found: bool = False
    in_part: bool = False
    last_id: str | None = None


def offset_in(link: str) -> int | None:
    """Read the `offset` out of a link's query; None when it has none."""
    for name, value in parse_qsl(urlsplit(link).query):
        if name.lower() == "offset" and value.isascii() and value.isdigit() and len(value) < 19:
            return int(value)
    return None


BY_LAST_ID = ("starting_after", "after", "marker", "startAfter", "lastId", "last_id", "after_id")
"""Parameters in which servers that only say whether more follows take the id of the last row."""

_POSITIONS = ("offset", "page", "start", "skip", "from", "first", "index")
_NUMBERS_OF_FIRST = ("1", "2")


def names_position(link: str) -> bool:
    """Whether a link counts rows or pages, and so promises nothing about rows that move while the list is read."""
    return any(
        any(word in name.lower() for word in _POSITIONS) and value.isascii() and value.isdigit()
        for name, value in parse_qsl(urlsplit(link).query)
    )


def style_in(link: str) -> PageStyle | None:
    """Recognise the style of a link from the first page to the second; None when it is none of the known ones."""
    numbers = {name: value for name, value in parse_qsl(urlsplit(link).query) if value.isascii() and value.isdigit()}
    for style in OTHER_STYLES:
        value = numbers.get(style.position)
        if value is None or style.size not in numbers:
            continue
        if style.unit is Unit.PAGES and value in _NUMBERS_OF_FIRST:
            return PageStyle(style.position, style.size, Unit.PAGES, first=int(value) - 1)
        if style.unit is Unit.ROWS:
            return style
    return None
