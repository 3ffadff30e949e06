"""What changed of a problem, value by value; and the lists of a problem, with a view each."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.domain.observation import Via
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OF_LINKS = {"link", "outbox", "write", "conflict", "link_note", "sync_quality", "linked_problem", "link_drift"}
"""Views of two-way synchronisation, in which two tickets stand side by side."""
CHILDREN = {
    "affected_location",
    "affected_resource",
    "affected_service",
    "characteristic",
    "external_identifier",
    "note",
    "parent_problem",
    "related_party",
    "root_cause",
    "tracking_record",
    "trouble_ticket",
    "underlying_alarm",
    "underlying_problem",
}


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


async def say(connection: Connection, minute: float, via: Via = Via.POLL, **more: Any) -> None:
    problem = {"id": "SP-1", "status": "held", "lastUpdate": at(minute).isoformat()} | more
    await store(connection, [Entry(1, wire.read_problem(problem, asked_at=at(minute), via=via))])


async def delete(connection: Connection, minute: float) -> None:
    event = {
        "eventType": "ServiceProblemDeleteEvent",
        "eventTime": at(minute).isoformat(),
        "event": {"serviceProblem": {"id": "SP-1"}},
    }
    await store(connection, [Entry(1, wire.read_notification(orjson.dumps(event), received_at=at(minute)).observation)])


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        yield connection


async def changes(connection: Connection) -> list[tuple[Any, ...]]:
    rows = await connection.fetch(
        """
        select changed_at, attribute, old #>> '{}', new #>> '{}', via from report.change
        where source = 'snow' and id = 'SP-1' and attribute <> 'lastUpdate' order by changed_at, attribute"""
    )
    return [tuple(row) for row in rows]


async def test_g3_a_change_has_the_value_before_and_after(connection: Connection) -> None:
    await say(connection, 0, priority=2, responsibleParty={"name": "Ann"})
    await say(connection, 5, via=Via.RECONCILE, priority=1, responsibleParty={"name": "Bob"}, description="no light")
    await say(connection, 9, priority=1, responsibleParty={"name": "Bob"}, status="resolved")
    assert await changes(connection) == [
        (at(5), "description", None, "no light", "reconcile"),
        (at(5), "priority", "2", "1", "reconcile"),
        (at(5), "responsibleParty", '{"name": "Ann"}', '{"name": "Bob"}', "reconcile"),
        (at(9), "description", "no light", None, "poll"),
        (at(9), "status", "held", "resolved", "poll"),
    ]


async def test_g3_late_information_changes_what_the_next_change_started_from(connection: Connection) -> None:
    await say(connection, 0, priority=3)
    await say(connection, 9, priority=1)
    await say(connection, 5, via=Via.PUSH, priority=2)
    assert [(row[0], row[2], row[3]) for row in await changes(connection)] == [(at(5), "3", "2"), (at(9), "2", "1")]


async def test_g3_coming_back_after_a_deletion_is_no_change(connection: Connection) -> None:
    await say(connection, 0, priority=3)
    await delete(connection, 5)
    await say(connection, 9, priority=1)
    assert await changes(connection) == []


async def test_g4_every_list_of_references_has_a_view(connection: Connection) -> None:
    await say(
        connection,
        0,
        rootCauseService=[{"id": "S1", "name": "Ring"}],
        rootCauseResource=[{"id": "R1", "name": "pe1", "@referredType": "Router"}, "R2"],
        parentProblem=[{"id": "SP-9", "href": "https://x/SP-9"}],
        underlyingProblem=[{"id": "SP-7", "name": "fibre cut"}],
        underlyingAlarm=[{"id": "A1"}],
        externalIdentifier=[{"id": "INC1", "owner": "desk", "externalIdentifierType": "incident"}, {"id": "INC2"}],
    )
    found = {
        view: [tuple(row) for row in await connection.fetch(f"select {columns} from report.{view} order by 1, 2")]  # noqa: S608 -- names from here
        for view, columns in {
            "root_cause": "kind, cause_id, name, type",
            "parent_problem": "parent_id, href",
            "underlying_problem": "underlying_id, name",
            "underlying_alarm": "alarm_id, position",
            "external_identifier": "external_id, owner, type",
        }.items()
    }
    assert found == {
        "root_cause": [
            ("resource", "R1", "pe1", "Router"),
            ("resource", "R2", None, None),
            ("service", "S1", "Ring", None),
        ],
        "parent_problem": [("SP-9", "https://x/SP-9")],
        "underlying_problem": [("SP-7", "fibre cut")],
        "underlying_alarm": [("A1", 1)],
        "external_identifier": [("INC1", "desk", "incident"), ("INC2", None, None)],
    }


async def test_g5_the_parts_of_deleted_problems_say_that_they_are(connection: Connection) -> None:
    await say(
        connection,
        0,
        affectedLocation=["north"],
        affectedResource=["R"],
        affectedService=["S"],
        characteristic=["c"],
        externalIdentifier=["X"],
        note=["seen"],
        parentProblem=["P"],
        relatedParty=["ACME"],
        rootCauseService=["S"],
        trackingRecord=["t"],
        troubleTicket=["T"],
        underlyingAlarm=["A"],
        underlyingProblem=["U"],
    )
    for since in (None, at(5)):
        if since is not None:
            await delete(connection, 5)
        for view in CHILDREN:
            row = await connection.fetchrow(f"select source, id, deleted_at from report.{view}")  # noqa: S608 -- from above
            assert row is not None, view
            assert tuple(row) == ("snow", "SP-1", since), view


async def test_g5_every_view_about_problems_names_them_by_source_and_id(connection: Connection) -> None:
    rows = await connection.fetch(
        """
        select c.relname as view, array_agg(a.attname::text) as columns
        from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'report'::regnamespace and c.relkind = 'v' group by c.relname"""
    )
    columns = {row["view"]: set(row["columns"]) for row in rows}
    assert set(columns) >= CHILDREN
    counted = {"daily_flow", "hourly_change", "push_quality"}
    assert {view for view, names in columns.items() if not {"source", "id"} <= names} == counted | OF_LINKS
    assert all("rule" in columns[view] for view in OF_LINKS)


async def test_g6_every_view_says_what_its_key_is_and_what_to_join_it_with(connection: Connection) -> None:
    rows = await connection.fetch(
        """
        select c.relname, obj_description(c.oid) as remark from pg_class as c
        where c.relnamespace = 'report'::regnamespace and c.relkind = 'v'"""
    )
    assert {row["relname"] for row in rows if "Joins: report." not in row["remark"]} <= {
        "daily_flow",
        "service_problem",
    }
    assert {row["relname"] for row in rows if "Key: source" not in row["remark"]} == {"notification"} | OF_LINKS
    assert all("Key: " in row["remark"] for row in rows if row["relname"] in OF_LINKS)
