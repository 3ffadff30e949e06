"""A pass ends with its last page, or says that it did not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.dataminer import ticket_pass
from bridge.dataminer.ticket_pass import TicketPass
from bridge.domain.completeness import Gap
from bridge.errors import TransientError

pytestmark = pytest.mark.anyio


@dataclass
class Page:
    items: list[Any]
    asked_at: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    server_at: datetime | None = None


@dataclass
class Pages:
    """Gives pages, and raises where one is an error."""

    waiting: list[Any] = field(default_factory=list)

    async def next_page(self) -> Page | None:
        page = self.waiting.pop(0) if self.waiting else None
        if isinstance(page, Exception):
            raise page
        return page


async def test_it_is_complete_when_the_pages_are_over_and_not_before() -> None:
    pages = TicketPass(Pages([Page([{"id": "a"}]), TransientError("away"), Page([{"id": "b"}, 3])]))
    assert [row.id for row in (await anext(pages)).items] == ["a"]
    with pytest.raises(TransientError):
        await anext(pages)
    assert pages.completeness.gap is Gap.UNFINISHED
    second = await anext(pages)
    assert [row.read() for row in second.items] == [{"id": "b"}, 3]
    assert second.number == 2
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(pages)
    assert (pages.completeness.complete, pages.distinct, pages.filter_honoured) == (True, 2, None)
    assert pages.unseen(["a", "c"]) == ["c"]


async def test_it_is_given_up_where_there_is_always_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticket_pass, "MAX_PAGES", 3)
    pages = TicketPass(Pages([Page([]) for _ in range(9)]))
    assert len([page async for page in pages]) == 3
    assert pages.completeness.gap is Gap.ENDLESS
