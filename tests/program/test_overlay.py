"""Settings made in the console: taken over by every process, kept over a restart, shown by `config`, and taken back."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.simulator import Simulator
from bridge.storage import setting
from bridge.storage.database import opened
from bridge.storage.setting import SettingChange

pytestmark = pytest.mark.anyio

KEY = "sources.snow.poll_interval_seconds"


async def save(dsn: str, base: int, **changes: Any) -> None:
    named = {name.replace("__", "."): SettingChange(None, value) for name, value in changes.items()}
    async with opened(dsn, wait=False) as database, database.transaction() as connection:
        await setting.append(connection, base, "anna", "slow it down", named, via="console")


async def shown(call: Any, config: Path) -> dict[str, Any]:
    answer = await call("config", "--json", "--config", config)
    assert answer.status == 0, answer.err
    return {row["key"]: row for row in orjson.loads(answer.out)} | {"said": answer.err}


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
async def test_every_process_takes_over_what_was_set_and_what_was_taken_back(
    dsn: str, start: Any, call: Any, configured: Any, options: Sequence[str]
) -> None:
    async with Simulator(population=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "poll_interval_seconds": 60}})
        numbers = (1, 2) if options else (None,)
        async with start("run", "--config", config, *options) as program:
            await program.logged("all workers are ready" if options else "ready")
            await save(dsn, 0, sources__snow__poll_interval_seconds=10)
            for number in numbers:
                facts = {} if number is None else {"worker": number}
                assert (await program.logged("configuration reloaded", **facts))["changed"] == ["snow"]
            assert await program.stopped(signal.SIGTERM) == 0
        row = (await shown(call, config))[KEY]
        assert row["value"] == 10
        assert row["from"].startswith("here, anna, 20")
        async with start("run", "--config", config, *options) as again:
            await again.logged("settings of the console changed", keys=[KEY])
            await again.logged("all workers are ready" if options else "ready")
            dropped = await call("config", "--drop-overlay", "--config", config)
            assert (dropped.status, dropped.out.strip()) == (0, f"no longer set in the console: {KEY}")
            await again.logged("settings of the console changed", keys=[])
            assert await again.stopped(signal.SIGTERM) == 0
        assert (await shown(call, config))[KEY]["value"] == 60


async def test_an_overlay_that_does_not_fit_ends_nothing_and_is_named(
    dsn: str, start: Any, call: Any, configured: Any
) -> None:
    config = configured(dsn=dsn, sources={"snow": {"url": "http://127.0.0.1:9", "push": False}})
    await save(dsn, 0, sources__gone__push=False)
    async with start("run", "--config", config) as program:
        refused = await program.logged("settings made in the console are not in force")
        assert ["sources.gone.url: is missing" in fault for fault in refused["faults"]] == [True]
        assert "--drop-overlay" in refused["remedy"]
        await program.logged("ready")
        assert await program.stopped(signal.SIGTERM) == 0
    assert "not in force: sources.gone.url" in (await shown(call, config))["said"]
    checked = orjson.loads((await call("check", "--json", "--config", config)).out)["findings"]
    [found] = [one for one in checked if one["aspect"] == "console"]
    assert (found["works"], "sources.gone.url: is missing" in found["found"]) == (False, True)
