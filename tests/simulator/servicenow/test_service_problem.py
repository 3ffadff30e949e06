"""A gateway before ServiceNow: encoded queries on a TMF656 path, notes that append, and no hub."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator.servicenow.service_problem import BASE_PATH, PATH
from bridge.simulator.servicenow.simulator import ServiceNowSimulator

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Any]]


async def test_a_list_is_bare_filtered_and_cut(ask: Ask) -> None:
    async with ServiceNowSimulator(seed=1) as sim:
        for number in range(3):
            sim.create(short_description=f"ours {number}", u_source="dataminer")
        sim.create()
        query = {"sysparm_query": "u_source=dataminer^ORDERBYshort_description"}
        whole = await ask("GET", sim.url + PATH, params=query)
        assert [each["name"] for each in whole.body] == ["ours 0", "ours 1", "ours 2"]
        page = await ask("GET", sim.url + PATH, params=query | {"sysparm_limit": "2", "sysparm_offset": "2"})
        assert [each["name"] for each in page.body] == ["ours 2"]
        [first] = [each for each in whole.body if each["name"] == "ours 0"]
        assert (await ask("GET", sim.url + first["href"])).body == first
        assert (await ask("GET", f"{sim.url}{PATH}/nobody")).status == 404
        assert (await ask("GET", f"{sim.url}{BASE_PATH}/hub")).status == 400


async def test_what_is_written_becomes_columns_and_notes_are_added(ask: Ask) -> None:
    async with ServiceNowSimulator(seed=1) as sim:
        given = {"name": "n", "description": "d", "priority": 2, "status": "held", "u_source": "dataminer"}
        made = await ask("POST", sim.url + PATH, json=given | {"note": [{"text": "first"}]})
        record = sim.incidents[made.body["id"]]
        assert made.status == 201
        assert (record["state"], record["hold_reason"], record["impact"], record["urgency"]) == ("3", "4", "1", "2")
        for _ in range(2):
            changed = await ask("PATCH", f"{sim.url}{PATH}/{made.body['id']}", json={"note": [{"text": "again"}]})
        assert [note["text"] for note in changed.body["note"]] == ["first", "again", "again"]
        assert changed.body["lastUpdate"].endswith("Z")


async def test_an_unknown_status_and_what_is_no_object_are_refused(ask: Ask) -> None:
    async with ServiceNowSimulator(seed=1) as sim:
        assert (await ask("POST", sim.url + PATH, json={"status": "odd"})).status == 400
        assert (await ask("POST", sim.url + PATH, json=[])).status == 400
        assert len(sim.incidents) == 0
