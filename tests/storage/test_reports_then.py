"""What was true then: `report.service_problem_at` is what a replay up to that time gives."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bridge.domain import timestamp
from bridge.domain.observation import Via
from bridge.domain.service_problem import columns_of
from bridge.domain.vocabulary import whole_number
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire
from bridge.tmf656.wire.shapes import time

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RELAXED = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NOT_OF_THEN = {"first_seen_at", "last_seen_at", "last_changed_via", "known_since"}
"""Columns about what the bridge did; what it did up to then is not what it knows today."""


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def notified(kind: str, payload: dict[str, Any], minute: float) -> Entry:
    body = {
        "eventType": f"ServiceProblem{kind}Event",
        "eventTime": at(minute).isoformat(),
        "event": {"serviceProblem": payload},
    }
    return Entry(1, wire.read_notification(orjson.dumps(body), received_at=at(60)).observation)


def answered(problem: dict[str, Any], asked: float) -> Entry:
    return Entry(1, wire.read_problem(problem, asked_at=at(asked), via=Via.POLL))


def whole(status: str, minute: float, problem_id: str = "SP-1", **more: Any) -> dict[str, Any]:
    return {
        "id": problem_id,
        "href": "/serviceProblem/SP-1",
        "name": "dark",
        "category": "supplier.originated",
        "description": "no light",
        "reason": "cut",
        "originatingSystem": "NMS",
        "status": status,
        "creationDate": at(0).isoformat(),
        "statusChangeDate": at(minute).isoformat(),
        "lastUpdate": at(minute).isoformat(),
        **more,
    }


async def replayed(database: Database, entries: list[Entry], query: str, *args: object) -> list[dict[str, Any]]:
    """Store everything in this order, ask, and forget it again."""
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("insert into bridge.source (name) values ('snow') on conflict do nothing")
            source_id = await connection.fetchval("select id from bridge.source")
            await store(connection, [Entry(source_id, entry.observation) for entry in entries])
            return [dict(row) for row in await connection.fetch(query, *args)]
        finally:
            await transaction.rollback()


LIVING = "select * from report.service_problem where deleted_at is null order by id"
THEN = "select * from report.service_problem_at($1) where known_since <= $1 order by id"
"""Without what is known of a problem by its dates alone."""
VERSIONS = """
select id, status, body from report.service_problem_version
where valid_from <= $1 and (valid_to is null or valid_to > $1) order by id
"""

ODD: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from([1, "2", 3.0, "x", None, "4.0", 2**40]),
        "affectedNumberOfServices": st.sampled_from([5, "6", "many"]),
        "affectedService": st.sampled_from([[{"id": "a"}, {"id": "b"}], {"id": "a"}, []]),
        "originatorParty": st.sampled_from([{"id": "1", "name": "ACME"}, {"id": "1"}, "ACME"]),
        "responsibleParty": st.sampled_from([{"id": "2"}, None]),
        "externalIdentifier": st.sampled_from([[{"id": "X"}], [], "X"]),
        "resolutionDate": st.sampled_from(["2026-06-01 12:03:00,5+0200", "soon", 1_780_000_000, 1_780_000_000_123]),
        "status": st.sampled_from(["In Progress - Held", "Brewing", 7]),
    },
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, Entry]]:
    """Notifications of two problems in any order, with the minute since when it holds: whole, in part, deleted."""
    timed: list[tuple[float, Entry]] = []
    for number in range(draw(st.integers(1, 8))):
        minute = draw(st.integers(0, 6)) + number / 100 * draw(st.integers(0, 1))
        problem_id = draw(st.sampled_from(["SP-1", "SP-1", "SP-2"]))
        kind = draw(st.sampled_from(["whole", "whole", "part", "delete"]))
        if kind == "whole":
            status = draw(st.sampled_from(["acknowledged", "held", "resolved", "closed"]))
            entry = notified("AttributeValueChange", whole(status, minute, problem_id) | draw(ODD), minute)
        elif kind == "part":
            patch: dict[str, Any] = draw(st.sampled_from([{"description": None}, {"status": "held"}, {"priority": 9}]))
            entry = notified("AttributeValueChange", {"id": problem_id, **patch, "vendor": number}, minute)
        else:
            entry = notified("Delete", {"id": problem_id}, minute)
        timed.append((minute, entry))
    return timed


def of_then(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in NOT_OF_THEN} for row in rows]


@RELAXED
@given(timed=histories(), minute=st.sampled_from([-1, 0, 1, 2, 3, 4, 5, 6, 7]))
@example(  # a patch brings no deleted problem back, a whole statement does
    timed=[
        (0, notified("Create", whole("held", 0), 0)),
        (1, notified("Delete", {"id": "SP-1"}, 1)),
        (2, notified("AttributeValueChange", {"id": "SP-1", "priority": 1}, 2)),
        (3, notified("AttributeValueChange", whole("held", 3), 3)),
    ],
    minute=2,
)
async def test_as_of_a_time_is_a_replay_up_to_that_time(
    database: Database, timed: list[tuple[float, Entry]], minute: float
) -> None:
    then = await replayed(database, [entry for _, entry in timed], THEN, at(minute))
    assert of_then(then) == of_then(await replayed(database, [e for since, e in timed if since <= minute], LIVING))


@RELAXED
@given(timed=histories())
async def test_as_of_the_end_is_what_is_now(database: Database, timed: list[tuple[float, Entry]]) -> None:
    entries = [entry for _, entry in timed]
    assert of_then(await replayed(database, entries, THEN, at(100))) == of_then(
        await replayed(database, entries, LIVING)
    )


@RELAXED
@given(timed=histories(), minute=st.sampled_from([-1, 0, 1, 2, 3, 4, 5, 6, 7, 100]))
@example(  # a patch, and then the older deletion of a problem nothing else is known of
    timed=[
        (2, notified("AttributeValueChange", {"id": "SP-1", "priority": 1}, 2)),
        (1, notified("Delete", {"id": "SP-1"}, 1)),
    ],
    minute=100,
)
async def test_the_versions_that_hold_at_a_time_are_the_problems_of_that_time(
    database: Database, timed: list[tuple[float, Entry]], minute: float
) -> None:
    entries = [entry for _, entry in timed]
    problems = await replayed(database, entries, THEN, at(minute))
    assert await replayed(database, entries, VERSIONS, at(minute)) == [
        {name: row[name] for name in ("id", "status", "body")} for row in problems
    ]


@settings(parent=RELAXED, max_examples=100)
@given(
    changes=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["held", "resolved"])), min_size=1, max_size=5),
    patches=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=3),
    minute=st.integers(0, 8),
)
async def test_patches_that_an_answer_has_overtaken_were_never_true(
    database: Database, changes: list[tuple[int, str]], patches: list[tuple[int, int]], minute: int
) -> None:
    """Answers to questions among patches; up to any time, what holds until then says the same as all there is."""
    times = [minute for minute, _ in changes]
    assume(len(set(times)) == len(times))
    timed = [(m, answered(whole(status, m), 10 + n)) for n, (m, status) in enumerate(sorted(changes))]
    timed += [(m, notified("AttributeValueChange", {"id": "SP-1", "priority": priority}, m)) for m, priority in patches]
    then = await replayed(database, [entry for _, entry in timed], THEN, at(minute))
    assert of_then(then) == of_then(await replayed(database, [e for since, e in timed if since <= minute], LIVING))


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        yield connection


async def test_what_became_known_late_was_true_then(connection: Connection) -> None:
    for entry in (notified("Create", whole("acknowledged", 0), 0), notified("StateChange", whole("resolved", 10), 10)):
        await store(connection, [entry])
    assert [row["status"] for row in await connection.fetch(THEN, at(5))] == ["acknowledged"]
    await store(connection, [notified("StateChange", whole("held", 4), 4)])
    (row,) = await connection.fetch(THEN, at(5))
    assert (row["status"], row["status_changed_at"], row["last_changed_via"]) == ("held", at(4), "push")
    assert (row["first_seen_at"], row["last_seen_at"]) == (at(60), at(60))
    assert await connection.fetch(THEN, at(-1)) == []


async def test_a_deleted_problem_is_listed_until_it_was_deleted(connection: Connection) -> None:
    await store(connection, [notified("Create", whole("held", 0), 0)])
    await store(connection, [notified("Delete", {"id": "SP-1"}, 10)])
    assert [row["id"] for row in await connection.fetch(THEN, at(9.99))] == ["SP-1"]
    assert await connection.fetch(THEN, at(10)) == []


async def test_the_history_of_one_problem_is_read_by_key_by_whoever_asks(connection: Connection) -> None:
    """Postgres as people meet it: every kind of plan allowed."""
    await connection.execute(
        "set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on"
    )
    await connection.execute(
        """
        insert into bridge.service_problem
            (source_id, revision, effective_at, observed_at, first_seen_at, last_seen_at, id, via, status, body)
        select 1, 1, $1::timestamptz, $1, $1, $1, 'SP-' || n, 'push', 'held', '{}'
        from generate_series(1, 5000) as n""",
        NOON,
    )
    await connection.execute(
        """
        insert into bridge.service_problem_version
            (source_id, effective_at, observed_at, problem_id, kind, via, status, content_hash, body)
        select
            1, $1::timestamptz + k * interval '1 minute', $1::timestamptz, 'SP-' || n, 'full', 'push', 'held', 'x', '{}'
        from generate_series(1, 5000) as n, generate_series(1, 3) as k""",
        NOON,
    )
    await connection.execute(
        """
        insert into bridge.status_change (source_id, effective_at, stated_at, observed_at, problem_id, status, via)
        select 1, $1::timestamptz + k * interval '1 minute', $1::timestamptz, $1, 'SP-' || n, 'held', 'push'
        from generate_series(1, 5000) as n, generate_series(1, 3) as k""",
        NOON,
    )
    await connection.execute("analyze bridge.service_problem, bridge.service_problem_version, bridge.status_change")
    for relation in (
        "report.service_problem_version",
        "report.status_interval",
        "report.resolution",
        "report.affected_service",
        "report.service_problem_at('2026-06-01 12:02+00')",
    ):
        rows = await connection.fetch(f"explain select * from {relation} where source = 'snow' and id = 'SP-77'")  # noqa: S608 -- names of our own
        plan = "\n".join(row[0] for row in rows)
        assert "_pkey" in plan, plan
        for table in ("service_problem", "service_problem_version", "status_change"):
            assert f"Seq Scan on {table} " not in plan, plan
            assert f"Bitmap Heap Scan on {table} " not in plan or "problem_id = 'SP-77'" in plan, plan


# -- values out of bodies

FORMS = st.builds(
    lambda at, sep, style, fraction, zone: at.strftime(style).replace("T", sep) + fraction * style.endswith("S") + zone,
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001 -- the zone is written behind it
    st.sampled_from(["T", "t", " ", "_"]),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y%m%dT%H%M%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
    st.sampled_from(["", ".5", ",123456789", ".000001", "."]),
    st.sampled_from(["", "Z", "z", "+02:00", "-0730", "+14", " UTC", "GMT", "+24:00", "-23:59"]),
)
CLOCKS = st.builds(
    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}".format,
    st.integers(0, 2030),
    st.integers(0, 13),
    st.integers(0, 32),
    st.integers(0, 25),
    st.integers(0, 60),
    st.integers(0, 61),
    st.sampled_from(["Z", "", "+01:00"]),
)
COUNTS = st.one_of(
    st.integers(-(10**16), 10**17),
    st.integers(0, 4 * 10**12).map(lambda n: n / 1000),
    st.integers(0, 10**17).map(str),
    st.integers(10**8, 10**10).map(lambda n: f"{n}.25"),
)


@settings(parent=RELAXED, max_examples=100)
@given(values=st.lists(st.one_of(FORMS, CLOCKS, COUNTS, st.text("0123456789- ", max_size=18)), min_size=5, max_size=30))
@example(
    values=["0001-01-01T00:00:00+00:01", "9999-12-31T24:00:00Z", "2024-02-29T23:59:60Z", "2023-02-29", "20260101+02"]
)
@example(
    values=[True, None, {}, [], "", "soon", " 2026-06-01T12:00:00Z ", 1e300, -1e300, 99_999_999_999, 100_000_000_000]
)
@example(values=[253_402_214_399, 253_402_214_400, "253402300799", 253_402_300_800.5, 253_402_300_801])
async def test_instants_are_read_as_the_bridge_reads_them(database: Database, values: list[Any]) -> None:
    """A body holds odd times in the plain form that `time` gives them."""
    found_in = [timestamp.read(value) for value in values]
    expected = [None if found is None or found.unset else found.at for found in found_in]
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select bridge.parse_timestamp(u.value) "
            "from unnest($1::jsonb[]) with ordinality as u (value, n) order by u.n",
            [orjson.dumps(time(value)) for value in values],
        )
    for value, read, (found,) in zip(values, expected, rows, strict=True):
        if isinstance(value, float) and read is not None and found is not None:
            assert abs(found - read) <= timedelta(microseconds=1), value
        else:
            assert found == read, value


@RELAXED
@given(
    value=st.one_of(
        st.integers(-(2**33), 2**33),
        st.floats(-1e12, 1e12, allow_nan=False).map(lambda number: round(number, 3)),
        st.integers(-(2**33), 2**33).map(lambda number: f" {number}.0 "),
        st.sampled_from(["1e3", "+7", ".5", "5.", "x", "", None, True, [], {}, "2147483648", "-2147483648"]),
    )
)
async def test_whole_numbers_are_read_as_the_bridge_reads_them(database: Database, value: Any) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("select bridge.parse_integer($1)", orjson.dumps(value)) == whole_number(value)


async def test_a_text_where_a_number_is_expected_agrees_with_the_current_row(connection: Connection) -> None:
    problem = whole("held", 0, priority="7", affectedNumberOfServices="2")
    await store(connection, [notified("Create", problem, 0)])
    (row,) = await connection.fetch(THEN, at(1))
    columns = columns_of(problem)
    assert (row["priority"], row["affected_services"]) == (columns.priority, columns.affected_services) == (7, 2)
