"""A legacy ticket as record and problem."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dataminer.web_wire import (
    FieldNames,
    TicketNumber,
    created_at,
    item_of,
    number_in,
    number_of,
    record_in,
    tickets_in,
)
from bridge.domain.observation import Via
from bridge.domain.ticket_system import record_of
from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.tmf656.wire import read_problem

NAMES = FieldNames("Name", "Description", "Priority", "Owner", "Bridge Key")


def said(**values: Any) -> dict[str, Any]:
    sim = DataminerSimulator("dataminer", clock=lambda: datetime(2026, 3, 1, tzinfo=UTC))
    return sim.services.said(sim.create(**values))


def test_a_ticket_reads_as_a_problem() -> None:
    ticket = said(Name="line down", State=4, Priority=1, Owner="eva") | {"ID": 7}
    item = item_of(ticket, NAMES)
    seen = read_problem(item, asked_at=datetime(2026, 3, 2, tzinfo=UTC), via=Via.POLL)
    assert (seen.problem_id, seen.status, seen.status_raw, seen.priority) == ("101/7", "held", "On Hold", 1)
    assert (seen.stamped, seen.created_at) == (False, datetime(2026, 3, 1, tzinfo=UTC))
    assert item["responsibleParty"]["name"] == "eva"
    assert record_of(item) == record_in(ticket)
    assert record_in(ticket)["State"] == "On Hold"


def test_the_key_is_an_external_identifier() -> None:
    [external] = item_of(said(**{"Bridge Key": "tb-1"}), NAMES)["externalIdentifier"]
    assert (external["id"], external["owner"]) == ("tb-1", "tmf656-bridge")


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_number_is_written_and_read(agent: int, number: int) -> None:
    assert number_of(str(TicketNumber(agent, number))) == TicketNumber(agent, number)


@pytest.mark.parametrize("text", ["", "7", "101/", "/7", "101/7/1", "a/b", "101/-7", "\u0661/7", "1" * 20 + "/7"])
def test_any_other_text_is_no_number(text: str) -> None:
    assert number_of(text) is None


def test_what_is_no_ticket_has_no_number_and_no_time() -> None:
    assert number_in({"DataMinerID": 1, "ID": True}) is number_in({}) is None
    assert created_at({"TimeCreatedUTC": 10**20}) is created_at({}) is created_at({"TimeCreatedUTC": True}) is None
    assert item_of({"Fields": [3, {"Type": "State"}]}, NAMES) == {"status": None, "characteristic": []}


def test_the_list_of_a_page_is_the_only_one_or_the_one_with_tickets() -> None:
    tickets = [said()]
    assert tickets_in({"HasNextPage": False, "Anything": tickets}) == tickets
    assert tickets_in({"Warnings": [], "Tickets": tickets}) == tickets
    assert tickets_in({"Tickets": [], "Warnings": ["x"]}) is None
    assert tickets_in({}) is None
