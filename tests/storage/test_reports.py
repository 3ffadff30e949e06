"""Lists of problems as rows, how well push does, and that bridge_reader can read and understand them."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.storage import partition
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LISTS = {
    "affected_service": "affectedService",
    "affected_resource": "affectedResource",
    "affected_location": "affectedLocation",
    "related_party": "relatedParty",
    "note": "note",
    "characteristic": "characteristic",
    "trouble_ticket": "troubleTicket",
    "tracking_record": "trackingRecord",
}


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection in a transaction; source 1 is `snow`, known since a minute before NOON."""
    async with database.transaction() as connection:
        await connection.execute(
            "insert into bridge.source (name, created_at) values ('snow', $1), ('oss', $1)", at(-1)
        )
        yield connection


async def say(
    connection: Connection,
    minute: float = 0,
    *,
    via: Via = Via.POLL,
    later: float = 0,
    holding: Mapping[str, object] | None = None,
    **problem: object,
) -> None:
    """Store an answer about SP-1 that holds since that minute, asked for `later` minutes after."""
    whole = {"id": "SP-1", "status": "held", "lastUpdate": at(minute).isoformat(), **problem, **(holding or {})}
    await store(connection, [Entry(1, wire.read_problem(whole, asked_at=at(minute + later), via=via))])


async def rows(
    connection: Connection, view: str, *, but: tuple[str, ...] = ("source", "id", "body")
) -> list[dict[str, Any]]:
    """The rows of a list, without the columns that are null in all of them."""
    found = await connection.fetch(f"select * from report.{view} order by position")  # noqa: S608 -- names out of LISTS
    held = [{name: value for name, value in row.items() if name not in but} for row in found]
    return [{name: value for name, value in row.items() if value is not None} for row in held]


async def test_references_in_the_shapes_of_every_version(connection: Connection) -> None:
    await say(
        connection,
        affectedService=[
            {"id": "S1", "href": "/s/1", "name": "Ring", "@referredType": "Service"},
            {"id": 7, "@type": "VPN"},
        ],
        affectedResource=[{"id": "R1", "name": "PE router", "referredType": "Router"}],
        affectedLocation=[
            {"id": "L1", "name": "Lyon", "role": "site"},
            {
                "role": "end",
                "@type": "RelatedPlaceRefOrValue",
                "place": {"id": "L2", "name": "Lille", "@type": "PlaceRef"},
            },
        ],
        relatedParty=[
            {"id": "P1", "href": "/p/1", "name": "ACME", "role": "supplier", "@referredType": "Organization"},
            {
                "role": "customer",
                "partyOrPartyRole": {"id": "r9", "partyId": "P2", "partyName": "Banque", "@type": "PartyRoleRef"},
            },
        ],
        associatedTroubleTicket=[{"id": "T1", "href": "/t/1", "name": "no light"}],
    )
    assert await rows(connection, "affected_service") == [
        {"position": 1, "service_id": "S1", "href": "/s/1", "name": "Ring", "type": "Service"},
        {"position": 2, "service_id": "7", "type": "VPN"},
    ]
    assert await rows(connection, "affected_resource") == [
        {"position": 1, "resource_id": "R1", "name": "PE router", "type": "Router"}
    ]
    assert await rows(connection, "affected_location") == [
        {"position": 1, "location_id": "L1", "name": "Lyon", "role": "site"},
        {"position": 2, "location_id": "L2", "name": "Lille", "role": "end", "type": "PlaceRef"},
    ]
    assert await rows(connection, "related_party") == [
        {"position": 1, "party_id": "P1", "href": "/p/1", "name": "ACME", "role": "supplier", "type": "Organization"},
        {"position": 2, "party_id": "P2", "name": "Banque", "role": "customer", "type": "PartyRoleRef"},
    ]
    assert await rows(connection, "trouble_ticket") == [
        {"position": 1, "ticket_id": "T1", "href": "/t/1", "name": "no light"}
    ]


async def test_notes_records_and_characteristics_in_the_shapes_of_every_version(connection: Connection) -> None:
    await say(
        connection,
        note=[
            {"id": "1", "date": "2026-06-01T14:00:00+02:00", "author": "Aline", "text": "on the way"},
            {"comment": "arrived", "time": "20260601T1230", "user": "Bruno", "systemId": "NMS"},
            {"text": "sampled", "author": {"id": "7", "name": "Chiara"}, "date": "yesterday"},
        ],
        extensionInfo=[
            {"name": "region", "value": "north"},
            {"id": "c", "name": "sla", "valueType": "object", "value": {"hours": 4}},
        ],
        trackingRecord=[
            {"id": "r", "description": "raised", "time": "2026-06-01T12:00:00Z", "user": "robot", "systemId": "ITSM"},
            {"description": "accepted", "time": None},
        ],
    )
    assert await rows(connection, "note") == [
        {"position": 1, "note_id": "1", "written_at": NOON, "author": "Aline", "text": "on the way"},
        {"position": 2, "written_at": at(30), "author": "Bruno", "system": "NMS", "text": "arrived"},
        {"position": 3, "author": "Chiara", "text": "sampled"},
    ]
    assert await rows(connection, "characteristic") == [
        {"position": 1, "name": "region", "value": "north"},
        {"position": 2, "characteristic_id": "c", "name": "sla", "value_type": "object", "value": '{"hours": 4}'},
    ]
    assert await rows(connection, "tracking_record") == [
        {
            "position": 1,
            "record_id": "r",
            "description": "raised",
            "recorded_at": NOON,
            "author": "robot",
            "system": "ITSM",
        },
        {"position": 2, "description": "accepted"},
    ]


@pytest.mark.parametrize("view", LISTS)
async def test_a_single_object_is_a_list_of_one(connection: Connection, view: str) -> None:
    await say(connection, holding={LISTS[view]: {"id": "X", "vendor": 1}})
    (row,) = await connection.fetch(f"select * from report.{view}")  # noqa: S608 -- names out of LISTS
    assert (row["source"], row["id"], row["position"]) == ("snow", "SP-1", 1)
    assert orjson.loads(row["body"]) == {"id": "X", "vendor": 1}
    assert "X" in dict(row).values()


@pytest.mark.parametrize("view", LISTS)
@pytest.mark.parametrize("value", [None, [], [None]])
async def test_an_empty_list_has_no_rows(connection: Connection, view: str, value: object) -> None:
    await say(connection, holding={LISTS[view]: value})
    assert await rows(connection, view) == []


@pytest.mark.parametrize(
    ("view", "column"),
    [
        ("affected_service", "service_id"),
        ("affected_resource", "resource_id"),
        ("affected_location", "name"),
        ("related_party", "name"),
        ("note", "text"),
        ("characteristic", "name"),
        ("trouble_ticket", "ticket_id"),
        ("tracking_record", "description"),
    ],
)
async def test_what_is_no_object_is_read_as_the_word_people_would_have_meant(
    connection: Connection, view: str, column: str
) -> None:
    await say(connection, holding={LISTS[view]: ["one", None, 2, {}, ["deep"], True]})
    assert await rows(connection, view) == [
        {"position": 1, column: "one"},
        {"position": 3, column: "2"},
        {"position": 4},
        {"position": 5, column: '["deep"]'},
        {"position": 6, column: "true"},
    ]
    await say(connection, 1, holding={LISTS[view]: "one"})
    assert await rows(connection, view) == [{"position": 1, column: "one"}]


async def test_lists_are_those_of_now_and_say_that_their_problem_is_deleted(connection: Connection) -> None:
    await say(connection, affectedService=[{"id": "S1"}, {"id": "S2"}])
    await say(connection, 1, affectedService=[{"id": "S2"}])
    assert [row["service_id"] for row in await rows(connection, "affected_service")] == ["S2"]
    gone = {
        "eventType": "ServiceProblemDeleteEvent",
        "eventTime": at(9).isoformat(),
        "event": {"serviceProblem": {"id": "SP-1"}},
    }
    await store(connection, [Entry(1, wire.read_notification(orjson.dumps(gone), received_at=at(9)).observation)])
    assert [(row["service_id"], row["deleted_at"]) for row in await rows(connection, "affected_service")] == [
        ("S2", at(9))
    ]


# -- how well push does


async def log_arrival(connection: Connection, outcome: str, minute: float, delay: float | None) -> None:
    """Log a notification that arrived at that minute, so many seconds after the event."""
    await connection.execute(
        "insert into bridge.notification (source_id, received_at, event_time, outcome) values (1, $1, $2, $3)",
        at(minute),
        None if delay is None else at(minute) - timedelta(seconds=delay),
        outcome,
    )


@pytest.fixture
async def log(connection: Connection) -> None:
    """Room for the notifications of the day."""
    await partition.ensure(connection, [NOON.date()])


async def quality(connection: Connection) -> list[tuple[Any, ...]]:
    found = await connection.fetch("select * from report.push_quality order by source, hour")
    return [tuple(row) for row in found]


async def test_changes_are_counted_by_the_way_they_were_found_and_the_hour(connection: Connection) -> None:
    for minute, via in (
        (0, Via.PUSH),
        (1, Via.PUSH),
        (2, Via.POLL),
        (3, Via.RECONCILE),
        (4, Via.REFETCH),
        (5, Via.PUSH),
    ):
        await say(connection, minute, via=via)
    await say(connection, 6, via=Via.PUSH, later=60)
    await say(connection, 70, via=Via.REFETCH, later=100)
    await connection.execute("insert into bridge.push_outcome values (1, $1, 1, 1), (1, $2, 7, 0)", NOON, at(180))
    assert await quality(connection) == [
        ("snow", NOON, 3, 1, 1, 1, 1 / 5, None, None, 1, 1),
        ("snow", at(60), 1, 0, 0, 0, 0, None, None, 0, 0),
        ("snow", at(120), 0, 0, 0, 1, None, None, None, 0, 0),
        ("snow", at(180), 0, 0, 0, 0, 1, None, None, 7, 0),
    ]
    assert [tuple(row) for row in await connection.fetch("select * from report.hourly_change order by hour")] == [
        ("snow", NOON, 3, 1, 1, 1),
        ("snow", at(60), 1, 0, 0, 0),
        ("snow", at(120), 0, 0, 0, 1),
    ]


async def test_the_same_change_told_again_another_way_was_found_by_the_first(connection: Connection) -> None:
    for via in (Via.PUSH, Via.POLL, Via.RECONCILE, Via.REFETCH):
        await say(connection, via=via, later=1)
    assert await quality(connection) == [("snow", NOON, 1, 0, 0, 0, 0, None, None, 0, 0)]


async def test_what_was_so_before_the_source_was_known_and_deletions_are_no_misses(connection: Connection) -> None:
    await say(connection, -2, via=Via.RECONCILE, later=3)
    assert await quality(connection) == []
    gone = Observation(
        "SP-1", Kind.TOMBSTONE, Via.RECONCILE, at(10), at(10), stamped=False, body=b"{}", content_hash=TOMBSTONE_HASH
    )
    await store(connection, [Entry(1, gone)])
    assert await connection.fetchval("select count(*) from report.service_problem where deleted_at is not null") == 1
    assert await quality(connection) == []


async def test_the_delay_is_that_of_notifications_heard_for_the_first_time(connection: Connection, log: None) -> None:
    for delay in (1, 2, 3, 4, 100):
        await log_arrival(connection, "applied", 5, delay)
    await log_arrival(connection, "duplicate", 5, 999)
    await log_arrival(connection, "dead_letter", 5, 999)
    await log_arrival(connection, "applied", 5, None)
    await log_arrival(connection, "unchanged", 65, -2)
    await log_arrival(connection, "stale", 65, 0)
    assert await quality(connection) == [
        ("snow", NOON, 0, 0, 0, 0, None, 3, pytest.approx(4 + 0.8 * 96), 0, 0),
        ("snow", at(60), 0, 0, 0, 0, None, -1, pytest.approx(-0.1), 0, 0),
    ]


async def test_hours_are_counted_in_utc_whatever_the_zone_of_the_reader(connection: Connection) -> None:
    await say(connection, 29, via=Via.PUSH)
    await connection.execute("set local time zone 'Asia/Kolkata'")
    assert (await quality(connection))[0][1] == NOON


# -- for people


async def test_every_view_and_column_and_function_of_report_is_explained(connection: Connection) -> None:
    silent = await connection.fetch(
        """
        select c.oid::regclass::text || coalesce('.' || a.attname, '') as name
        from pg_class as c
        left join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0
        where
            c.relnamespace in ('report'::regnamespace, 'bridge'::regnamespace) and c.relkind in ('v', 'r')
            and (obj_description(c.oid, 'pg_class') is null or col_description(c.oid, a.attnum) is null)
        union all
        select p.oid::regprocedure::text from pg_proc as p
        where
            p.pronamespace in ('report'::regnamespace, 'bridge'::regnamespace)
            and obj_description(p.oid, 'pg_proc') is null"""
    )
    assert [row["name"] for row in silent] == []


async def test_the_reader_reads_every_report_and_asks_what_was_then_but_names_nothing_private(
    connection: Connection,
) -> None:
    await say(connection, note=[{"text": "x", "date": NOON.isoformat()}], creationDate=NOON.isoformat())
    views = await connection.fetch(
        "select oid::regclass::text as name from pg_class where relnamespace = 'report'::regnamespace"
    )
    await connection.execute("set local role bridge_reader")
    for view in views:
        await connection.fetch(f"select * from {view['name']}")  # noqa: S608 -- names out of the catalog
    (row,) = await connection.fetch("select * from report.service_problem_at($1) where source = 'snow'", at(1))
    assert (row["id"], row["created_at"]) == ("SP-1", NOON)
    for private in ("bridge.valid_version", "bridge.known_problem", "bridge.status_entry"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.fetch(f"select * from {private}")  # noqa: S608 -- names from above


async def test_an_hour_of_a_long_history_is_found_by_its_index(connection: Connection) -> None:
    """Postgres as people meet it: every kind of plan allowed."""
    await connection.execute(
        "set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on"
    )
    await connection.execute(
        """
        insert into bridge.service_problem_version
            (source_id, effective_at, observed_at, problem_id, kind, via, status, content_hash, body)
        select
            1, $1::timestamptz + n * interval '10 seconds', $1 + n * interval '10 seconds', 'SP-' || n, 'full', 'push',
            'held', 'x', jsonb_build_object('description', repeat('no light ', 60))
        from generate_series(1, 30000) as n""",
        NOON,
    )
    await connection.execute("analyze bridge.service_problem_version")
    for view in ("push_quality", "hourly_change"):
        plan = await connection.fetch(
            f"explain select * from report.{view} where source = 'snow' and hour >= $1::timestamptz",  # noqa: S608 -- ours
            at(4900),
        )
        text = "\n".join(row[0] for row in plan)
        assert "service_problem_version_hour_idx" in text
        assert "service_problem_version_pkey" not in text, "nearly all versions are from after the source was first met"
