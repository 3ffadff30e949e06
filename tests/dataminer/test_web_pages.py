"""Which pages one pass consists of, and what it remembers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.dataminer.web_pages import BY_ID, ServicePage, WebPages
from bridge.dataminer.web_wire import TicketNumber
from bridge.domain.ticket_system import Ticket
from bridge.http.errors import NotFoundError

pytestmark = pytest.mark.anyio
AT = datetime(2026, 3, 1, tzinfo=UTC)


class Client:
    """Lists one active ticket and one closed one; notes what it is asked."""

    def __init__(self, active: frozenset[TicketNumber] | None) -> None:
        self.active = active
        self.asked: list[str] = []

    async def page(
        self, method: str, number: int, _: Mapping[str, int], __: Sequence[Mapping[str, Any]] = ()
    ) -> ServicePage:
        self.asked.append(f"{method} {number}")
        closed = method == "GetHistoryTicketsV2"
        ticket = {"DataMinerID": 1, "ID": 2 if closed else 1, "IsClosed": closed}
        return ServicePage([{"id": "x"}], AT, None, [ticket], more=number == 0 and not closed)

    async def fetch(self, ticket_id: str) -> Ticket:
        self.asked.append(ticket_id)
        if ticket_id == "1/9":
            raise NotFoundError("gone")
        agent, number = map(int, ticket_id.split("/"))
        record = {"DataMinerID": agent, "ID": number, "IsClosed": number % 2 == 0}
        return Ticket(ticket_id, record, {"id": ticket_id}, AT)

    def history_times(self, _: datetime | None) -> dict[str, int]:
        return {"utcStartTime": 0, "utcEndTime": 1}


async def whole(pages: WebPages) -> list[ServicePage]:
    found = []
    while (page := await pages.next_page()) is not None:
        found.append(page)
    return found


async def test_the_history_is_read_with_everything_and_where_nothing_is_known() -> None:
    known = frozenset({TicketNumber(1, 1)})
    for active, everything, history in ((None, False, True), (known, True, True), (known, False, False)):
        client = Client(active)
        await whole(WebPages(client, everything=everything))
        expected = ["GetActiveTicketsV2 0", "GetActiveTicketsV2 1"] + ["GetHistoryTicketsV2 0"] * history
        assert client.asked == expected
        assert client.active == known


async def test_what_left_the_list_is_asked_for_and_remembered_only_while_it_is_open() -> None:
    client = Client(frozenset(TicketNumber(1, number) for number in (1, 3, 4, 9)))
    pages = await whole(WebPages(client, everything=False))
    assert client.asked[-3:] == ["1/3", "1/4", "1/9"]
    assert pages[-1].items == [{"id": "1/3"}, {"id": "1/4"}]
    assert client.active == {TicketNumber(1, 1), TicketNumber(1, 3)}


async def test_many_are_asked_for_in_several_pages() -> None:
    client = Client(frozenset(TicketNumber(1, number) for number in range(10, 10 + BY_ID + 1)))
    pages = await whole(WebPages(client, everything=False))
    assert [len(page.items) for page in pages[2:]] == [BY_ID, 1]


async def test_a_page_of_tickets_that_are_all_gone_is_empty_and_the_pass_goes_on() -> None:
    client = Client(frozenset({TicketNumber(1, 9)}))
    assert (await whole(WebPages(client, everything=False)))[-1].items == []
    assert client.active == {TicketNumber(1, 1)}
