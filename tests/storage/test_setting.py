"""Revisions of settings: two editors, what is set now, and what was set then."""

from typing import Any

import anyio
import pytest

from bridge.storage import setting
from bridge.storage.database import Database
from bridge.storage.setting import RevisionConflictError, SettingChange

pytestmark = pytest.mark.anyio


async def save(database: Database, base: int, reason: str = "", **changes: SettingChange) -> int:
    named = {name.replace("__", "."): change for name, change in changes.items()}
    async with database.transaction() as connection:
        return await setting.append(connection, base, "anna", reason, named, via="console")


async def test_nothing_is_set_at_first(database: Database) -> None:
    async with database.connection() as connection:
        overlay = await setting.current(connection)
    assert (overlay.revision, dict(overlay.entries)) == (0, {})


async def test_the_newest_change_of_each_key_holds(database: Database) -> None:
    await save(database, 0, log__level=SettingChange("info", "debug"), a__b=SettingChange(None, [1, {"c": None}]))
    await save(database, 1, log__level=SettingChange("debug", "error"), a__c=SettingChange(None, None))
    await save(database, 2, a__b=SettingChange([1], reset=True))
    async with database.connection() as connection:
        overlay = await setting.current(connection)
        then = await setting.values_at(connection, 1)
    assert overlay.revision == 3
    assert {key: (entry.value, entry.revision) for key, entry in overlay.entries.items()} == {
        "log.level": ("error", 2),
        "a.c": (None, 2),
    }
    assert then == ({"log.level": "debug", "a.b": [1, {"c": None}]}, [])


async def test_of_many_who_save_at_once_one_is_heard(database: Database) -> None:
    outcomes: list[Any] = []

    async def edit(level: str) -> None:
        try:
            outcomes.append(await save(database, 0, log__level=SettingChange("info", level)))
        except RevisionConflictError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as editing:
        for level in ("debug", "info", "warning", "error"):
            editing.start_soon(edit, level)
    assert outcomes.count(1) == 1
    assert len([one for one in outcomes if isinstance(one, RevisionConflictError)]) == 3
    with pytest.raises(RevisionConflictError):
        await save(database, 0, log__level=SettingChange("info", "debug"))
    assert await save(database, 1, log__level=SettingChange("info", "debug")) == 2


async def test_history_shows_who_when_why_and_no_secret(database: Database) -> None:
    await save(database, 0, "the test server \x00 is slow", s__password=SettingChange("set", sealed="1.x.c4nary"))
    await save(database, 1, "calm again", log__level=SettingChange("info", "debug"))
    async with database.connection() as connection:
        second, first = await setting.history(connection, before=99, limit=10)
        older = await setting.history(connection, before=2, limit=10)
        overlay = await setting.current(connection)
        then = await setting.values_at(connection, 2)
    assert (second.reason, second.changes) == ("calm again", {"log.level": {"before": "info", "value": "debug"}})
    assert (first.made_by, first.reason, older) == ("anna", "the test server \\0 is slow", [first])
    assert first.changes == {"s.password": {"before": "set", "secret": True}}
    assert overlay.entries["s.password"].sealed == "1.x.c4nary"
    assert then == ({"log.level": "debug"}, ["s.password"])
