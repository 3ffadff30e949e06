"""Settings made in the console reach every process once, and again after one could not take them over."""

from typing import Any

import pytest

from bridge.maintenance.settings_watch import SettingsWatch
from bridge.storage import setting
from bridge.storage.database import Database
from bridge.storage.setting import SettingChange
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


async def save(database: Database, base: int, level: str) -> None:
    async with database.transaction() as connection:
        changes = {"log.level": SettingChange("info", level)}
        await setting.append(connection, base, "anna", "", changes, via="console")


async def test_each_revision_is_taken_over_once(database: Database) -> None:
    taken: list[Any] = []

    async def take(overlay: Any) -> None:
        taken.append(overlay.entries["log.level"].value)

    watch = SettingsWatch(database, Metrics(), take)
    assert not await watch.run_once()
    await save(database, 0, "debug")
    assert await watch.run_once()
    assert not await watch.run_once()
    await save(database, 1, "error")
    await save(database, 2, "warning")
    assert await watch.run_once()
    assert taken == ["debug", "warning"]


async def test_what_could_not_be_taken_over_is_tried_again(database: Database) -> None:
    failures = [OSError("not now")]

    async def take(_: Any) -> None:
        if failures:
            raise failures.pop()

    watch = SettingsWatch(database, Metrics(), take)
    await save(database, 0, "debug")
    with pytest.raises(OSError, match="not now"):
        await watch.run_once()
    assert await watch.run_once()
    assert watch.revision == 1
