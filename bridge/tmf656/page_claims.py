"""What a server states about the pages behind the one it gave: in headers, and in the object around its rows.

Servers state it under many names, or wrongly. Nothing here decides; the walk compares it with what came.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson
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
    }
)
_COUNTS: Final = frozenset({"count", "resultcount", "itemcount", "rowcount", "recordcount"})
"""Names of the rows of this page, or of all; they state something only where they exceed the page."""
_PAGES: Final = frozenset({"totalpages", "pagecount", "pagestotal", "lastpage"})
_NUMBERS: Final = frozenset({"number", "page", "currentpage", "pagenumber", "pageindex"})
_MORE: Final = frozenset(
    {"hasmore", "hasnext", "hasnextpage", "more", "morerecords", "moreresults", "moreavailable", "truncated"}
    | {"istruncated", "next", "nextpage", "partial"}
)
_LEFT: Final = frozenset({"remaining", "remainingcount", "remainingitems", "remainingitemcount"})
"""How many rows, or pages, follow."""
_IN_PART: Final = frozenset({"timedout", "incomplete", "incompleteresults", "isincomplete", "partialresults"})
"""Names under which a server says that an answer holds less than was asked for."""
_FAULTS: Final = frozenset({"errors", "failures"})
"""Lists of what went wrong, beside the rows that did come (GraphQL, searches over several indexes)."""
_LAST: Final = frozenset({"last", "islast", "done", "islastpage", "lastpage", "endoflist", "eof"})
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
    "continuation": ("continuation", "continuationToken"),
    "mscontinuation": ("continuationToken", "continuation"),
    "nextrecordsurl": (),
    "offset": ("offset",),
}
"""Name of what leads to the next page → parameters that a token of that name is sent back in, the likely one first."""
_NESTS: Final = frozenset(
    {"page", "paging", "pagination", "pager", "meta", "metadata", "links", "cursors", "cursor", "pageinfo", "info"}
    | {"total", "result", "data", "response", "hits", "header", "odata", "self", "next", "view"}
)
_DEPTH: Final = 3
_LONGEST: Final = 16_384
"""Characters of an address or token, and of a header that holds an object."""
_ALSO_POSITIONS: Final = frozenset({"offset"})
"""Names of tokens that are positions elsewhere: digits lead nowhere."""
_STATED: Final = _TOTALS | _COUNTS | _PAGES | _NUMBERS | _MORE | _LEFT | _IN_PART | frozenset(_NEXT)
_NESTED_HEADERS: Final = frozenset({"pagination", "paging"})
"""Headers that hold an object (X-Pagination of ASP.NET)."""


class Claims(Struct, frozen=True):
    """`links`: addresses of the next page as they were written. `cursor`: (name, token) where it is no address.
    `in_part`: the server says that this answer is not all that it should be.
    """

    total: int | None = None
    more: bool | None = None
    links: tuple[str, ...] = ()
    cursor: tuple[str, str] | None = None
    in_part: bool = False


def cursor_parameters(name: str) -> tuple[str, ...]:
    """Return the parameters that a token of this name may be sent back in, the likely one first."""
    return tuple(dict.fromkeys((*_NEXT.get(_plain(name), ()), name, "cursor")))


def claims_of(headers: CIMultiDictProxy[str], envelope: Mapping[str, Any], rows: int) -> Claims:
    """Read what the headers and the object around `rows` rows state. Of several totals the largest counts."""
    totals = _range_totals(headers)
    more: list[bool] = []
    links = list(filter(None, [next_link(headers.getall("Link", []))]))
    cursor: tuple[str, str] | None = None
    page, pages = sys.maxsize, 0
    statements = [*_members(envelope, _DEPTH), *_members(_in_headers(headers.items()), 1)]
    for name, value in statements:
        known = _plain(name)
        match _counted(value, as_text=known in _TOTALS):
            case bool():
                more += [value] if known in _MORE else [not value] if known in _LAST else []
            case int(count) if known in _TOTALS or (known in _COUNTS and count > rows):
                totals += [count] if count >= 0 else []
            case int(count) if known in _PAGES:
                pages = count
            case int(count) if known in _NUMBERS:
                page = count
            case int(count) if known in _LEFT:
                more += [count > 0]
            case int() if known in _NEXT:
                more.append(True)
                cursor = cursor or (name, str(value))
            case str() if known in _NEXT and value.strip() and len(value) < _LONGEST:
                if _is_address(value):
                    links.append(value.strip())
                else:
                    cursor = cursor or (name, value)
            case None if known in {"next", "nextpage", "nextlink", "nextcursor", "nextpagetoken", "nexttoken"}:
                more.append(False)
    if not more and page + 1 < pages:  # also where pages are counted from 1
        more.append(True)
    # GraphQL's endCursor stands on the last page, too, beside hasNextPage: false.
    cursor = cursor if True in more or not more else None
    further = True in more or bool(links or cursor)
    return Claims(
        max(totals, default=None),
        further if further or more else None,
        tuple(links),
        cursor,
        _says_in_part(statements, envelope),
    )


def _says_in_part(statements: Iterable[tuple[str, Any]], envelope: Mapping[str, Any]) -> bool:
    """Return whether the server says that this answer holds less than was asked for."""
    return any(value is True and _plain(name) in _IN_PART for name, value in statements) or any(
        bool(value) and _plain(name) in _FAULTS for name, value in envelope.items()
    )


def _range_totals(headers: CIMultiDictProxy[str]) -> list[int]:
    """Return the total of Content-Range (`items 0-9/42`), if it states one."""
    number = _number(headers.get("Content-Range", "").rpartition("/")[2])
    return [] if number is None else [number]


def _in_headers(headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return what headers state about pages under the names that objects have for it, with or without `X-`."""
    stated: dict[str, Any] = {}
    for name, text in headers:
        plain = _plain(name).removeprefix("x")
        if len(text) >= _LONGEST or not (plain in _STATED or plain in _NESTED_HEADERS):
            continue
        if plain in _NESTED_HEADERS:
            try:
                stated[plain] = orjson.loads(text)
            except orjson.JSONDecodeError:
                continue
        else:
            number = _number(text)
            stated[plain] = {"true": True, "false": False}.get(text.strip().lower(), text if number is None else number)
    return stated


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
            for link in inner[:50] if _plain(name).endswith(("links", "link")) else ():
                if isinstance(link, dict) and _is_next(link.get("rel")):
                    yield "nextLink", link.get("href") or link.get("url")
        elif _plain(name) not in _ALSO_POSITIONS or (isinstance(inner, str) and not inner.strip().isdigit()):
            yield name, inner


def _is_next(rel: object) -> bool:
    """Return whether a relation, or one of several (Siren), is `next`."""
    named = rel if isinstance(rel, list) else [rel]
    return any(isinstance(each, str) and each.lower() == "next" for each in named)


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://", "/", "?", "./", "../")) or bool(re.search(r"[?&][^?&=\s]+=", text))


def _plain(name: str) -> str:
    """Return the letters and digits of a name, without a prefix such as `hydra:`."""
    return "".join(one for one in name.rpartition(":")[2].lower() if one.isalnum())


def _counted(value: object, *, as_text: bool) -> object:
    """Return a whole number as one, also where it was written as 57.0, or `as_text`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if not as_text or not isinstance(value, str) else _number(value)


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
