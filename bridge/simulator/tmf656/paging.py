"""Which part of a list goes into one answer, and what the headers say of the rest.

Three styles, all seen in the field: offset and limit count items (TMF630), the offset counts pages, or only a cursor
in the Link header leads on. v2 declares no headers for lists and gets none.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlencode

from bridge.simulator.tmf656.faults import Faults
from bridge.simulator.tmf656.selection import Selection, SelectionError

_PAGE_NUMBER_LIMIT = 100
"""The page size of a server that counts pages, when the request states neither offset nor limit."""


class PagingDefectError(Exception):
    """This server cannot cope with the combination of offset and limit (500, as seen in the field)."""


@dataclass(frozen=True, slots=True)
class SimulatedPage:
    """The ids of one answer, its status (200 whole, 206 part) and headers."""

    ids: list[str]
    status: int
    headers: Mapping[str, str]


def cut_page(
    ids: list[str],
    wanted: Selection,
    faults: Faults,
    *,
    version: str,
    url: str,
    raw_query: str,
    position: Callable[[str], int],
) -> SimulatedPage:
    """Return the page of `ids` that the request asks for; `url` and `raw_query` (of this request) are what the links
    are built from.
    """
    if faults.page_style == "cursor":
        start, limit = _after_cursor(ids, wanted, position), _limit(wanted, faults, default=len(ids))
    elif faults.page_style == "page_number":
        start, limit = _numbered(wanted, faults)
    else:
        start, limit = wanted.number("offset") or 0, _limit(wanted, faults, default=len(ids))
    chosen = ids[start : start + limit]
    if version == "2" and faults.page_style != "cursor":
        return SimulatedPage(chosen, 200, {})
    headers = {"X-Result-Count": str(len(chosen))}
    if not faults.no_total and faults.page_style != "cursor":
        headers["X-Total-Count"] = str(len(ids))
    links = _links(ids, start, limit, faults, position)
    if links and (not faults.no_link or faults.page_style == "cursor"):
        headers["Link"] = ", ".join(
            f'<{_with(url, raw_query, change)}>; rel="{relation}"' for relation, change in links.items()
        )
    return SimulatedPage(chosen, 200 if len(chosen) == len(ids) else 206, headers)


def _limit(wanted: Selection, faults: Faults, *, default: int) -> int:
    asked = wanted.number("limit")
    limit = default if asked is None else asked
    return limit if faults.page_cap is None else min(limit, faults.page_cap)


def _numbered(wanted: Selection, faults: Faults) -> tuple[int, int]:
    offset, limit = wanted.number("offset"), wanted.number("limit")
    if (offset is None) != (limit is None):
        raise PagingDefectError("offset and limit must be given together")
    size = _limit(wanted, faults, default=_PAGE_NUMBER_LIMIT)
    return (offset or 0) * size, size


def _after_cursor(ids: list[str], wanted: Selection, position: Callable[[str], int]) -> int:
    cursor = (wanted.paging or {}).get("cursor")
    if cursor is None:
        return 0
    try:
        after = int(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error) as error:
        raise SelectionError("unknown cursor") from error
    return next((index for index, problem_id in enumerate(ids) if position(problem_id) > after), len(ids))


def _links(
    ids: list[str], start: int, limit: int, faults: Faults, position: Callable[[str], int]
) -> dict[str, dict[str, str]]:
    """Return relation → parameters to set. A cursor leads forward only."""
    more = limit > 0 and start + limit < len(ids)
    if faults.page_style == "cursor":
        last = str(position(ids[start + limit - 1])) if more else ""
        return (
            {"next": {"cursor": base64.urlsafe_b64encode(last.encode()).decode(), "limit": str(limit)}} if more else {}
        )
    if limit <= 0:
        return {}
    unit = limit if faults.page_style == "page_number" else 1
    last_start = max(0, (len(ids) - 1) // limit * limit)
    starts = {"self": start, "first": 0}
    if more:
        starts["next"] = start + limit
    if start > 0:
        starts["prev"] = max(0, start - limit)
    starts["last"] = last_start
    return {relation: {"offset": str(at // unit), "limit": str(limit)} for relation, at in starts.items()}


def _with(url: str, raw_query: str, change: Mapping[str, str]) -> str:
    """Return the URL with its query, the parameters in `change` replaced; all others stay as the client wrote them."""
    kept = [part for part in raw_query.split("&") if part and unquote_plus(part.split("=")[0]) not in change]
    return f"{url}?{'&'.join([*kept, urlencode(change)])}"
