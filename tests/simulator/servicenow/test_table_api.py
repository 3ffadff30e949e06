"""The Table API over HTTP: shapes of records, pages, counts, import sets, errors."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.simulator import ServiceNowSimulator

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Any]]


def table(sim: ServiceNowSimulator, name: str = "incident") -> str:
    return f"{sim.url}/api/now/table/{name}"


async def test_a_record_is_written_as_the_request_wants_it(ask: Ask) -> None:
    async with ServiceNowSimulator(population=1, seed=1) as sim:
        [record] = sim.incidents.values()
        url = f"{table(sim)}/{record['sys_id']}"
        plain = (await ask("GET", url)).body["result"]
        assert plain["state"] == "1"
        assert plain["caller_id"]["value"] == record["caller_id"]
        fields = {"sysparm_fields": "state,caller_id", "sysparm_exclude_reference_link": "true"}
        assert (await ask("GET", url, params=fields)).body["result"] == {
            "state": "1",
            "caller_id": record["caller_id"],
        }
        both = (await ask("GET", url, params=fields | {"sysparm_display_value": "all"})).body["result"]
        assert both["state"] == {"value": "1", "display_value": "New"}
        shown = (await ask("GET", url, params=fields | {"sysparm_display_value": "True"})).body["result"]
        assert shown["state"] == "New"


async def test_pages_have_links_and_a_count(ask: Ask) -> None:
    async with ServiceNowSimulator(population=5) as sim:
        page = await ask("GET", table(sim), params={"sysparm_limit": "2", "sysparm_offset": "2"})
        assert len(page.body["result"]) == 2
        assert page.headers["X-Total-Count"] == "5"
        assert all(f'rel="{name}"' in page.headers["Link"] for name in ("first", "prev", "next", "last"))
        quiet = {"sysparm_no_count": "true", "sysparm_suppress_pagination_header": "true"}
        page = await ask("GET", table(sim), params=quiet)
        assert not {"X-Total-Count", "Link"} & page.headers.keys()


async def test_hidden_records_make_a_page_short_and_no_end(ask: Ask) -> None:
    async with ServiceNowSimulator(population=4) as sim:
        sim.faults.hidden = set(list(sim.incidents)[:2])
        page = await ask("GET", table(sim), params={"sysparm_limit": "2"})
        assert page.body["result"] == []
        assert 'rel="next"' in page.headers["Link"]


async def test_an_invalid_part_of_a_query_is_dropped(ask: Ask) -> None:
    async with ServiceNowSimulator(population=3) as sim:
        wrong = {"sysparm_query": "u_nothing=1"}
        assert len((await ask("GET", table(sim), params=wrong)).body["result"]) == 3
        counted = await ask("GET", f"{sim.url}/api/now/stats/incident", params={"sysparm_count": "true", **wrong})
        assert counted.body == {"result": {"stats": {"count": "3"}}}
        sim.faults.invalid_query_returns_nothing = True
        assert (await ask("GET", table(sim), params=wrong)).body["result"] == []


async def test_the_first_version_says_404_of_an_empty_list(ask: Ask) -> None:
    async with ServiceNowSimulator() as sim:
        assert (await ask("GET", table(sim))).status == 200
        assert (await ask("GET", f"{sim.url}/api/now/v2/table/incident")).status == 200
        assert (await ask("GET", f"{sim.url}/api/now/v1/table/incident")).status == 404


async def test_records_are_made_changed_and_deleted(ask: Ask) -> None:
    async with ServiceNowSimulator() as sim:
        made = await ask("POST", table(sim), json={"short_description": "x", "u_nothing": "y", "impact": 1})
        assert (made.status, made.body["result"]["impact"]) == (201, "1")
        assert made.headers["Location"].endswith(made.body["result"]["sys_id"])
        url = f"{table(sim)}/{made.body['result']['sys_id']}"
        for method in ("PUT", "PATCH"):
            changed = await ask(method, url, json={"description": method})
            assert (changed.status, changed.body["result"]["description"]) == (200, method)
        assert (await ask("DELETE", url)).status == 204
        gone = await ask("GET", url)
        assert gone.body == {
            "error": {
                "message": "No Record found",
                "detail": "Record doesn't exist or ACL restricts the record retrieval",
            },
            "status": "failure",
        }


async def test_the_state_of_a_problem_moves_by_its_endpoint_only(ask: Ask) -> None:
    async with ServiceNowSimulator() as sim:
        made = sim.create("problem")
        await ask("PATCH", f"{table(sim, 'problem')}/{made['sys_id']}", json={"state": "107", "category": "x"})
        assert sim.store.tables["problem"][made["sys_id"]]["state"] == "101"
        url = f"{sim.url}/api/x_acme/problem/{made['number']}/new_state/107"
        assert (await ask("PATCH", url, json={})).status == 200
        assert sim.store.tables["problem"][made["sys_id"]]["state"] == "107"
        assert (await ask("PATCH", url.replace(made["number"], "PRB0"), json={})).status == 404


async def test_an_import_set_inserts_once_a_key(ask: Ask) -> None:
    async with ServiceNowSimulator() as sim:
        url = f"{sim.url}/api/now/import/u_import_incident"
        row = {"short_description": "x", "correlation_id": "k"}
        said = [(await ask("POST", url, json=row)).body["result"][0]["status"] for _ in range(2)]
        said.append((await ask("POST", url, json=row | {"description": "y"})).body["result"][0]["status"])
        assert said == ["inserted", "ignored", "updated"]
        failed = (await ask("POST", url, json=row | {"state": "6"})).body["result"][0]
        assert (failed["status"], failed["sys_id"]) == ("error", "")
        assert len(sim.incidents) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/now/table/u_nothing", 400),
        ("GET", "/api/elsewhere", 400),
        ("PUT", "/api/now/table/incident", 405),
        ("POST", "/api/now/import/u_nothing", 400),
        ("GET", "/api/now/table/problem", 403),
        ("GET", "/api/now/table/incident/0", 404),
    ],
)
async def test_errors_have_the_shape_of_the_platform(ask: Ask, method: str, path: str, status: int) -> None:
    async with ServiceNowSimulator(faults=ServiceNowFaults(unreadable_tables={"problem"})) as sim:
        refused = await ask(method, sim.url + path)
        assert (refused.status, refused.body["status"]) == (status, "failure")
        assert refused.body["error"]["message"]


async def test_faults_of_lists(ask: Ask) -> None:
    async with ServiceNowSimulator(population=4) as sim:
        record = sim.change(next(iter(sim.incidents.values())), description="now")
        sim.faults.stale = True
        assert record["description"] not in [
            row["description"] for row in (await ask("GET", table(sim))).body["result"]
        ]
        sim.faults.cancelled_next = 1
        half = await ask("GET", table(sim))
        assert (half.status, len(half.body["result"])) == (200, 2)
        assert "maximum execution time" in half.body["error"]["message"]
        sim.faults.ignore_query = True
        assert len((await ask("GET", table(sim), params={"sysparm_query": "state=7"})).body["result"]) == 4
        sim.faults.unreadable_columns = {"description"}
        assert "description" not in (await ask("GET", table(sim))).body["result"][0]
