"""A secret that changed in the database is in force in every process that runs, and the one before stays accepted."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator import Simulator
from bridge.sources.callback_secret import CallbackSecretWatch
from bridge.storage import source as source_table
from bridge.storage.source import digest

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]


async def rotate(rig: Any) -> None:
    async with rig.database.transaction() as connection:
        assert await source_table.rotate_secret(connection, "sim")


async def test_a_rotated_secret_is_taken_over_once_and_registered_by_the_leader(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
    watch = CallbackSecretWatch({"sim": rig.source}, rig.database)
    assert await watch.run_once() == []
    before, callback = rig.source.secrets[0], rig.source.callback
    await rotate(rig)
    assert await watch.run_once() == ["sim"]
    assert rig.source.secrets[0] != before
    assert rig.source.secrets[1] == before
    assert rig.source.callback == callback.replace(before, rig.source.secrets[0])
    assert await rig.source.subscribe_wake.wait(0) == "changed"
    assert await watch.run_once() == []


async def test_after_two_changes_the_first_secret_is_retired(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
    first = rig.source.secrets[0]
    watch = CallbackSecretWatch({"sim": rig.source}, rig.database)
    for _ in range(2):
        await rotate(rig)
    await watch.run_once()
    assert first not in rig.source.secrets
    assert rig.source.retired == {digest(first)}


async def test_who_does_not_lead_registers_nothing(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
    rig.source.leads = False
    await rotate(rig)
    assert await CallbackSecretWatch({"sim": rig.source}, rig.database).run_once() == ["sim"]
    assert await rig.source.subscribe_wake.wait(0) is None
