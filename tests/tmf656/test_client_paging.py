"""B1: passes over real HTTP servers that turn their pages in other ways than by offset and limit."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

from bridge.domain.completeness import Gap
from bridge.errors import BridgeError
from bridge.tmf656.filter_style import FilterStyle
from tests.tmf656.test_client import SINCE, Handler, asking

pytestmark = pytest.mark.anyio

ROWS = [{"id": f"P{number}", "lastUpdate": f"2026-11-23T10:00:{number % 60:02d}Z"} for number in range(57)]
IDS = {row["id"] for row in ROWS}

Wrap = Callable[[list[Any], bool], tuple[Any, dict[str, str]]]
"""Makes body and headers of a page from its rows, and from whether there are more."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def number(request: web.Request, name: str, default: int) -> int:
    return int(request.query.get(name, default))


def by_page(position: str, size: str, first: int = 0, *, fixed: int = 20, cap: int = 20, wrap: Wrap) -> Handler:
    """Counts pages from `first`; without a size its own is `fixed`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        length = max(1, min(cap, number(request, size, fixed) if size else fixed))
        start = max(0, number(request, position, first) - first) * length
        rows = ROWS[start : start + length]
        body, headers = wrap(rows, start + length < len(ROWS))
        return web.json_response(body, headers=headers)

    return handle


def by_row(position: str, size: str, *, wrap: Wrap) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        start, length = number(request, position, 0), min(20, number(request, size, 20))
        body, headers = wrap(ROWS[start : start + length], start + length < len(ROWS))
        return web.json_response(body, headers=headers)

    return handle


WRAPS: dict[str, Wrap] = {
    "X-Total-Count": lambda rows, _: (rows, {"X-Total-Count": "57"}),
    "Content-Range": lambda rows, _: (rows, {"Content-Range": f"items 0-{len(rows)}/57"}),
    "X-Result-Count": lambda rows, _: (rows, {"X-Result-Count": "57"}),
    "spring": lambda rows, more: ({"content": rows, "totalElements": 57, "last": not more, "size": 20}, {}),
    "spring hal": lambda rows, _: ({"_embedded": {"serviceProblems": rows}, "page": {"totalElements": 57}}, {}),
    "total": lambda rows, _: ({"items": rows, "total": 57}, {}),
    "count": lambda rows, _: ({"results": rows, "count": 57}, {}),
    "meta": lambda rows, _: ({"data": rows, "meta": {"pagination": {"total_count": "57"}}}, {}),
    "X-Pagination": lambda rows, more: (rows, {"X-Pagination": f'{{"TotalCount":57,"HasNext":{str(more).lower()}}}'}),
    "X-Total": lambda rows, _: (rows, {"X-Total": "57"}),
    "Total-Count": lambda rows, _: (rows, {"Total-Count": "57"}),
    "a float": lambda rows, _: ({"items": rows, "total": 57.0}, {}),
    "id of its own": lambda rows, _: ({"id": 7, "result": rows, "totalCount": 57}, {}),
}
SILENT: Wrap = lambda rows, _: (rows, {})  # noqa: E731 - a value among those above


async def read(handler: Handler, **options: Any) -> tuple[set[str], Any]:
    async with asking(handler, **options) as (client, _):
        for _ in range(2):  # the second pass goes by what the first one learned
            problems = client.pages()
            seen = {str(row.id) async for page in problems for row in page.items}
    return seen, problems.completeness


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("wrap", WRAPS)
async def test_b1_a_server_that_pages_by_page_and_size_is_read_whole(wrap: str, first: int) -> None:
    seen, completeness = await read(by_page("page", "size", first, wrap=WRAPS[wrap]))
    assert seen == IDS
    assert completeness.complete


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("position", "size"),
    [
        ("pageNumber", "pageSize"),
        ("page", "pageSize"),
        ("page", "per_page"),
        ("pageIndex", "pageSize"),
        ("page", "limit"),
        ("_page", "_limit"),
        ("pageNo", "pageSize"),
        ("pageNum", "pageSize"),
        ("currentPage", "pageSize"),
        ("page", "perPage"),
    ],
)
async def test_b1_other_names_of_page_and_size_are_found(position: str, size: str, first: int) -> None:
    seen, completeness = await read(by_page(position, size, first, wrap=WRAPS["X-Total-Count"]))
    assert seen == IDS
    assert completeness.complete


@pytest.mark.parametrize(
    ("position", "size"),
    [
        ("$skip", "$top"),
        ("skip", "limit"),
        ("start", "count"),
        ("startIndex", "count"),
        ("startAt", "maxResults"),
        ("start", "limit"),
        ("start", "rows"),
        ("$offset", "$limit"),
        ("from", "size"),
        ("_start", "_limit"),
        ("_offset", "_limit"),
        ("sysparm_offset", "sysparm_limit"),
    ],
)
@pytest.mark.parametrize("wrap", ["X-Total-Count", "spring"])
async def test_b1_other_names_of_offset_and_limit_are_found(position: str, size: str, wrap: str) -> None:
    seen, completeness = await read(by_row(position, size, wrap=WRAPS[wrap]))
    assert seen == IDS
    assert completeness.complete


@pytest.mark.parametrize("first", [0, 1])
async def test_b1_pages_of_a_heeded_size_are_proven_without_any_total(first: int) -> None:
    seen, completeness = await read(by_page("page", "size", first, cap=1000, wrap=SILENT))
    assert seen == IDS
    assert completeness.complete


async def test_b1_pages_of_a_fixed_size_without_a_total_are_read_and_said_to_be_unproven() -> None:
    seen, completeness = await read(by_page("page", "", wrap=SILENT))
    assert seen == IDS
    assert completeness.gap in {None, Gap.NOT_JOINED}


@pytest.mark.parametrize("wrap", WRAPS)
async def test_b1_what_no_way_turns_is_incomplete_and_why(wrap: str) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        body, headers = WRAPS[wrap](ROWS[:20], True)
        return web.json_response(body, headers=headers)

    seen, completeness = await read(handle)
    assert len(seen) == 20
    assert (completeness.gap, completeness.got, completeness.expected) == (Gap.MORE_STATED, 20, 57)


@pytest.mark.parametrize(
    "more",
    [
        {"last": False},
        {"hasMore": True},
        {"has_next": True},
        {"pageInfo": {"hasNextPage": True}},
        {"nextPage": 2},
        {"next": "opaque"},
        {"nextCursor": "abc"},
        {"next": "/x?cursor=7"},
        {"page": {"number": 0, "totalPages": 3}},
    ],
)
async def test_b1_a_page_that_is_said_to_be_followed_by_others_is_not_all(more: dict[str, Any]) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response({"items": ROWS[:20]} | more)

    seen, completeness = await read(handle)
    assert len(seen) == 20
    assert not completeness.complete


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("nextCursor", "cursor"),
        ("next_cursor", "cursor"),
        ("nextPageToken", "pageToken"),
        ("nextToken", "nextToken"),
        ("continuationToken", "continuationToken"),
        ("next", "cursor"),
        ("next", "after"),
        ("nextPage", "page"),
        ("scrollId", "scroll_id"),
        ("nextMarker", "marker"),
    ],
)
@pytest.mark.parametrize("nested", [True, False])
async def test_b1_a_token_in_the_body_is_sent_back_in_the_parameter_that_takes_it(
    name: str, parameter: str, *, nested: bool
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        token = request.query.get(parameter, "")
        start = int(token.removeprefix("t-")) if token.startswith("t-") else 0
        end = start + min(20, number(request, "limit", 20))
        states = {name: f"t-{end}" if end < len(ROWS) else None}
        return web.json_response({"items": ROWS[start:end]} | ({"paging": states} if nested else states))

    seen, completeness = await read(handle)
    assert seen == IDS
    assert completeness.complete


async def test_b1_a_range_header_is_sent_where_only_that_turns_pages() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range", "items=0-19").removeprefix("items=").split("-")
        start, end = int(wanted[0]), min(int(wanted[1]) + 1, int(wanted[0]) + 20)
        rows = ROWS[start:end]
        if not rows:
            return web.Response(status=416, headers={"Content-Range": "items */57"})
        headers = {"Content-Range": f"items {start}-{start + len(rows) - 1}/57"}
        return web.json_response(rows, status=206, headers=headers)

    seen, completeness = await read(handle)
    assert seen == IDS
    assert completeness.complete


@pytest.mark.parametrize("where", ["header", "body"])
async def test_b1_numbered_links_are_followed_and_counted(where: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        start = number(request, "p", 0) * 20
        link = f"{request.path}?p={number(request, 'p', 0) + 1}" if start + 20 < len(ROWS) else None
        rows = ROWS[start : start + 20]
        if where == "body":
            return web.json_response({"items": rows, "next": link, "total": 57})
        headers = {"X-Total-Count": "57"} | ({"Link": f'<{link}>; rel="next"'} if link else {})
        return web.json_response(rows, headers=headers)

    seen, completeness = await read(handle)
    assert seen == IDS
    assert completeness.complete


async def test_b1_a_server_that_takes_unknown_parameters_for_filters_is_read_whole() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = [name for name in request.query if name not in {"limit", "offset"}]
        rows = ROWS if not asked else []
        start = number(request, "offset", 0)
        return web.json_response(rows[start : start + number(request, "limit", 1000)])

    seen, completeness = await read(handle, page_size=10)
    assert seen == IDS
    assert completeness.complete


async def test_b1_a_window_of_which_no_more_is_given_is_incomplete() -> None:
    """As search engines do, which give no row beyond the first ten thousand."""

    async def handle(request: web.Request) -> web.StreamResponse:
        start = number(request, "offset", 0)
        rows = ROWS[:40][start : start + number(request, "limit", 20)]
        return web.json_response(rows, headers={"X-Total-Count": "57"})

    seen, completeness = await read(handle, page_size=20)
    assert len(seen) == 40
    assert (completeness.gap, completeness.expected) == (Gap.MORE_STATED, 57)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {}),
        (200, {"X-Has-More": "true"}),
        (200, {"X-Next-Page": "2"}),
        (200, {"X-Page": "1", "X-Total-Pages": "3"}),
        (200, {"X-Remaining-Count": "37"}),
        (200, {"X-Pagination": '{"TotalPages":3,"CurrentPage":1}'}),
    ],
)
async def test_b1_a_header_that_states_more_than_any_way_of_asking_gives_is_heeded(
    status: int, headers: dict[str, str]
) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(ROWS[:20], status=status, headers=headers)

    seen, completeness = await read(handle)
    assert len(seen) == 20
    assert completeness.gap is Gap.MORE_STATED


@pytest.mark.parametrize(
    ("name", "parameter"), [("X-Next-Page", "page"), ("X-Next-Cursor", "cursor"), ("Next-Page-Token", "pageToken")]
)
async def test_b1_a_token_in_a_header_is_sent_back_in_the_parameter_that_takes_it(name: str, parameter: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        page = number(request, parameter, 1)
        rows = ROWS[(page - 1) * 20 : page * 20]
        return web.json_response(rows, headers={name: str(page + 1) if page < 3 else ""})

    seen, completeness = await read(handle)
    assert seen == IDS
    assert completeness.complete


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("status", [400, 403, 413, 416, 422, 500])
async def test_b1_a_server_that_refuses_a_large_limit_is_asked_for_fewer_rows(status: int, *, total: bool) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        start, length = number(request, "offset", 0), number(request, "limit", 10)
        if length > 20:
            return web.json_response({"code": "27", "reason": "limit must not exceed 20"}, status=status)
        return web.json_response(ROWS[start : start + length], headers={"X-Total-Count": "57"} if total else {})

    async with asking(handle) as (client, counts):
        for _ in range(2):
            problems = client.pages()
            assert {str(row.id) async for page in problems for row in page.items} == IDS
            assert problems.complete
    assert sum(number for (_, outcome), number in counts.items() if outcome != "ok") == 3


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_b1_a_server_that_refuses_everything_is_asked_twice(status: int) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response({"reason": "no"}, status=status)

    async with asking(handle) as (client, counts):
        with suppress(BridgeError):
            async for _ in client.pages():
                pass
    assert sum(counts.values()) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_b1_a_redirect_that_adds_a_slash_and_forgets_the_query_turns_pages_all_the_same(status: int) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/"):
            return web.Response(status=status, headers={"Location": f"{request.path}/"})
        start = number(request, "offset", 0)
        return web.json_response(ROWS[start : start + number(request, "limit", 20)])

    seen, completeness = await read(handle, page_size=20)
    assert seen == IDS
    assert completeness.complete


@pytest.mark.parametrize(
    "says",
    [
        {"timed_out": True},
        {"incomplete_results": True},
        {"errors": [{"message": "shard 3 failed"}]},
        {"meta": {"partialResults": True}},
    ],
)
async def test_b1_an_answer_that_is_said_to_be_given_in_part_is_not_all(says: dict[str, Any]) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        start = number(request, "offset", 0)
        return web.json_response({"items": ROWS[start : start + number(request, "limit", 20)], "total": 57} | says)

    seen, completeness = await read(handle)
    assert seen == IDS
    assert completeness.gap is Gap.IN_PART


async def test_b1_null_in_place_of_a_problem_is_one_that_was_not_seen() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        start = number(request, "offset", 0)
        rows = [None if at == 30 else row for at, row in enumerate(ROWS)]
        return web.json_response(rows[start : start + number(request, "limit", 20)])

    seen, completeness = await read(handle, page_size=20)
    assert seen == IDS - {"P30"}
    assert completeness.gap is Gap.IN_PART


async def test_b3_a_filter_that_is_not_answered_while_the_bare_list_is_refused_is_an_error_of_ours_not_a_defect() -> (
    None
):
    async def handle(request: web.Request) -> web.StreamResponse:
        if "lastUpdate.gte" in request.query:
            return web.json_response({"reason": "busy"}, status=503)
        return web.json_response({"reason": "no parameters here"}, status=400 if request.query else 200)

    async with asking(handle) as (client, _):
        with pytest.raises(BridgeError):
            async for _ in client.pages(changed_since=SINCE, filter_style=FilterStyle.DOT_GTE):
                pass


@pytest.mark.parametrize("parameter", ["starting_after", "marker", "lastId"])
async def test_b1_a_server_that_only_says_that_more_follows_is_asked_for_what_follows_the_last_row(
    parameter: str,
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        last = request.query.get(parameter)
        start = 0 if last is None else [row["id"] for row in ROWS].index(last) + 1
        return web.json_response({"data": ROWS[start : start + 20], "has_more": start + 20 < len(ROWS)})

    seen, completeness = await read(handle)
    assert seen == IDS
    assert completeness.complete


@pytest.mark.parametrize(
    "linked",
    [
        lambda url, rows: {"value": rows, "@odata.nextLink": url and f"serviceProblem?$skiptoken={url}"},
        lambda url, rows: {"totalSize": 57, "done": not url, "records": rows, "nextRecordsUrl": url and f"?c={url}"},
        lambda url, rows: {"problems": rows, "problems_links": [{"rel": "next", "href": f"?c={url}"}] if url else []},
        lambda url, rows: {"hydra:member": rows, "hydra:view": {"hydra:next": f"?c={url}"} if url else {}},
        lambda url, rows: {"items": rows, "links": [{"rel": ["next"], "href": f"?c={url}"}] if url else []},
        lambda url, rows: {"records": rows, **({"offset": url} if url else {})},
    ],
    ids=["OData", "Salesforce", "OpenStack", "Hydra", "Siren", "Airtable"],
)
async def test_b1_the_next_page_is_found_under_other_names(linked: Callable[[str, list[Any]], Any]) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        given = [value for name, value in request.query.items() if value.startswith("rec")]
        start = int(given[0][3:]) if given else 0
        end = start + 20
        return web.json_response(linked(f"rec{end}" if end < len(ROWS) else "", ROWS[start:end]))

    seen, completeness = await read(handle)
    assert seen == IDS
    assert completeness.complete


async def test_b1_a_token_that_has_to_be_sent_back_in_a_header_makes_a_pass_incomplete() -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(ROWS[:20], headers={"x-ms-continuation": "token"})

    seen, completeness = await read(handle)
    assert len(seen) == 20
    assert completeness.gap is Gap.MORE_STATED


@pytest.mark.parametrize("name", ["hydra:member", "issues", "tickets"])
async def test_b7_an_empty_list_is_one_under_any_name(name: str) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "list", name: []})

    seen, completeness = await read(handle)
    assert (seen, completeness.complete) == (set(), True)
