"""What an instance does not complain about is said by `check`."""

from typing import Any

import pytest

from bridge.servicenow.inspection import inspect
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from tests.servicenow.conftest import Reading

pytestmark = pytest.mark.anyio


async def found(reading: Reading, sim: ServiceNowSimulator, **source: Any) -> dict[str, tuple[bool | None, str, str]]:
    async with reading(sim, **source) as client:
        return {each.aspect: (each.works, each.found, each.remedy) for each in await inspect(client)}


async def test_a_query_that_filters_nothing_is_worth_a_look(reading: Reading) -> None:
    async with ServiceNowSimulator(population=5, seed=1) as sim:
        sim.create(u_source="tmf")
        assert await found(reading, sim) == {}
        works, text, _ = (await found(reading, sim, query="u_source=tmf"))["query"]
        assert (works, text) == (True, "1 of 6 tickets meet it")
        works, text, remedy = (await found(reading, sim, query="u_sauce=tmf"))["query"]
        assert (works, text) == (None, "all 6 tickets meet it")
        assert "left out silently" in remedy


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("active=true", "active"),
        ("impact=1^stateNOT IN7,8^ORclosed_atISEMPTY", "closed_at, state"),
        ("u_state=1^short_descriptionLIKEactive=true", None),
    ],
)
async def test_a_query_that_tickets_leave_when_they_end_is_worth_a_look(
    reading: Reading, query: str, columns: str | None
) -> None:
    async with ServiceNowSimulator(population=1) as sim, reading(sim, query=query) as client:
        texts = [each.found for each in await inspect(client) if each.aspect == "query"]
    assert any(f"({columns})" in text for text in texts) is (columns is not None)


async def test_journals_that_may_not_be_read_fail_with_both_ways_out(reading: Reading) -> None:
    async with ServiceNowSimulator(population=1) as sim:
        assert (await found(reading, sim, journals="sys_journal_field"))["journals"][0] is True
        sim.faults.unreadable_tables = {"sys_journal_field"}
        works, text, remedy = (await found(reading, sim, journals="sys_journal_field"))["journals"]
        assert works is False
        assert "ACL" in text
        assert 'journals = "display"' in remedy


async def test_the_column_for_keys_has_to_be_there_where_tickets_are_written(reading: Reading) -> None:
    async with ServiceNowSimulator(population=1) as sim:
        assert (await found(reading, sim, write=True))["key"][0] is True
        works, text, remedy = (await found(reading, sim, write=True, key_field="u_key"))["key"]
        assert (works, text) == (False, "incident has no column u_key")
        assert "sources.snow.key_field" in remedy
        asked = await found(reading, sim, write=True, table="problem")
        assert asked["key"][0] is None
        assert "state_path" in asked["state"][2]
