"""The client against real HTTP servers that behave as servers in the field do."""

import gzip
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.domain.hub import HubAbsentError, HubConflictError, Registration
from bridge.errors import BridgeError, ConfigurationError, PermanentError, TransientError
from bridge.http.errors import MalformedAnswerError, NotFoundError, TooLargeError, UnauthorisedError
from bridge.settings import Tmf656Settings
from bridge.tmf656.client import Client, FilterRefusedError
from bridge.tmf656.filter_style import FilterStyle

pytestmark = pytest.mark.anyio

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BASE = "/tmf-api/serviceProblemManagement/v4"
CANARY = "canary-0815"
SINCE = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve everything by one handler; yields the API base path."""
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url(BASE))


@asynccontextmanager
async def asking(handler: Handler, **options: Any) -> AsyncIterator[tuple[Client, Counter[tuple[str, str]]]]:
    """A client of a source that is one handler; with the counts of its requests."""
    counts: Counter[tuple[str, str]] = Counter()
    async with serving(handler) as url:
        settings = Tmf656Settings(**({"url": url, "request_timeout_seconds": 30.0} | options))
        async with Client(
            "snow", settings, on_request=lambda operation, outcome: counts.update([(operation, outcome)])
        ) as client:
            yield client, counts


def answering(body: Any = None, status: int = 200, **headers: str) -> Handler:
    """A handler with one answer: JSON, or bytes as they are."""

    async def handle(_: web.Request) -> web.Response:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=raw, status=status, headers={"Content-Type": "application/json"} | named)

    return handle


def collection(count: int, requests: list[str] | None = None, cap: int = 1000) -> Handler:
    """A well-behaved list of problems."""

    async def handle(request: web.Request) -> web.Response:
        if requests is not None:
            requests.append(request.raw_path)
        offset, limit = int(request.query["offset"]), min(cap, int(request.query["limit"]))
        rows = [{"id": str(number)} for number in range(count)][offset : offset + limit]
        return web.json_response(
            rows, status=206 if offset + len(rows) < count else 200, headers={"X-Total-Count": str(count)}
        )

    return handle


async def first_page(client: Client, **arguments: Any) -> list[dict[str, Any]]:
    return [row.read() for row in (await anext(client.pages(**arguments))).items]


async def test_pages_come_with_clocks_numbers_and_totals_and_the_pass_knows_that_it_is_complete() -> None:
    async with asking(collection(95), page_size=20) as (client, counts):
        before = datetime.now(UTC)
        problems = client.pages()
        pages = [page async for page in problems]
    assert {item.id for page in pages for item in page.items} == {str(number) for number in range(95)}
    assert problems.complete
    assert problems.distinct == 95
    assert problems.filter_honoured is None
    assert not problems.exhausted
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert all(before <= one.asked_at <= other.asked_at for one, other in pairwise(pages))
    assert all(page.total == 95 and page.server_at is not None for page in pages)
    assert all(abs(page.server_at - page.asked_at) < timedelta(seconds=5) for page in pages if page.server_at)
    assert counts == {("list", "ok"): len(pages)}


@pytest.mark.parametrize(
    ("style", "version", "query"),
    [
        (FilterStyle.NONE, "4", "limit=500&offset=0"),
        (FilterStyle.DOT_GTE, "4", "lastUpdate.gte=2026-11-23T10%3A00%3A00.123Z&limit=500&offset=0"),
        (FilterStyle.DOT_GTE, "3", "timeChanged.gte=2026-11-23T10%3A00%3A00.123Z&limit=500&offset=0"),
        (FilterStyle.OPERATOR, "5", "lastUpdate%3E%3D2026-11-23T10%3A00%3A00.123Z&limit=500&offset=0"),
        (
            FilterStyle.JSONPATH,
            "auto",
            "filter=%5B%3F%28%40.lastUpdate%3E%3D%272026-11-23T10%3A00%3A00.123Z%27%29%5D&limit=500&offset=0",
        ),
    ],
)
async def test_a_filter_is_written_in_its_style_percent_encoded(style: FilterStyle, version: str, query: str) -> None:
    requests: list[str] = []
    async with asking(collection(3, requests)) as (client, _):
        await first_page(client, changed_since=SINCE, filter_style=style, version=version)
    assert requests == [f"{BASE}/serviceProblem?{query}"]


async def test_c13_configured_headers_are_sent_with_every_request_to_the_source() -> None:
    seen: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.method, request.headers.get("X-API-Key"), request.headers.get("User-Agent")))
        return web.json_response([{"id": "1"}])

    async with asking(handle, headers={"X-API-Key": CANARY, "user-agent": "ours"}) as (client, _):
        await first_page(client)
        await client.get("1")
        await client.register("http://us/x")
    assert seen == [(method, CANARY, "ours") for method in ("GET", "GET", "POST")]


async def test_b1_a_cache_on_the_way_is_asked_for_what_the_server_has_now() -> None:
    seen: list[str | None] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cache-Control"))
        return web.json_response([{"id": "1"}])

    async with asking(handle) as (client, _):
        await first_page(client)
        await client.get("1")
    assert seen == ["no-cache"] * 2


async def test_c13_an_oauth2_token_is_asked_for_with_scope_audience_and_further_fields() -> None:
    forms: list[dict[str, Any]] = []

    async def endpoint(request: web.Request) -> web.Response:
        assert "X-API-Key" not in request.headers
        forms.append(dict(await request.post()))
        return web.json_response({"access_token": "t", "expires_in": 3600})

    async with serving(endpoint) as token_url:
        options = {
            "oauth2_token_url": token_url,
            "oauth2_client_id": "id",
            "oauth2_client_secret": CANARY,
            "oauth2_scope": "problem.read problem.list",
            "oauth2_parameters": {"audience": "https://api.example", "resource": "r"},
            "headers": {"X-API-Key": "secret-key"},
        }
        async with asking(answering([]), **options) as (client, _):
            await first_page(client)
    assert forms == [
        {
            "grant_type": "client_credentials",
            "scope": "problem.read problem.list",
            "audience": "https://api.example",
            "resource": "r",
        }
    ]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 500, 501, 502, 503])
async def test_b3_a_filter_that_is_refused_while_the_bare_list_works_is_at_fault(status: int) -> None:
    async def handle(request: web.Request) -> web.Response:
        if any(name not in {"limit", "offset"} for name in request.query):
            return web.json_response({"code": "20", "reason": "no operators"}, status=status)
        return web.json_response([{"id": "1"}])

    async with asking(handle) as (client, _):
        for _ in range(3):  # no circuit breaker opens
            with pytest.raises(FilterRefusedError, match=r"lastUpdate\.gte=2026-11-23.* answered .*no operators"):
                await first_page(client, changed_since=SINCE, filter_style=FilterStyle.DOT_GTE)
            assert await first_page(client) == [{"id": "1"}]


async def test_b3_a_filter_that_is_never_answered_while_the_bare_list_works_is_at_fault() -> None:
    release = anyio.Event()

    async def handle(request: web.Request) -> web.Response:
        if "filter" in request.query:
            await release.wait()
        return web.json_response([{"id": "1"}])

    async with asking(handle, request_timeout_seconds=0.5) as (client, _):
        with pytest.raises(FilterRefusedError, match=r"filter=.* was not answered within 0\.5 s"):
            await first_page(client, changed_since=SINCE, filter_style=FilterStyle.JSONPATH)
        release.set()


@pytest.mark.parametrize(("status", "kind"), [(404, PermanentError), (500, TransientError), (403, UnauthorisedError)])
async def test_b3_a_filter_is_not_at_fault_where_the_bare_list_fails_too(status: int, kind: type[Exception]) -> None:
    async with asking(answering({"reason": "no"}, status)) as (client, _):
        with pytest.raises(kind) as caught:
            await first_page(client, changed_since=SINCE, filter_style=FilterStyle.DOT_GTE)
    assert not isinstance(caught.value, FilterRefusedError)


@pytest.mark.parametrize("status", [400, 403, 404, 422, 500])
async def test_b3_paging_parameters_that_are_refused_are_left_out(status: int) -> None:
    async def handle(request: web.Request) -> web.Response:
        if request.query:
            return web.json_response({"reason": "unknown parameter"}, status=status)
        return web.json_response([{"id": str(number)} for number in range(30)])

    async with asking(handle) as (client, _):
        for _ in range(2):
            problems = client.pages()
            assert {row.id async for page in problems for row in page.items} == {str(number) for number in range(30)}
            assert problems.complete


async def test_a_filter_that_is_ignored_is_noticed() -> None:
    rows = [{"id": "1", "lastUpdate": "2026-11-23T09:00:00Z"}]
    async with asking(answering(rows, X_Total_Count="1")) as (client, _):
        problems = client.pages(
            changed_since=SINCE,
            filter_style=FilterStyle.DOT_GTE,
            stamps=lambda rows: [datetime.fromisoformat(row.last_update) for row in rows],
        )
        await anext(problems)
    assert problems.filter_honoured is False


async def test_a_pass_goes_on_after_a_failed_page() -> None:
    well = collection(50)
    failures = iter([False, True, True])

    async def handle(request: web.Request) -> web.StreamResponse:
        if next(failures, False):
            return web.Response(status=503, headers={"Retry-After": "3"})
        return await well(request)

    async with asking(handle, page_size=20) as (client, counts):
        problems = client.pages()
        seen = {item.id for item in (await anext(problems)).items}
        for _ in range(2):
            with pytest.raises(TransientError) as caught:
                await anext(problems)
            assert caught.value.retry_after_seconds == 3.0
            assert not problems.complete
        seen |= {item.id async for page in problems for item in page.items}
    assert len(seen) == 50
    assert problems.complete
    assert counts["list", "server_error"] == 2


@pytest.mark.parametrize(
    "body",
    [
        [{"id": "1"}],
        {"id": "1"},
        {"items": [{"id": "1"}]},
        {"result": [{"id": "1"}, "stray"]},
        {"serviceProblem": {"id": "1"}},
        b'\xef\xbb\xbf[{"id": "1"}]',
    ],
)
async def test_a_list_is_read_however_it_is_wrapped(body: Any) -> None:
    async with asking(answering(body)) as (client, _):
        assert await first_page(client) == [{"id": "1"}]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>",
        b"[{",
        b"[" * 5000,
        b'{"a":' * 3000,
        b"nul",
        b"12",
        b'"x"',
        {"reason": "asleep"},
        ["a", "b"],
        [1, 2],
        {"items": ["a"]},
        {"id": "7f3a", "status": 500, "error": "Internal Server Error"},
        {"code": "60", "reason": "Internal error"},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}},
        {"timestamp": "2026-11-23T10:00:00Z", "status": 404, "message": "no", "path": "/x"},
    ],
)
async def test_what_is_not_a_list_is_malformed_and_quoted(body: Any) -> None:
    async with asking(answering(body)) as (client, counts):
        with pytest.raises(MalformedAnswerError, match="base path"):
            await first_page(client)
    assert counts == {("list", "malformed"): 1}


@pytest.mark.parametrize(
    ("body", "content_type", "name"),
    [
        (b'[{"id": "1", "name": NaN}]', "application/json", None),
        (b'[{"id": "1", "name": "half \\ud83d"}]', "application/json", "half \ufffd"),
        (b'[{"id": "1", "name": "B\xfccher"}]', 'application/json; charset="ISO-8859-1"', "Bücher"),
        (b'[{"id": "1", "name": "B\xfccher"}]', "application/json; charset=nonsense", "B\ufffdcher"),
    ],
)
async def test_one_broken_value_does_not_spoil_a_page(body: bytes, content_type: str, name: str | None) -> None:
    async with asking(answering(body, Content_Type=content_type)) as (client, _):
        assert await first_page(client) == [{"id": "1", "name": name}]


@pytest.mark.parametrize("value", [b"9" * 400, b"9" * 5000, b"[" * 260 + b"]" * 260], ids=["long", "longer", "deep"])
async def test_a_row_that_cannot_be_kept_spoils_no_pass(value: bytes) -> None:
    body = b'[{"id":"1"},{"id":"2","x":%b},{"id":"3","x":1}]' % value
    async with asking(answering(body, X_Total_Count="3")) as (client, counts):
        problems = client.pages()
        assert {row.id async for page in problems for row in page.items} == {"1", "2", "3"}
    assert problems.complete
    assert set(counts) == {("list", "ok")}


@pytest.mark.parametrize("wrapped", [b"%b", b'{"items":%b}'])
async def test_a_page_is_read_or_malformed_however_deep_it_is(wrapped: bytes) -> None:
    for depth in range(200, 1100, 20):
        body = wrapped % (b'[{"id":"1","x":' + b"[" * depth + b"]" * depth + b"}]")
        async with asking(answering(body, X_Total_Count="1")) as (client, _):
            try:
                assert [row.id for row in (await anext(client.pages())).items] == ["1"]
            except MalformedAnswerError:
                assert depth > 400  # Python's limit of 1,000, less what is on the stack


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (204, b""),
        (200, b""),
        (200, b" \r\n"),
        (200, b"null"),
        (200, b"{}"),
        (200, {"items": None}),
        (200, {"data": []}),
        (200, {"serviceProblem": []}),
        (200, {"_embedded": {"serviceProblems": []}, "page": {"totalElements": 0}}),
        (200, {"_links": {"self": {"href": "/x"}}, "page": {"size": 20, "totalElements": 0}}),
        (200, {"id": 7, "result": []}),
        (200, {"jsonrpc": "2.0", "id": None, "result": []}),
    ],
)
async def test_b7_an_empty_list_is_one_however_it_is_written(status: int, body: Any) -> None:
    async with asking(answering(body, status)) as (client, _):
        problems = client.pages()
        assert [row async for page in problems for row in page.items] == []
    assert problems.complete


async def test_b7_a_list_that_is_not_found_may_be_empty_but_is_not_complete() -> None:
    async with asking(answering({"reason": "Not Found"}, 404)) as (client, _):
        problems = client.pages()
        assert [row async for page in problems for row in page.items] == []
    assert str(problems.completeness).endswith("wrong url, or no problems yet")


@pytest.mark.parametrize(
    "link",
    [
        "{path}?after=a%2Fb&limit=1",
        "?after=a%2Fb&limit=1",
        "http://inner.host.invalid:8080{path}?after=a%2Fb&limit=1",
        "https://10.0.0.7{path}?after=a%2Fb&limit=1",
        "http://inner/v4/serviceProblem?after=a%2Fb&limit=1",
    ],
)
@pytest.mark.parametrize("where", ["header", "next", "_links", "paging", "links", "odata"])
async def test_b2_a_cursor_link_on_an_inner_host_is_followed_on_our_origin(link: str, where: str) -> None:
    requests: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        requests.append(request.raw_path)
        if request.path != f"{BASE}/serviceProblem":
            return web.Response(status=404)
        address = link.format(path=request.path)
        rows = [{"id": "2"}] if "after" in request.query else [{"id": "1"}]
        if "after" in request.query:
            return web.json_response(rows if where == "header" else {"items": rows})
        wrapped = {
            "next": {"next": address},
            "_links": {"_links": {"next": {"href": address}}},
            "paging": {"paging": {"next": address}},
            "links": {"links": [{"rel": "self", "href": "/x"}, {"rel": "next", "href": address}]},
            "odata": {"@odata.nextLink": address},
        }
        if where == "header":
            return web.json_response(rows, headers={"Link": f'"<{address}>; rel="next", "<{request.path}>; rel="self"'})
        return web.json_response(wrapped[where] | {"items": rows})

    async with asking(handle) as (client, _):
        problems = client.pages()
        assert [item.id async for page in problems for item in page.items] == ["1", "2"]
    assert problems.complete
    assert f"{BASE}/serviceProblem?after=a%2Fb&limit=1" in requests


@pytest.mark.parametrize("link", ["http://h:abc/", "http://h:65536/x?after=2", "ftp://h/x", "http://[::1"])
async def test_b2_a_link_that_cannot_be_followed_makes_the_pass_incomplete(link: str) -> None:
    async with asking(answering([{"id": "1"}], Link=f'<{link}>; rel="next"')) as (client, _):
        problems = client.pages()
        assert {item.id async for page in problems for item in page.items} == {"1"}
    assert not problems.complete
    assert "the link to the next page cannot be followed" in str(problems.completeness)


@pytest.mark.parametrize(
    "body", [{"id": "P 1"}, [{"id": "P 1"}], {"result": {"id": "P 1"}}, [{"id": "x"}, {"id": "P 1"}]]
)
async def test_a_problem_is_fetched_by_id_however_it_is_wrapped(body: Any) -> None:
    async with asking(answering(body)) as (client, counts):
        before = datetime.now(UTC)
        fetched = await client.get("P 1")
    assert fetched.item == {"id": "P 1"}
    assert before <= fetched.asked_at <= datetime.now(UTC)
    assert fetched.server_at is not None
    assert counts == {("get", "ok"): 1}


@pytest.mark.parametrize("problem_id", ["a/b", "a?b#c", "50%25", "ä ö", "../../hub", "a%2Fb", "a;b=c"])
async def test_an_id_stays_one_segment_of_the_path(problem_id: str) -> None:
    requests: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        requests.append(request.raw_path)
        return web.json_response({"id": problem_id})

    async with asking(handle) as (client, _):
        await client.get(problem_id)
    (path,) = requests
    segment = path.removeprefix(f"{BASE}/serviceProblem/")
    assert unquote(segment) == problem_id
    assert not set(segment) & set("/?#")


@pytest.mark.parametrize("problem_id", ["", ".", ".."])
async def test_an_id_that_no_path_can_hold_is_not_asked_for(problem_id: str) -> None:
    async with asking(answering([])) as (client, counts):
        with pytest.raises(PermanentError, match="no address"):
            await client.get(problem_id)
    assert not counts


@pytest.mark.parametrize("body", [[], b"", b"null", {"items": []}, {"id": "7", "status": 404, "error": "x"}])
async def test_b9_only_404_or_410_says_that_a_problem_is_gone(body: Any) -> None:
    async with asking(answering(body)) as (client, _):
        with pytest.raises(BridgeError) as caught:
            await client.get("7")
    assert not isinstance(caught.value, NotFoundError)


@pytest.mark.parametrize(("status", "body"), [(404, {"reason": "gone"}), (410, b"")])
async def test_a_missing_problem_is_not_found(status: int, body: Any) -> None:
    async with asking(answering(body, status)) as (client, _):
        with pytest.raises(NotFoundError):
            await client.get("1")


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        (400, PermanentError, "client_error"),
        (401, UnauthorisedError, "unauthorised"),
        (403, UnauthorisedError, "unauthorised"),
        (405, PermanentError, "client_error"),
        (408, TransientError, "timeout"),
        (409, PermanentError, "client_error"),
        (429, TransientError, "rate_limited"),
        (500, TransientError, "server_error"),
        (503, TransientError, "server_error"),
    ],
)
async def test_a_refusal_is_permanent_or_transient_by_its_status(
    status: int, kind: type[Exception], outcome: str
) -> None:
    async with asking(answering({"code": "1", "message": "why\x1b[31m\nnot"}, status)) as (client, counts):
        with pytest.raises(kind) as caught:
            await first_page(client)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text.startswith(f"source snow: GET {BASE}/serviceProblem")
    assert f"answered {status} (1, why\\x1b[31m not)" in text
    assert set(counts) <= {("list", outcome), ("list", "client_error")}  # where parameters may be at fault: asked twice


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("999999", 3600.0),
        ("nan", None),
        ("soon", None),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
    ],
)
async def test_a_pause_asked_for_is_passed_on_within_reason(header: str, seconds: float | None) -> None:
    handler = answering([], 429, Retry_After=header, Date="Mon, 23 Nov 2026 10:00:00 GMT")
    async with asking(handler) as (client, _):
        with pytest.raises(TransientError) as caught:
            await first_page(client)
    assert caught.value.retry_after_seconds == seconds


async def test_secrets_never_stand_in_messages_representations_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"message": f"no: {request.headers['Authorization']} {CANARY}"}, status=401)

    caplog.set_level(logging.DEBUG)
    async with serving(echo) as url:
        options = Tmf656Settings(url=url, token=CANARY, headers={"X-Key": CANARY})
        async with Client("snow", options) as client:
            with pytest.raises(UnauthorisedError, match=r"sources\.snow\.username") as caught:
                await first_page(client)
            printed = f"{caught.value} {options!r} {client!r}"
    assert CANARY not in printed
    ours = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    assert CANARY not in "".join(ours)


@pytest.mark.parametrize("compressed", [True, False])
async def test_an_answer_that_is_too_large_is_cut_off_after_decompression(*, compressed: bool) -> None:
    body = b"[" + b" " * 3_000_000 + b"]"
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    handler = answering(gzip.compress(body) if compressed else body, **headers)
    async with asking(handler, max_response_bytes=1_000_000) as (client, counts):
        with pytest.raises(TooLargeError, match="page_size"):
            await first_page(client)
    assert counts == {("list", "too_large"): 1}


@pytest.mark.parametrize("dripping", [True, False])
async def test_a_source_that_does_not_answer_in_time_is_given_up(*, dripping: bool) -> None:
    release = anyio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if dripping:
            await response.prepare(request)
            while not release.is_set():
                await response.write(b" ")
                with anyio.move_on_after(0.05):
                    await release.wait()
        await release.wait()
        return response

    async with asking(handle, request_timeout_seconds=0.4) as (client, counts):
        with pytest.raises(TransientError, match="request_timeout_seconds"):
            await first_page(client)
        release.set()
    assert counts == {("list", "timeout"): 1}


async def test_a_source_that_is_away_is_transient() -> None:
    async with serving(answering([])) as url:
        pass
    counts: Counter[tuple[str, str]] = Counter()
    async with Client("snow", Tmf656Settings(url=url), on_request=lambda *what: counts.update([what])) as client:
        with pytest.raises(TransientError, match="could not be sent"):
            await first_page(client)
    assert counts == {("list", "unreachable"): 1}


async def test_an_answer_that_breaks_off_is_transient() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"[")
        assert request.transport is not None
        request.transport.close()
        return response

    async with asking(handle) as (client, counts):
        with pytest.raises(TransientError):
            await first_page(client)
    assert counts == {("list", "malformed"): 1}


async def test_a_redirect_is_followed_on_the_same_origin_only() -> None:
    async def foreign(request: web.Request) -> web.Response:
        raise AssertionError(f"followed to a foreign origin with {request.headers}")

    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("/serviceProblem/near"):
            return web.Response(status=307, headers={"Location": f"{BASE}/serviceProblem/here"})
        if request.path.endswith("/serviceProblem/here"):
            return web.json_response({"id": "here", "auth": request.headers["Authorization"]})
        if request.path.endswith("/serviceProblem/round"):
            return web.Response(status=302, headers={"Location": "round"})
        return web.Response(status=302, headers={"Location": f"{other}/x"})

    async with serving(foreign) as other, asking(handle, token="abc") as (client, _):
        assert (await client.get("near")).item == {"id": "here", "auth": "Bearer abc"}
        for problem_id, message in (("round", "more than 3 times"), ("far", "not followed: set sources.snow.url")):
            with pytest.raises(PermanentError, match=message):
                await client.get(problem_id)
        with pytest.raises(PermanentError, match="not followed"):
            await client.register("http://us/listener/snow/secret")


async def test_basic_credentials_are_sent() -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response([{"id": request.headers.get("Authorization")}])

    async with asking(handle, username="u", password="p") as (client, _):
        assert await first_page(client) == [{"id": "Basic dTpw"}]
    async with asking(handle) as (client, _):
        assert (await first_page(client))[0]["id"] is None


async def test_an_oauth2_token_is_fetched_once_and_replaced_when_it_is_rejected() -> None:
    granted: list[str] = []

    async def endpoint(request: web.Request) -> web.Response:
        assert (await request.post())["grant_type"] == "client_credentials"
        granted.append(request.headers["Authorization"])
        return web.json_response({"access_token": f"t{len(granted)}", "expires_in": 3600})

    async def handle(request: web.Request) -> web.Response:
        known = request.headers["Authorization"] == f"Bearer {valid}"
        return web.json_response([{"id": "1"}] if known else {}, status=200 if known else 401)

    valid = "t1"
    async with serving(endpoint) as token_url:
        settings = {"oauth2_token_url": token_url, "oauth2_client_id": "id", "oauth2_client_secret": CANARY}
        async with asking(handle, **settings) as (client, counts):
            await first_page(client)
            await first_page(client)
            assert len(granted) == 1
            valid = "t2"
            await first_page(client)
            assert len(granted) == 2
            valid = "none"
            with pytest.raises(UnauthorisedError):
                await first_page(client)
            assert len(granted) == 3, "a token is replaced once a request, not for ever"
    assert counts["token", "ok"] == 3


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_registration_is_accepted_by_any_of_the_usual_answers(status: int) -> None:
    bodies: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        bodies.append((request.method, request.path, await request.json()))
        return web.Response(status=status, headers={"Location": f"{BASE}/hub/42"})

    async with asking(handle) as (client, counts):
        registration = await client.register("http://us/listener/snow/s", version="5")
    assert registration == Registration("42", "http://us/listener/snow/s", "")
    assert bodies == [("POST", f"{BASE}/hub", {"@type": "Hub", "callback": "http://us/listener/snow/s"})]
    assert counts == {("register", "ok"): 1}


@pytest.mark.parametrize("body", [{"code": "60", "reason": "not allowed"}, b"<html>Sign in</html>"])
async def test_b6_a_registration_that_is_refused_with_200_is_none(body: Any) -> None:
    async with asking(answering(body)) as (client, _):
        with pytest.raises(MalformedAnswerError, match="200 and a refusal"):
            await client.register("http://us/listener/snow/secret")


async def test_where_the_version_is_unknown_a_typed_registration_follows_a_refused_plain_one() -> None:
    async def handle(request: web.Request) -> web.Response:
        typed = "@type" in await request.json()
        return web.json_response({"id": 7} if typed else {"reason": "@type is required"}, status=201 if typed else 400)

    async with asking(handle) as (client, counts):
        assert (await client.register("http://us/x")).hub_id == "7"
    assert counts == {("register", "client_error"): 1, ("register", "ok"): 1}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, HubAbsentError),
        (405, HubAbsentError),
        (501, HubAbsentError),
        (409, HubConflictError),
        (500, TransientError),
    ],
)
async def test_a_refused_registration_says_what_to_do_and_hides_the_callback(
    status: int, kind: type[Exception]
) -> None:
    callback = f"http://us/hook/{CANARY}-9"
    async with asking(answering({"message": f"exists: {callback}"}, status)) as (client, _):
        with pytest.raises(kind) as caught:
            await client.register(callback, version="4")
    assert f"{CANARY}-9" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 202, 204, 404, 410])
async def test_deregistering_what_is_gone_is_as_good(status: int) -> None:
    async def handle(request: web.Request) -> web.Response:
        assert (request.method, request.raw_path) == ("DELETE", f"{BASE}/hub/a%2Fb")
        return web.Response(status=status)

    async with asking(handle) as (client, counts):
        await client.deregister("a/b")
    assert counts == {("deregister", "ok"): 1}


async def test_subscriptions_are_listed_where_the_server_offers_it() -> None:
    rows = [{"id": "1", "callback": "http://us/a"}, {"id": "2", "callback": "http://them/b", "query": "q"}]
    async with asking(answering(rows)) as (client, _):
        assert await client.find_subscriptions() == [
            Registration("1", "http://us/a"),
            Registration("2", "http://them/b", "q"),
        ]
    for status in (400, 403, 404, 405, 501):
        async with asking(answering({}, status)) as (client, _):
            assert await client.find_subscriptions() is None
    async with asking(answering(b"<html>")) as (client, _):
        assert await client.find_subscriptions() is None
    async with asking(answering([], 503)) as (client, _):
        with pytest.raises(TransientError):
            await client.find_subscriptions()


async def test_a_missing_subscription_is_believed_only_from_a_server_that_shows_present_ones() -> None:
    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("/held"):
            return web.json_response({"id": "held", "callback": "http://us/x"})
        if request.path.endswith("/page"):
            return web.Response(text="<html>", content_type="text/html")
        return web.Response(status=404)

    async with asking(handle) as (client, _):
        assert await client.probe_subscription("lost") is None
        assert await client.probe_subscription("page") is None
        assert await client.probe_subscription("lost") is None
        assert await client.probe_subscription("held") is True
        assert await client.probe_subscription("lost") is False


async def test_a_configured_proxy_is_used_and_one_of_the_environment_only_when_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def proxy(request: web.Request) -> web.Response:
        return web.json_response([{"id": str(request.url.host)}])

    (tmp_path / ".netrc").write_text("machine source.invalid login netrc password netrc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    async with serving(proxy) as address:
        there = Tmf656Settings(url="http://source.invalid/api", proxy=address.removesuffix(BASE), token="t")
        async with Client("snow", there) as client:
            assert await first_page(client) == [{"id": "source.invalid"}]
        monkeypatch.setenv("http_proxy", address.removesuffix(BASE))
        async with Client(
            "snow", Tmf656Settings(url="http://source.invalid/api", bypass_proxy=False, token="t")
        ) as client:
            assert await first_page(client) == [{"id": "source.invalid"}]
        async with asking(answering([{"id": "direct"}])) as (client, _):
            assert await first_page(client) == [{"id": "direct"}]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"url": "ftp://h/x"}, r"sources\.snow\.url"),
        ({"url": "nonsense"}, r"sources\.snow\.url"),
        ({"url": "http://u:p@h/x"}, r"sources\.snow\.url"),
        ({"url": "https://h/x", "ca_file": Path("/nowhere.pem")}, r"sources\.snow\.ca_file"),
        ({"url": "https://h/x", "client_cert_file": Path("/nowhere.pem")}, r"sources\.snow\.client_cert_file"),
        ({"url": "https://h/x", "oauth2_token_url": "x"}, r"sources\.snow\.oauth2_token_url"),
    ],
)
def test_options_that_cannot_work_are_named_at_once(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError, match=key):
        Client("snow", Tmf656Settings.model_construct(**options))


def test_certificates_are_checked_unless_that_is_switched_off() -> None:
    lax = Client("snow", Tmf656Settings(url="https://h/x", verify_tls=False)).http._tls
    assert isinstance(lax, ssl.SSLContext)
    assert lax.verify_mode is ssl.CERT_NONE
    assert Client("snow", Tmf656Settings(url="https://h/x")).http._tls is True


async def test_a_source_that_refuses_us_is_not_hammered() -> None:
    """401 shuts everything, each time for longer; one request tries; being let in opens everything."""
    clock = [1000.0]
    status, asked = [401], [0]

    async def answer(_: web.Request) -> web.Response:
        asked[0] += 1
        return web.json_response([], status=status[0])

    options = {"username": "u", "password": "pass-word"}
    async with (
        serving(answer) as url,
        Client("s", Tmf656Settings(url=url, **options), clock=lambda: clock[0]) as client,
    ):
        with pytest.raises(UnauthorisedError, match="answered 401"):
            await anext(client.pages())
        waits = []
        for _ in range(4):
            with pytest.raises(UnauthorisedError):
                await anext(client.pages())
            for attempt in (
                lambda: anext(client.pages()),
                lambda: client.get("1"),
                lambda: client.register("http://c"),
            ):
                with pytest.raises(UnauthorisedError, match="was not sent") as refused:
                    await attempt()
            waits.append(refused.value.retry_after_seconds)
            clock[0] += waits[-1] + 0.01
        assert (asked[0], waits) == (5, pytest.approx([5, 10, 20, 40]))
        status[0] = 200
        await anext(client.pages())
        await anext(client.pages())
        status[0] = 403
        for _ in range(3):
            with pytest.raises(UnauthorisedError, match="answered 403"):
                await client.get("1")
        for _ in range(2):
            with pytest.raises(UnauthorisedError, match="answered 403"):
                await anext(client.pages())
        with pytest.raises(UnauthorisedError, match="was not sent"):
            await anext(client.pages())
        status[0] = 503
        with pytest.raises(TransientError, match="503"):
            await client.find_subscriptions()


HUB_CALLBACK = "http://us:8656/listener/snow/secret-0815"


def hub(status: int, body: Any, listed: Any = None) -> Handler:
    """A hub with one answer to a registration; it lists what it holds unless `listed` is None."""

    async def handle(request: web.Request) -> web.Response:
        if request.method == "POST":
            return web.json_response(body, status=status)
        return web.json_response(listed) if listed is not None else web.Response(status=405)

    return handle


@pytest.mark.parametrize("status", [409, 400, 422, 500])
async def test_b6_a_refusal_because_our_callback_is_there_is_a_registration(status: int) -> None:
    held = [{"id": "1", "callback": "http://them/x"}, {"id": "2", "callback": HUB_CALLBACK + "/"}]
    async with asking(hub(status, {"message": "already registered"}, {"items": held})) as (client, _):
        assert (await client.register(HUB_CALLBACK, version="4")).hub_id == "2"


async def test_b6_a_conflict_that_shows_our_callback_is_a_registration() -> None:
    async with asking(hub(409, {"error": {"id": "2", "callback": HUB_CALLBACK}})) as (client, _):
        assert (await client.register(HUB_CALLBACK, version="4")).hub_id == "2"


@pytest.mark.parametrize("listed", [None, [], [{"id": "1", "callback": "http://them/x"}]])
async def test_b6_a_conflict_with_somebody_else_is_none(listed: Any) -> None:
    async with asking(hub(409, {"message": "taken"}, listed)) as (client, _):
        with pytest.raises(HubConflictError):
            await client.register(HUB_CALLBACK, version="4")


@pytest.mark.parametrize("body", [None, {}, {"callback": HUB_CALLBACK}, "created"])
async def test_b6_an_id_that_the_hub_does_not_say_is_looked_up(body: Any) -> None:
    held = [{"id": "2", "callback": "http://us:8656/listener/snow/******"}]
    async with asking(hub(201, body, held)) as (client, _):
        assert (await client.register(HUB_CALLBACK, version="4")).hub_id == "2"
    async with asking(hub(201, body)) as (client, _):
        assert (await client.register(HUB_CALLBACK, version="4")).hub_id is None


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_f5_a_refused_registration_shows_the_host_and_names_the_keys(status: int) -> None:
    async with asking(hub(status, {"message": f"cannot call {HUB_CALLBACK}"})) as (client, _):
        with pytest.raises(BridgeError) as caught:
            await client.register(HUB_CALLBACK, version="4")
    text = str(caught.value)
    assert "cannot call http://us:8656/listener/snow/****" in text
    assert "secret-0815" not in text
    keys = ("sources.snow.version", "http.public_url", "it is http://us:8656", "sources.snow.push = false")
    assert [text.index(key) for key in keys] == sorted(text.index(key) for key in keys)
