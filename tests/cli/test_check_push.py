"""`check --push`: what arrives, where, and what is said when nothing does."""

import signal
from typing import Any

import orjson
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio


async def push(call: Any, config: Any, *arguments: str) -> dict[str, Any]:
    answer = await call("check", "--push", *arguments, "--json", "--config", config)
    found: dict[str, Any] = next(one for one in orjson.loads(answer.out)["findings"] if one["aspect"] == "push")
    assert (found["works"] is False) <= (answer.status == 1)
    return found


async def test_f3_a_notification_through_the_hub_arrives_at_the_listener_of_the_test(
    dsn: str, call: Any, configured: Any
) -> None:
    async with Simulator(population=5, rate=20) as sim:
        found = await push(call, configured(dsn=dsn, sources={"snow": {"url": sim.url}}))
        assert found["works"] is True, found
        assert "a notification of snow arrived at http://127.0.0.1:" in found["found"]
        assert "check-" not in found["found"], "the secret is not shown"
        assert sim.subscriptions == {}


async def test_f3_it_arrives_at_the_running_bridge_where_one_runs(
    dsn: str, start: Any, call: Any, configured: Any
) -> None:
    async with Simulator(population=5, rate=20) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config) as program:
            await program.logged("registered", source="snow")
            found = await push(call, config)
            await program.stopped(signal.SIGTERM)
        assert found["works"] is True, found
        assert found["found"] == "a notification of snow arrived at the running bridge"
        assert len(sim.subscriptions) == 1


@pytest.mark.parametrize("running", [False, True])
async def test_f3_when_nothing_comes_our_own_request_says_whether_the_address_leads_here(
    dsn: str, start: Any, call: Any, configured: Any, running: bool
) -> None:
    async with Simulator(population=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        if running:
            async with start("run", "--config", config) as program:
                await program.logged("registered", source="snow")
                found = await push(call, config, "--wait", "0")
                await program.stopped(signal.SIGTERM)
        else:
            found = await push(call, config, "--wait", "0")
        assert found["works"] is None, found
        assert "our own request to http://127.0.0.1:" in found["found"]
        assert "arrived" in found["found"]
        assert "change a problem in snow" in found["remedy"]


@pytest.mark.parametrize("kind", ["nobody", "somebody else"])
async def test_f3_an_address_that_does_not_lead_here_fails_and_names_public_url(
    dsn: str, call: Any, configured: Any, held_port: Any, kind: str
) -> None:
    async with Simulator(population=1) as sim:
        elsewhere = f"http://127.0.0.1:{held_port.getsockname()[1]}" if kind == "nobody" else sim.url
        found = await push(
            call, configured(dsn=dsn, sources={"snow": {"url": sim.url}}, public_url=elsewhere), "--wait", "0"
        )
        assert found["works"] is False, found
        assert ("failed" if kind == "nobody" else "by something else") in found["found"]
        assert "set http.public_url to how snow reaches this machine" in found["remedy"]
        assert sim.subscriptions == {}


async def test_f3_a_source_without_hub_is_said_to_be_polled(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=1) as sim:
        sim.faults.hub_absent = True
        found = await push(call, configured(dsn=dsn, sources={"snow": {"url": sim.url}}))
        assert (found["works"], found["remedy"]) == (None, "the source is polled")
