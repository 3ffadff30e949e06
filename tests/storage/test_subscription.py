"""Registrations: one in use, those it replaced until the hub has deleted them."""

import pytest

from bridge.storage import subscription
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio

PLACE = {"url": "http://snow.example/hub", "callback": "http://us/listener/snow/x", "query": ""}


async def test_a_new_registration_leaves_the_one_before_to_be_deleted(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        assert await subscription.active(connection, source_id) is None
        assert await subscription.age_seconds(connection, source_id) is None
        await subscription.replace(connection, source_id, hub_id="1", **PLACE)
        await subscription.replace(connection, source_id, hub_id=None, **PLACE)
        active = await subscription.active(connection, source_id)
        [left] = await subscription.left_over(connection, source_id)
        assert active is not None
        assert (active.hub_id, left.hub_id, left.callback) == (None, "1", PLACE["callback"])
        assert await subscription.age_seconds(connection, source_id) == 0, "of the same transaction"


async def test_what_the_hub_does_not_have_any_more_is_gone(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        for hub_id in ("1", "2"):
            await subscription.replace(connection, source_id, hub_id=hub_id, **PLACE)
        [left] = await subscription.left_over(connection, source_id)
        await subscription.gone(connection, left.id)
        assert await subscription.left_over(connection, source_id) == []
        active = await subscription.active(connection, source_id)
        assert active is not None
        await subscription.gone(connection, active.id)
        assert await subscription.active(connection, source_id) is None
