"""What a server states about the pages behind the one it gave: in headers, and in the object around its rows.

Servers state it under many names, or wrongly. Nothing here decides; the walk compares it with what came.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from multidict import CIMultiDictProxy

_TOTALS: Final = frozenset(
    {
        "total",
        "totalelements",
        "totalcount",
        "totalresults",
        "totalitems",
        "totalrecords",
        "totalhits",
        "totalsize",
        "totalentries",
        "totalnumber",
        "totalrows",
        "recordstotal",
        "numfound",
        "odatacount",
        "xtotalcount",
    }
)
_COUNTS: Final = frozenset({"count", "resultcount", "itemcount", "rowcount", "recordcount", "xresultcount"})
"""Names of the rows of this page, or of all; they state something only where they exceed the page."""
_PAGES: Final = frozenset({"totalpages", "pagecount", "pagestotal", "lastpage"})
_NUMBERS: Final = frozenset({"number", "page", "currentpage", "pagenumber", "pageindex"})
_MORE: Final = frozenset(
    {"hasmore", "hasnext", "hasnextpage", "more", "morerecords", "moreresults", "moreavailable", "truncated"}
    | {"istruncated", "next", "nextpage", "partial"}
)
_LAST: Final = frozenset({"last", "islast", "islastpage", "lastpage", "endoflist", "eof"})
_NEXT: Final = {
    "next": ("cursor", "next", "after", "pageToken", "page"),
    "nextpage": ("page", "nextPage", "pageToken", "cursor"),
    "nextlink": (),
    "nexturl": (),
    "nexturi": (),
    "nexthref": (),
    "nextpageurl": (),
    "nextpagelink": (),
    "odatanextlink": (),
    "nextcursor": ("cursor", "nextCursor", "next_cursor", "after"),
    "endcursor": ("after", "cursor"),
    "after": ("after", "cursor"),
    "nextpagetoken": ("pageToken", "nextPageToken", "page_token"),
    "nexttoken": ("nextToken", "token", "next_token"),
    "continuationtoken": ("continuationToken", "continuation", "continuation_token"),
    "nextmarker": ("marker", "nextMarker"),
    "nextkey": ("key", "nextKey", "startKey"),
    "scrollid": ("scrollId", "scroll_id"),
}
"""Name of what leads to the next page → parameters that a token of that name is sent back in, the likely one first."""
_NESTS: Final = frozenset(
    {"page", "paging", "pagination", "pager", "meta", "metadata", "links", "cursors", "cursor", "pageinfo", "info"}
    | {"total", "result", "data", "response", "hits", "header", "odata", "self", "next"}
)
_DEPTH: Final = 3
_LONGEST: Final = 16_384
"""Characters of an address or token."""


class Claims(Struct, frozen=True):
    """`links`: addresses of the next page as they were written. `cursor`: (name, token) where it is no address."""

    total: int | None = None
    more: bool | None = None
    links: tuple[str, ...] = ()
    cursor: tuple[str, str] | None = None


def cursor_parameters(name: str) -> tuple[str, ...]:
    """Return the parameters that a token of this name may be sent back in, the likely one first."""
    return tuple(dict.fromkeys((*_NEXT.get(_plain(name), ()), name, "cursor")))


def claims_of(headers: CIMultiDictProxy[str], envelope: Mapping[str, Any], rows: int) -> Claims:
    """Read what the headers and the object around `rows` rows state. Of several totals the largest counts."""
    totals = list(_stated_in(headers))
    more: list[bool] = []
    links = [link] if (link := next_link(headers.getall("Link", []))) is not None else []
    cursor: tuple[str, str] | None = None
    page: int | None = None
    pages = 0
    for name, value in _members(envelope, _DEPTH):
        known = _plain(name)
        match value:
            case bool():
                more += [value] if known in _MORE else [not value] if known in _LAST else []
            case int() if known in _TOTALS or (known in _COUNTS and value > rows):
                totals += [value] if value >= 0 else []
            case int() if known in _PAGES:
                pages = value
            case int() if known in _NUMBERS:
                page = value
            case int() if known in _NEXT:
                more.append(True)
                cursor = cursor or (name, str(value))
            case str() if known in _NEXT and value.strip() and len(value) < _LONGEST:
                if _is_address(value):
                    links.append(value.strip())
                else:
                    cursor = cursor or (name, value)
            case str() if known in _TOTALS and (number := _number(value)) is not None:
                totals.append(number)
            case None if known in {"next", "nextpage", "nextlink", "nextcursor", "nextpagetoken", "nexttoken"}:
                more.append(False)
    # GraphQL's endCursor stands on the last page, too, beside hasNextPage: false.
    cursor = None if more and True not in more else cursor
    stated = True if True in more or links or cursor else False if more else None
    if stated is None and page is not None and page + 1 < pages:
        stated = True  # also where pages are counted from 1
    counted = _number(headers.get("X-Result-Count", ""))
    totals += [counted] if counted is not None and counted > rows else []
    return Claims(max(totals, default=None), stated, tuple(links), cursor)


def _stated_in(headers: CIMultiDictProxy[str]) -> Iterator[int]:
    """Yield the totals of X-Total-Count and of Content-Range (`items 0-9/42`)."""
    for text in (headers.get("X-Total-Count", ""), headers.get("Content-Range", "").rpartition("/")[2]):
        if (number := _number(text)) is not None:
            yield number


def _members(value: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object, and of those within it that are known to speak of pages."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            if _plain(name) in _NEXT and isinstance(inner.get("href"), str):
                yield "nextLink", inner["href"]
            elif _plain(name) == "total" and isinstance(inner.get("value"), int):
                yield "total", inner["value"]
            elif depth and _plain(name) in _NESTS:
                yield from _members(inner, depth - 1)
        elif isinstance(inner, list):
            for link in inner[:50] if _plain(name) in {"links", "link"} else ():
                if isinstance(link, dict) and str(link.get("rel", "")).lower() == "next":
                    yield "nextLink", link.get("href") or link.get("url")
        else:
            yield name, inner


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://", "/", "?", "./", "../")) or bool(re.search(r"[?&]\w+=", text))


def _plain(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


def _number(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


_ENTRY = re.compile(r"<([^<>]*)>([^<]*)")
_REL = re.compile(r"""\brel\s*=\s*["']?([^"';,]*)""", re.IGNORECASE)


def next_link(values: list[str]) -> str | None:
    """Find rel=next in Link headers (RFC 8288), also behind a stray quote; None when there is none."""
    for target, parameters in _ENTRY.findall(",".join(values)):
        rel = _REL.search(parameters)
        if rel is not None and "next" in rel[1].lower().split():
            return str(target).strip()
    return None
