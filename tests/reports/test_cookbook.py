"""Every ready-made query, run as the role that people get, says what the lives made by hand say."""

import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from bridge.domain.observation import Via
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire
from tests.reports.cookbook import Report, ago, cookbook, markdown, midnight, run, store_lives

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "sql/reports/README.md"
EXPECTED = {
    "affected_resources": [("R1", "pe1", "Router", "2"), ("R2", "pe2", "Router", "1")],
    "affected_services": [("S1", "Ring 1", "2", "1"), ("S2", "Ring 2", "1", "3")],
    "backlog": [
        ("held", "1", "0", "0", "1", "9"),
        ("inProgress", "1", "0", "1", "0", "1"),
        ("pending", "1", "0", "1", "0", "3"),
    ],
    "backlog_at": [("1", "held", "1", "0", "4")],
    "changes": [
        ("2026-06-14 12:00", "snow", "SP-3", "status", "acknowledged", "inProgress", "poll"),
        ("2026-06-13 00:00", "snow", "SP-2", "status", "acknowledged", "pending", "push"),
        ("2026-06-12 12:00", "snow", "SP-2", "status", "submitted", "acknowledged", "push"),
        ("2026-06-11 00:00", "snow", "SP-4", "status", "resolved", "closed", "push"),
        ("2026-06-10 14:24", "snow", "SP-5", "responsibleParty", "Field", "Desk", "push"),
        ("2026-06-10 14:24", "snow", "SP-5", "status", "inProgress", "resolved", "push"),
        ("2026-06-10 12:00", "snow", "SP-5", "responsibleParty", "Desk", "Field", "push"),
        ("2026-06-10 12:00", "snow", "SP-5", "status", "held", "inProgress", "push"),
        ("2026-06-10 09:36", "snow", "SP-5", "responsibleParty", "Field", "Desk", "push"),
        ("2026-06-10 09:36", "snow", "SP-5", "status", "inProgress", "held", "push"),
        ("2026-06-10 04:48", "snow", "SP-5", "responsibleParty", "Desk", "Field", "push"),
        ("2026-06-10 04:48", "snow", "SP-5", "status", "held", "inProgress", "push"),
        ("2026-06-10 02:24", "snow", "SP-5", "status", "acknowledged", "held", "push"),
        ("2026-06-10 00:00", "snow", "SP-4", "status", "inProgress", "resolved", "push"),
    ],
    "daily_flow": [
        ("2026-06-15", "0", "0", "0", "0", "0", "0", "3"),
        ("2026-06-14", "1", "0", "0", "0", "0", "0", "3"),
        ("2026-06-13", "0", "0", "0", "0", "0", "0", "2"),
        ("2026-06-12", "1", "0", "0", "0", "0", "0", "2"),
        ("2026-06-11", "0", "0", "1", "0", "0", "0", "1"),
        ("2026-06-10", "1", "2", "0", "0", "0", "0", "1"),
        ("2026-06-09", "0", "0", "0", "1", "1", "0", "2"),
        ("2026-06-08", "1", "0", "0", "0", "0", "0", "2"),
        ("2026-06-07", "0", "0", "0", "0", "0", "0", "1"),
        ("2026-06-06", "1", "1", "0", "0", "0", "0", "1"),
        ("2026-06-05", "1", "0", "0", "0", "0", "0", "1"),
        ("2026-06-04", "0", "0", "0", "0", "0", "1", "0"),
        ("2026-06-03", "1", "0", "0", "0", "0", "0", "1"),
    ],
    "export": [
        (
            *("snow", "SP-4", "", "closed", "1", "supplier.originated", "cut", "", "", ""),
            *("2026-06-05 00:00", "2026-06-05 00:00", "2026-06-10 00:00", "2026-06-11 00:00"),
            *("120.00", "0.00", "0.00", "1", "1", "", "2026-06-05 00:00"),
        )
    ],
    "flapping": [("snow", "SP-5", "resolved", "6")],
    "flapping_services": [
        ("Ring 1", "3", "0", "2026-06-12 00:00"),
        ("Ring 2", "2", "1", "2026-06-14 00:00"),
        ("Ring 3", "2", "0", "2026-06-10 00:00"),
    ],
    "longest_held": [("snow", "SP-1", "held", "1", "8", "0"), ("snow", "SP-2", "pending", "2", "0", "2")],
    "open_by_region": [("north", "2", "2"), ("south", "1", "0")],
    "parties": [("customer", "ACME", "2"), ("customer", "Banque", "1")],
    "pending_by_customer": [("ACME", "2", "2", "8"), ("Banque", "0", "1", "0")],
    "push_quality": [("snow", "14", "0", "1", "0.067", "1", "0", "")],
    "reasons": [("cut", "1", "1", "120.0"), ("power", "1", "1", "14.4")],
    "reassignments": [("Desk", "Field", "2", "1"), ("Field", "Desk", "2", "1")],
    "reopened": [("snow", "SP-4", "1", "closed", "supplier.originated", "1")],
    "since_yesterday": [
        ("2026-06-14 12:00", "snow", "SP-3", "inProgress", "status"),
        ("2026-06-14 00:00", "snow", "SP-3", "acknowledged", ""),
    ],
    "sla_breaches": [
        ("snow", "SP-1", "1", "held", "24", "8", "yes"),
        ("snow", "SP-4", "1", "closed", "24", "4", "no"),
        ("snow", "SP-2", "2", "pending", "48", "1", "yes"),
    ],
    "story": [
        ("2026-06-05 00:00", "push", "first known, acknowledged"),
        ("2026-06-05 12:00", "push", "status: acknowledged → inProgress"),
        ("2026-06-06 00:00", "push", "status: inProgress → resolved"),
        ("2026-06-09 00:00", "push", "status: resolved → inProgress"),
        ("2026-06-10 00:00", "push", "status: inProgress → resolved"),
        ("2026-06-11 00:00", "push", "status: resolved → closed"),
    ],
    "time_in_status": [
        ("inProgress", "4", "43.2", "10.8"),
        ("acknowledged", "2", "14.4", "7.2"),
        ("held", "2", "4.8", "2.4"),
    ],
    "time_to_resolve": [
        ("supplier.originated", "1", "1", "120.0", "120.0"),
        ("supplier.originated", "2", "1", "14.4", "14.4"),
    ],
    "time_to_resolve_by_week": [
        ("2026-06-08", "1", "1", "120.0", "120.0"),
        ("2026-06-08", "2", "1", "14.4", "14.4"),
    ],
    "yesterday": [("snow", "2026-06-14", "1", "0", "0", "0", "0", "0", "3", "2026-06-07", "1", "0", "2")],
}
"""Worked out by hand from the lives."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """As bridge_reader, in a transaction, with the lives stored."""
    async with database.transaction() as connection:
        await store_lives(connection)
        await connection.execute("set local role bridge_reader")
        yield connection


@pytest.mark.parametrize("report", cookbook(), ids=lambda report: report.name)
async def test_a_ready_made_query_says_what_happened(connection: Connection, report: Report) -> None:
    assert [tuple(row.values()) for row in await run(connection, report)] == EXPECTED[report.name]


async def test_the_days_add_up(connection: Connection) -> None:
    (report,) = (one for one in cookbook() if one.name == "daily_flow")
    days = [{name: int(value) for name, value in row.items() if name != "day"} for row in await run(connection, report)]
    for day, before in pairwise(days):
        came, went = day["created"] + day["reopened"], day["resolved"] + day["cancelled"] + day["deleted"]
        assert day["open"] == before["open"] + came - went


async def test_a_role_is_found_however_the_source_writes_it(connection: Connection) -> None:
    by_name = {report.name: report for report in cookbook()}
    await connection.execute("set local report.role = 'CUSTOMER'")
    assert len(await run(connection, by_name["parties"])) == 2
    assert len(await run(connection, by_name["pending_by_customer"])) == 2


async def test_parameters_are_settings_of_the_session(connection: Connection) -> None:
    by_name = {report.name: report for report in cookbook()}
    await connection.execute("set local report.rows = 1")
    assert [row["id"] for row in await run(connection, by_name["longest_held"])] == ["SP-1"]
    await connection.execute("set local report.days = 3")
    assert await run(connection, by_name["time_to_resolve"]) == []
    for report in by_name.values():
        for one in report.parameters:
            assert f"report.parameter('{one.name}', '{one.default}')" in report.sql, report.name


async def test_every_query_answers_in_another_time_zone(connection: Connection) -> None:
    await connection.execute("set local report.time_zone = 'Pacific/Kiritimati'")
    for report in cookbook():
        await run(connection, report)
    by_name = {report.name: report for report in cookbook()}
    first = (await connection.fetch(by_name["daily_flow"].sql))[0]
    assert first["day"] == datetime.now(ZoneInfo("Pacific/Kiritimati")).date()


async def test_limits_are_those_that_are_set_for_each_priority(connection: Connection) -> None:
    (report,) = (one for one in cookbook() if one.name == "sla_breaches")
    await connection.execute("set local report.limits = '1=200, 4=1'")
    assert [(row["id"], row["allowed_hours"]) for row in await run(connection, report)] == [("SP-1", "200")]


async def test_the_story_of_a_deleted_problem_ends_with_its_deletion(connection: Connection) -> None:
    (report,) = (one for one in cookbook() if one.name == "story")
    for name, value in (("source", "snow"), ("id", "SP-7")):
        await connection.execute("select set_config('report.' || $1, $2, true)", name, value)
    assert [row["what"] for row in await connection.fetch(report.sql)] == [
        "first known, acknowledged",
        "deleted at its source",
    ]


async def test_the_story_tells_of_a_list_what_came_and_what_went(database: Database) -> None:
    (report,) = (one for one in cookbook() if one.name == "story")
    notes = [{"id": f"N{number}", "date": "2026-06-01T00:00:00Z", "text": f"note {number}"} for number in (1, 2)]
    services = [{"id": "S1", "name": "Ring 1"}, {"id": "S2"}]
    problems: list[dict[str, Any]] = [
        {"note": notes[:1], "affectedService": services[:1]},
        {"note": notes, "affectedService": services[1:]},
        {"note": notes[::-1], "affectedService": services[1:]},
        {"note": notes[::-1], "affectedService": [services[1] | {"role": "primary"}]},
        {"note": notes[::-1]},
        {"note": notes[::-1], "characteristic": [{"name": "cost", "value": "150"}]},
        {"note": notes[::-1], "characteristic": [{"name": "cost", "value": "2900"}]},
    ]
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        for number, lists in enumerate(problems):
            at = midnight() + timedelta(minutes=number)
            problem = {"id": "SP-1", "status": "held", "lastUpdate": at.isoformat()} | lists
            await store(connection, [Entry(1, wire.read_problem(problem, asked_at=at, via=Via.POLL))])
        for name, value in (("source", "snow"), ("id", "SP-1")):
            await connection.execute("select set_config('report.' || $1, $2, true)", name, value)
        assert [row["what"] for row in await connection.fetch(report.sql)] == [
            "first known, held",
            "affectedService: + S2, - Ring 1; note: + note 2",
            "note: reordered",
            "affectedService: + S2",
            "affectedService: - S2",
            "characteristic: + cost: 150",
            "characteristic: + cost: 2900, - cost: 150",
        ]
        (changes,) = (one for one in cookbook() if one.name == "changes")
        changed = [row["old"] for row in await connection.fetch(changes.sql) if row["attribute"] == "characteristic"]
        assert changed == ["cost: 150", None]


@pytest.mark.parametrize("stands_still", [False, True], ids=["without", "that-stand-still"])
async def test_changes_are_found_at_a_server_without_update_times(database: Database, stands_still: bool) -> None:
    stamp = {"lastUpdate": ago(400).isoformat(), "creationDate": ago(400).isoformat()} if stands_still else {}
    lives = [
        ("held", "Desk", []),
        ("pending", "Field", ["one"]),
        ("held", "Desk", ["one", "two"]),
        ("pending", "Desk", []),
    ]
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('dma')")
        for number, (status, team, notes) in enumerate(lives):
            problem = stamp | {"id": "T-1", "status": status, "responsibleParty": {"name": team}}
            problem["note"] = [{"id": text, "text": text} for text in notes]
            body = {
                "eventType": "ServiceProblemAttributeValueChangeEvent",
                "eventTime": (midnight() + timedelta(seconds=number)).isoformat(),
                "event": {"serviceProblem": problem},
            }
            at = midnight() + timedelta(seconds=number)
            notification = wire.read_notification(orjson.dumps(body), received_at=at)
            await store(connection, [Entry(1, notification.observation)])
        by_name = {report.name: report for report in cookbook()}

        async def rows(name: str) -> list[tuple[Any, ...]]:
            return [tuple(row.values()) for row in await connection.fetch(by_name[name].sql)]

        assert [row[1] for row in await rows("export")] == ["T-1"]
        assert [row[:2] for row in await rows("flapping")] == [("dma", "T-1")]
        assert {row[:2] for row in await rows("reassignments")} == {("Desk", "Field"), ("Field", "Desk")}
        assert len(await rows("since_yesterday")) == 4
        notes_changed = [row[4:6] for row in await rows("changes") if row[3] == "note"]
        assert notes_changed == [("one, two", None), (None, "two"), (None, "one")]


async def test_the_page_shows_what_the_queries_say(connection: Connection) -> None:
    page = markdown({report.name: await run(connection, report) for report in cookbook()})
    if os.environ.get("WRITE_PAGE"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page
