"""A walk reads words as they were written, also where the source wrote an object, and writes only its own position."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary
from bridge.storage import vocabulary_walk
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.storage.vocabulary_walk import VocabularyWalk
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def walked(connection: Connection, source_id: int, words: dict[str, str]) -> int | None:
    vocabulary = SourceVocabulary(words)
    await vocabulary_walk.begin(connection, source_id, vocabulary.digest)
    walk = VocabularyWalk(vocabulary.digest, "", 0, finished=False)
    return await vocabulary_walk.step(connection, source_id, walk, vocabulary, problems=10)


@pytest.mark.parametrize("status", ["On the shelf", {"id": "7", "name": "On the shelf"}, "{not JSON", ["On the shelf"]])
async def test_whatever_stood_for_the_status_is_read_again(database: Database, source_id: int, status: Any) -> None:
    body = {"id": "SP-1", "status": status, "lastUpdate": NOON.isoformat()}
    words = {"On the shelf": "held", "{not JSON": "held"}
    known = wire.read_problem(body, asked_at=NOON, via=Via.POLL, vocabulary=SourceVocabulary(words))
    async with database.transaction() as connection:
        seen = wire.read_problem(body, asked_at=NOON, via=Via.POLL, vocabulary=BUILT_IN)
        await store(connection, [Entry(source_id, seen)])
        await walked(connection, source_id, words)
        found = await connection.fetchrow(
            """
            select p.status as current, v.status as version, c.status as change
            from bridge.service_problem as p, bridge.service_problem_version as v, bridge.status_change as c"""
        )
    assert known.status is not None
    assert set(found.values()) == {known.status.value}


async def test_two_statements_of_one_moment_become_one(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        for minute, word in ((1, "On the shelf"), (2, "In the attic"), (3, "held")):
            body = {
                "id": "SP-1",
                "status": word,
                "lastUpdate": NOON.replace(minute=minute).isoformat(),
                "statusChangeDate": NOON.isoformat(),
            }
            await store(connection, [Entry(source_id, wire.read_problem(body, asked_at=NOON, via=Via.POLL))])
        assert await walked(connection, source_id, {"On the shelf": "held", "In the attic": "held"}) == 1
        rows = await connection.fetch("select effective_at, status, stated_at from bridge.status_change order by 1")
    assert {row["status"] for row in rows} == {"held"}
    assert (rows[0]["effective_at"], rows[0]["stated_at"]) == (NOON, NOON.replace(minute=1))


async def test_a_walk_that_began_anew_is_not_moved_by_the_one_before(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await walked(connection, source_id, {"On the shelf": "held"})
        before = VocabularyWalk(BUILT_IN.digest, "", 0, finished=False)
        assert await vocabulary_walk.step(connection, source_id, before, BUILT_IN, problems=10) is None
        found = await vocabulary_walk.read(connection, source_id)
    assert found is not None
    assert found.digest == SourceVocabulary({"On the shelf": "held"}).digest
