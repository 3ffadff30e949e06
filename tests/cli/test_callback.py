"""`callback`: the address that a source calls."""

import signal
from typing import Any

import orjson
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio


async def test_f3_the_registered_callback_is_shown_and_the_next_one_where_it_differs(
    dsn: str, start: Any, call: Any, configured: Any
) -> None:
    async with Simulator(population=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config) as program:
            await program.logged("registered", source="snow")
            await program.stopped(signal.SIGTERM)
        [registered] = sim.subscriptions.values()
        answer = await call("callback", "snow", "--config", config)
        assert answer.status == 0
        assert f"registered  {registered.callback}  (since " in answer.out
        assert "http.port = 0 is any free port; set http.public_url" in answer.out
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}}, public_url="https://us.example/in")
        found = orjson.loads((await call("callback", "snow", "--json", "--config", config)).out)
        assert found["registered"] == registered.callback
        assert found["configured"].startswith("https://us.example/in/listener/snow/")


async def test_f3_without_a_registration_it_says_where_to_look(dsn: str, call: Any, configured: Any) -> None:
    config = configured(dsn=dsn, sources={"snow": {"url": "http://h/v4"}})
    answer = await call("callback", "snow", "--config", config)
    assert answer.status == 1
    assert "snow has no callback yet: the first `tmf656-bridge run` makes it" in answer.err
    answer = await call("callback", "snwo", "--config", config)
    assert answer.status == 1
    assert "no source 'snwo' in the configuration (there are: snow)" in answer.err
