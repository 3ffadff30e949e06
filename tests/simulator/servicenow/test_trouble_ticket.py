"""TMF621 as ServiceNow has it: bare answers, 206 for a page, 404 for an empty list, times without a zone."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from bridge.simulator.servicenow.trouble_ticket import PATH

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Any]]


async def test_lists_are_bare_and_pages_are_206(ask: Ask) -> None:
    async with ServiceNowSimulator(population=3) as sim:
        whole = await ask("GET", sim.url + PATH)
        assert (whole.status, len(whole.body), whole.headers["X-Total-Count"]) == (200, 3, "3")
        page = await ask("GET", sim.url + PATH, params={"limit": "2", "offset": "1"})
        assert (page.status, page.headers["Content-Range"]) == (206, "items 2-3")
        empty = await ask("GET", sim.url + PATH, params={"ticketType": "Service Problem Case"})
        assert (empty.status, set(empty.body)) == (404, {"code", "reason", "message", "details"})
        first = whole.body[0]
        assert (await ask("GET", sim.url + first["href"])).body == first


async def test_work_notes_are_taken_and_never_said_and_notes_are_in_local_time(ask: Ask) -> None:
    async with ServiceNowSimulator() as sim:
        notes = [{"text": "for the desk", "@type": "work_notes"}, {"text": "for you", "@type": "comments"}]
        body = {"description": "x", "severity": 1, "status": "In Progress", "note": notes}
        made = await ask("POST", sim.url + PATH, json=body)
        assert (made.status, made.body["severity"], made.body["status"]) == (201, "1 - Critical", "In Progress")
        [note] = made.body["note"]
        assert note["text"] == "for you"
        assert note["date"][:13] != made.body["creationDate"][:13]
        assert len(sim.store.tables["sys_journal_field"]) == 2


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [("POST", {"severity": 1}, 400), ("POST", {"description": "x", "severity": 1, "ticketType": "y"}, 400)],
)
async def test_what_is_missing_or_unknown_is_refused(ask: Ask, method: str, body: Any, status: int) -> None:
    async with ServiceNowSimulator() as sim:
        assert (await ask(method, sim.url + PATH, json=body)).status == status
        assert sim.incidents == {}


async def test_a_patch_needs_something_and_obeys_the_rules(ask: Ask) -> None:
    async with ServiceNowSimulator(population=1) as sim:
        url = f"{sim.url}{PATH}/{next(iter(sim.incidents))}"
        assert (await ask("PATCH", url, json={})).status == 400
        assert (await ask("PATCH", url, json={"status": "Resolved"})).status == 403
        assert (await ask("PATCH", url, json={"severity": "5", "name": "y"})).body["severity"] == "5 - Planning"
        assert (await ask("PATCH", f"{url}0", json={"name": "y"})).status == 404
