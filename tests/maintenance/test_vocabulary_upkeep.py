"""With other words, what is stored becomes what it would be had they been known from the start."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary
from bridge.maintenance import vocabulary_upkeep
from bridge.maintenance.vocabulary_upkeep import VocabularyUpkeep
from bridge.storage import lease
from bridge.storage.database import Database
from bridge.storage.lease import LEADER, LeaderFence, LeaseLostError
from bridge.storage.observation import Entry, store
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire
from tests.source_rig import Rig

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
STATUSES = {"Awaiting vendor": "pending", "Parked": "pending", "In the drawer": "held", "held": "pending"}
PRIORITIES = {"Gold": 1, "Lead": 4}
WORDS = SourceVocabulary(STATUSES, PRIORITIES)
Said = tuple[str, int, str, str | None, str | None]
"""Kind of notification, minute, problem, status, priority."""
TABLES = {  # bodies keep priorities as they were read: they are written again with the next pass
    "current": "select id, status, status_raw, priority, deleted_at from bridge.service_problem where source_id = $1",
    "versions": """
        select problem_id, effective_at, kind, status, superseded
        from bridge.service_problem_version where source_id = $1""",
    "statuses": """
        select
            problem_id, effective_at, status, status_raw, stated_at, observed_at, confirmed_at, via, partial, superseded
        from bridge.status_change where source_id = $1""",
}


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def entry(source_id: int, said: Said, vocabulary: SourceVocabulary) -> Entry:
    kind, minute, problem_id, status, priority = said
    problem: dict[str, Any] = {"id": problem_id}
    if kind != "delete":
        problem |= {name: value for name, value in (("status", status), ("priority", priority)) if value is not None}
    if kind == "whole":
        problem |= {"href": f"/serviceProblem/{problem_id}", "name": "dark", "lastUpdate": at(minute).isoformat()}
        problem |= {"category": "c", "description": "no light", "reason": "cut", "originatingSystem": "NMS"}
        problem |= {"creationDate": at(0).isoformat(), "statusChangeDate": at(minute).isoformat()}
    body = {
        "eventType": "ServiceProblemDeleteEvent" if kind == "delete" else "ServiceProblemAttributeValueChangeEvent",
        "eventTime": at(minute).isoformat(),
        "event": {"serviceProblem": problem},
    }
    seen = wire.read_notification(orjson.dumps(body), received_at=at(60), vocabulary=vocabulary)
    return Entry(source_id, seen.observation)


async def stored(database: Database, source_id: int, history: list[Said], vocabulary: SourceVocabulary) -> None:
    async with database.transaction() as connection:
        for said in history:
            await store(connection, [entry(source_id, said, vocabulary)])


async def rows(database: Database, source_id: int) -> dict[str, list[str]]:
    async with database.connection() as connection:
        return {
            name: sorted(repr(dict(row)) for row in await connection.fetch(query, source_id))
            for name, query in TABLES.items()
        }


async def forget_everything(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            """
            delete from bridge.service_problem; delete from bridge.service_problem_version; delete from bridge.change;
            delete from bridge.status_change; delete from bridge.vocabulary_walk"""
        )


@pytest.fixture
async def upkeep(rig_for: Callable[..., Awaitable[Rig]], database: Database) -> Callable[..., VocabularyUpkeep]:
    rig = await rig_for("http://127.0.0.1:9", push=False)
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('known from the start')")

    def make(vocabulary: SourceVocabulary = WORDS) -> VocabularyUpkeep:
        rig.source.vocabulary = vocabulary
        return VocabularyUpkeep(rig.source, database, Metrics())

    return make


async def other_source(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("select id from bridge.source where name = 'known from the start'"))


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["whole", "whole", "part", "delete"]),
        st.integers(0, 6),
        st.sampled_from(["SP-1", "SP-2"]),
        st.sampled_from([None, *STATUSES, "closed", "Brewing"]),
        st.sampled_from([None, *PRIORITIES, "3", "Tin"]),
    ),
    max_size=8,
    unique_by=lambda said: (said[1], said[2]),
)


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=HISTORIES)
@example(
    [
        ("whole", 1, "SP-1", "In the drawer", "Gold"),
        ("whole", 2, "SP-1", "Awaiting vendor", "Gold"),
        ("part", 3, "SP-1", "held", None),
    ]
)
async def test_c8_what_is_stored_becomes_as_if_the_words_had_been_known(
    database: Database, upkeep: Callable[..., VocabularyUpkeep], history: list[Said]
) -> None:
    await forget_everything(database)
    job = upkeep()
    await stored(database, job.source.source_id, history, BUILT_IN)
    other = await other_source(database)
    await stored(database, other, history, WORDS)
    async with database.connection() as connection:
        last = await connection.fetchval("select coalesce(max(id), 0) from bridge.change")
    changed = await job.run_once()
    found = await rows(database, job.source.source_id)
    assert found == await rows(database, other)
    query = "select count(distinct p) from bridge.change as c, unnest(c.problem_ids) as p where c.id > $1"
    async with database.connection() as connection:
        assert await connection.fetchval(query, last) == changed, "followers see each problem that changed"
    assert await job.run_once() == 0, "once is enough"


async def test_back_to_the_built_in_words_is_a_change_too(
    database: Database, upkeep: Callable[..., VocabularyUpkeep]
) -> None:
    history: list[Said] = [("whole", 1, "SP-1", "In the drawer", None), ("whole", 2, "SP-2", "held", None)]
    job = upkeep()
    await stored(database, job.source.source_id, history, BUILT_IN)
    before = await rows(database, job.source.source_id)
    assert await job.run_once() == 2
    assert await rows(database, job.source.source_id) != before
    assert await upkeep(BUILT_IN).run_once() == 2
    assert await rows(database, job.source.source_id) == before


async def test_two_words_that_change_places_keep_their_rows(
    database: Database, upkeep: Callable[..., VocabularyUpkeep]
) -> None:
    """Both hold since the same moment, so each takes the key of the other."""
    job = upkeep(BUILT_IN)
    history: list[Said] = [("part", 1, "SP-1", "held", None), ("part", 1, "SP-1", "pending", None)]
    await stored(database, job.source.source_id, history, BUILT_IN)
    swapped = SourceVocabulary({"held": "pending", "pending": "held"})
    await upkeep(swapped).run_once()
    async with database.connection() as connection:
        found = await connection.fetch("select status_raw, status from bridge.status_change")
    assert {row["status_raw"]: row["status"] for row in found} == {"held": "pending", "pending": "held"}


async def test_a_walk_that_was_interrupted_goes_on_where_it_was(
    database: Database, upkeep: Callable[..., VocabularyUpkeep], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary_upkeep, "_PROBLEMS", 2)
    job = upkeep()
    await stored(
        database,
        job.source.source_id,
        [("whole", 1, f"SP-{number}", "In the drawer", None) for number in range(5)],
        BUILT_IN,
    )
    async with database.transaction() as connection:
        await lease.take(connection, LEADER, "other", seconds=60)
    job.source.fence.token = 0
    with pytest.raises(LeaseLostError):
        await job.run_once()
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.service_problem where status = 'held'") == 0

    job.source.fence = _EndsAfter(2)
    with pytest.raises(LeaseLostError):
        await job.run_once()
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.service_problem where status = 'held'") == 4
    job.source.fence = LeaderFence()
    assert await job.run_once() == 5, "those of before the interruption count too"
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.service_problem where status = 'held'") == 5


class _EndsAfter(LeaderFence):
    """Loses the lease after some transactions."""

    def __init__(self, transactions: int) -> None:
        super().__init__()
        self.left = transactions

    async def hold(self, connection: Any) -> None:  # noqa: ARG002 -- as it is called
        if not self.left:
            raise LeaseLostError("gone")
        self.left -= 1


async def test_nothing_is_written_where_nothing_means_something_else(
    database: Database, upkeep: Callable[..., VocabularyUpkeep]
) -> None:
    job = upkeep(SourceVocabulary({"Never seen": "held"}))
    await stored(database, job.source.source_id, [("whole", 1, "SP-1", "held", None)], BUILT_IN)
    query = "select xmin::text from bridge.service_problem union all select xmax::text from bridge.service_problem"
    async with database.connection() as connection:
        before = await connection.fetch(query)
        assert await job.run_once() == 0
        assert await connection.fetch(query) == before, "not even locked"
