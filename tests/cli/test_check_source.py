"""`check` of one source: reach, list, get by id, hub, and the words it writes."""

from typing import Any

import orjson
import pytest

from bridge.cli.check_source import path_key
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.simulator.servicenow.simulator import ServiceNowSimulator

pytestmark = pytest.mark.anyio


async def findings(call: Any, config: Any) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    answer = await call("check", "--json", "--config", config)
    said = orjson.loads(answer.out)
    assert said["ok"] is (answer.status == 0)
    return answer.status, {(one["subject"], one["aspect"]): one for one in said["findings"]}


async def test_a_server_without_hub_is_no_failure(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=1) as sim:
        sim.faults.hub_absent = True
        status, found = await findings(call, configured(dsn=dsn, sources={"snow": {"url": sim.url}}))
    assert status == 0
    assert found["snow", "hub"]["works"] is None
    assert found["snow", "hub"]["remedy"] == "the source is polled"


async def test_a_hub_that_fails_is_a_failure_with_a_way_around(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=1) as sim:
        sim.faults.operations, sim.faults.error_rate = {"hub"}, 1.0
        status, found = await findings(call, configured(dsn=dsn, sources={"snow": {"url": sim.url}}))
    assert status == 1
    assert found["snow", "hub"]["works"] is False
    assert "push = false" in found["snow", "hub"]["remedy"]


async def test_b12_a_wrong_base_path_is_answered_with_the_one_that_gives_problems(
    dsn: str, call: Any, configured: Any
) -> None:
    async with Simulator(population=2) as sim:
        wrong = f"{sim.url.rpartition('/')[0]}/v9"
        status, found = await findings(call, configured(dsn=dsn, sources={"snow": {"url": wrong}}))
    assert status == 1
    assert found["snow", "base path"]["remedy"] == f'set sources.snow.url = "{sim.url}"'
    assert "404" in found["snow", "list"]["found"]


async def test_c8_words_that_are_not_understood_are_named_with_the_key_that_maps_them(
    dsn: str, call: Any, configured: Any
) -> None:
    async with Simulator(population=1, version="2") as sim:
        for _ in range(2):
            await sim.create(description="x", status="Frobnicated")
        source = {"url": sim.url}
        _, found = await findings(call, configured(dsn=dsn, sources={"snow": source}))
        assert '"Frobnicated" (2)' in found["snow", "status"]["found"]
        assert found["snow", "status"]["remedy"] == "map them in sources.snow.status_map"


async def test_a_servicenow_instance_is_checked_too(dsn: str, call: Any, configured: Any) -> None:
    async with ServiceNowSimulator(population=3) as sim:
        source = {"kind": "servicenow", "url": sim.url, "query": "u_nothing=1", "write": True}
        status, found = await findings(call, configured(dsn=dsn, sources={"snow": source}))
    assert status == 0
    assert found["snow", "list"]["works"] is True
    assert found["snow", "get by id"]["works"] is True
    assert found["snow", "hub"]["found"] == "kind = 'servicenow' has none"
    assert found["snow", "query"]["works"] is None
    assert found["snow", "key"]["works"] is True


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"url": "https://x.example"}, "resource_path"),
        ({"url": "https://x.example", "kind": "servicenow"}, "table"),
        ({"url": "https://x.example", "kind": "dataminer", "ticket_type": "SES"}, "ticket_type"),
        ({"url": "https://x.example", "kind": "dataminer-api"}, "url"),
    ],
)
def test_the_remedy_names_a_key_that_this_kind_of_source_has(source: dict[str, str], key: str) -> None:
    settings = Settings.model_validate({"sources": {"there": source}}).sources["there"]
    assert path_key("there", settings) == f"sources.there.{key}"
    assert hasattr(settings, key)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["acknowledged", "inProgress"], "the server understands status=acknowledged,inProgress"),
        (["rejected"], "applied here: the first page has no problem that it keeps"),
    ],
)
async def test_check_says_whether_the_server_applies_the_filter(
    dsn: str, call: Any, configured: Any, words: list[str], said: str
) -> None:
    async with Simulator(population=3) as sim:
        for problem_id, status in zip(sim.problems, ("acknowledged", "closed", "inProgress"), strict=True):
            await sim.patch(problem_id, status=status)
        source = {"url": sim.url, "push": False, "filter.status": words}
        status, found = await findings(call, configured(dsn=dsn, sources={"snow": source}))
    assert status == 0
    assert found["snow", "filter"]["found"].startswith(said)
