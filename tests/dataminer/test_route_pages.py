"""Pages follow one another by `next`, until there is none."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.dataminer.route_pages import RoutePages, RoutesPage
from bridge.http.errors import MalformedAnswerError

pytestmark = pytest.mark.anyio
AT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Client:
    """Answers what `following` says of the next page; notes what it is asked."""

    following: list[str | None]
    asked: list[dict[str, Any]] = field(default_factory=list)
    list_address: str = "https://dma.example/tickets"

    async def page(self, **asked: Any) -> RoutesPage:
        self.asked.append(asked)
        return RoutesPage([], AT, None, [], self.following.pop(0))


async def test_each_page_is_asked_for_behind_the_one_before() -> None:
    client = Client(["1_a", "2_b", None])
    pages = RoutePages(client, AT, "tb-1")
    while await pages.next_page() is not None:
        pass
    assert [asked["after"] for asked in client.asked] == [None, "1_a", "2_b"]
    assert {(asked["since"], asked["key"]) for asked in client.asked} == {(AT, "tb-1")}
    assert await pages.next_page() is None


async def test_a_server_that_does_not_move_on_is_an_error() -> None:
    pages = RoutePages(Client(["1_a", "1_a"]), None)
    await pages.next_page()
    with pytest.raises(MalformedAnswerError, match=r"dma\.example/tickets always answers the same page"):
        await pages.next_page()
