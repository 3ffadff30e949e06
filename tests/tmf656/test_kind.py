"""What `check` says of a TMF656 server beyond reach, list, get and hub."""

import pytest
from aiohttp import web

from bridge.tmf656.kind import Tmf656Kind
from tests.tmf656.test_client import Handler, asking

pytestmark = pytest.mark.anyio

ROWS = [{"id": f"P{number}", "lastUpdate": f"2026-11-23T10:00:{number % 60:02d}Z"} for number in range(57)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def cut(rows: int, *, total: bool = False) -> Handler:
    """Gives the first rows, whatever page is asked for."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(ROWS[:rows], headers={"X-Total-Count": str(rows)} if total else {})

    return handle


async def turning(request: web.Request) -> web.StreamResponse:
    start = int(request.query.get("offset", 0))
    return web.json_response(ROWS[start : start + min(20, int(request.query.get("limit", 20)))])


async def whole(request: web.Request) -> web.StreamResponse:
    return web.json_response([] if int(request.query.get("offset", 0)) else ROWS)


async def failing_later(request: web.Request) -> web.StreamResponse:
    return web.json_response(ROWS[:20], status=500 if int(request.query.get("offset", 0)) else 200)


async def test_b1_a_list_that_may_be_cut_is_named() -> None:
    async with asking(cut(20)) as (client, _):
        [notice] = await Tmf656Kind().notices(client)
    assert notice.aspect == "paging"
    assert notice.works is None
    assert notice.found == "the same 20 problems for whatever page is asked, and no total"
    assert "cannot see them" in notice.remedy


@pytest.mark.parametrize("handler", [cut(20, total=True), cut(9), turning, whole, failing_later])
async def test_b1_a_list_whose_end_shows_is_not(handler: Handler) -> None:
    async with asking(handler) as (client, _):
        assert await Tmf656Kind().notices(client) == []
