"""Lists that people keep under a name."""

import pytest

from bridge.storage import saved_view
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio


async def seen(database: Database, who: str) -> list[tuple[str, str, str, bool]]:
    async with database.connection() as connection:
        views = await saved_view.visible(connection, who)
    return [(one.owner, one.name, one.parameters, one.shared) for one in views]


async def test_everybody_sees_their_own_and_what_is_shared(database: Database) -> None:
    async with database.transaction() as connection:
        assert await saved_view.save(connection, "ben", "zinc", "status=held", shared=True)
        assert await saved_view.save(connection, "ben", "mine", "", shared=False)
        assert await saved_view.save(connection, "anna", "mine", "priority=1", shared=False)
    assert await seen(database, "anna") == [
        ("anna", "mine", "priority=1", False),
        ("ben", "zinc", "status=held", True),
    ]
    assert await seen(database, "ben") == [("ben", "mine", "", False), ("ben", "zinc", "status=held", True)]
    assert await seen(database, "cleo") == [("ben", "zinc", "status=held", True)]


async def test_a_name_is_kept_once_and_the_last_save_counts(database: Database) -> None:
    async with database.transaction() as connection:
        await saved_view.save(connection, "anna", "a", "status=held", shared=True)
        await saved_view.save(connection, "anna", "a", "status=pending", shared=False)
    assert await seen(database, "anna") == [("anna", "a", "status=pending", False)]


async def test_one_person_keeps_so_many_and_no_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_view, "MOST", 2)
    async with database.transaction() as connection:
        assert await saved_view.save(connection, "anna", "a", "", shared=False)
        assert await saved_view.save(connection, "anna", "b", "", shared=False)
        assert not await saved_view.save(connection, "anna", "c", "", shared=False)
        assert await saved_view.save(connection, "anna", "b", "status=held", shared=False)
        assert await saved_view.save(connection, "ben", "c", "", shared=False)
    assert [one[1] for one in await seen(database, "anna")] == ["a", "b"]


async def test_one_is_held_by_who_sees_it_and_changed(database: Database) -> None:
    async with database.transaction() as connection:
        await saved_view.save(connection, "anna", "a", "", shared=False)
        (own,) = await saved_view.visible(connection, "anna")
        assert await saved_view.lock(connection, own.id, "ben") is None
        assert await saved_view.lock(connection, own.id, "anna") == own
        assert await saved_view.named(connection, "anna", "a") == own
        assert await saved_view.named(connection, "ben", "a") is None
        await saved_view.rename(connection, own.id, "b")
        await saved_view.share(connection, own.id, shared=True)
        assert await saved_view.lock(connection, own.id, "ben") is not None
    assert await seen(database, "ben") == [("anna", "b", "", True)]
    async with database.transaction() as connection:
        await saved_view.remove(connection, own.id)
    assert await seen(database, "anna") == []
