"""One pass over a list: pages in order, the same page again after a failure, and whether they were all."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.errors import TransientError
from bridge.http.response import HttpResponse
from bridge.http.row import rows_of
from bridge.schedule import now
from bridge.tmf656.list_pass import ListPass
from bridge.tmf656.page import PageAnswer, Window
from bridge.tmf656.page_walk import PageWalk

pytestmark = pytest.mark.anyio

ROWS = [{"id": f"P{number}", "version": 1} for number in range(25)]


class Server:
    """An honest server that fails before it answers as often as is said."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.asked: list[Window] = []

    async def __call__(self, window: Window) -> tuple[PageAnswer, HttpResponse]:
        self.asked.append(window)
        if self.failures:
            self.failures -= 1
            raise TransientError("bad gateway")
        rows = rows_of(ROWS[window.offset : window.offset + window.limit])
        response = HttpResponse(200, CIMultiDictProxy(CIMultiDict()), bytearray(), now())
        return PageAnswer(rows, total=len(ROWS)), response


def passing(server: Server) -> ListPass:
    return ListPass(PageWalk(10), server)


async def test_the_pages_come_numbered_and_the_pass_knows_that_they_were_all() -> None:
    listed = passing(Server())
    pages = [page async for page in listed]
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert {row.id for page in pages for row in page.items} == {row["id"] for row in ROWS}
    assert (listed.complete, listed.exhausted, listed.distinct) == (True, False, 25)
    assert listed.unseen(["P3", "gone"]) == ["gone"]


async def test_before_its_end_a_pass_is_not_complete() -> None:
    listed = passing(Server())
    page = await anext(listed)
    assert (page.total, listed.complete) == (25, False)


async def test_after_a_failure_the_same_page_is_asked_for_again() -> None:
    server = Server(failures=1)
    listed = passing(server)
    with pytest.raises(TransientError):
        await anext(listed)
    assert (await anext(listed)).number == 1
    assert server.asked[0] == server.asked[1]
    assert len([page async for page in listed]) >= 2
    assert listed.complete
