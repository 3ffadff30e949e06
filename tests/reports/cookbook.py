"""The ready-made queries of `sql/reports`, run on a small data set made by hand; and the page that shows them.

`sql/reports/README.md` shows what the queries say of it: `WRITE_PAGE=1 python -m pytest tests/reports` writes it, and
without WRITE_PAGE the same test proves it. All lives lie before today's midnight, and the page shows days as if today
were `SHOWN_TODAY`, so it stays the same.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bridge.domain.observation import Via
from bridge.storage.database import Connection
from bridge.storage.observation import Entry, store
from bridge.storage.queries import sql_dir
from bridge.tmf656 import wire

SHOWN_TODAY = date(2026, 6, 15)
_HEADER = re.compile(r"-- (?P<title>.+)\n-- (?P<question>.+)\n(?P<parameters>(?:-- parameter: .+\n)*)")
_PARAMETER = re.compile(r"-- parameter: (?P<name>\w+) =(?P<default>[^:]*): (?P<meaning>.+)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What `set report.NAME` sets. A default of nothing means all, or that it has to be set."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Report:
    """One file: what it is called, what it answers, which parameters it takes, and the statement."""

    name: str
    title: str
    question: str
    parameters: tuple[Parameter, ...]
    sql: str


def cookbook(directory: Path | None = None) -> list[Report]:
    """Read all ready-made queries."""
    return [_read(path) for path in sorted((directory or sql_dir() / "reports").glob("*.sql"))]


def _read(path: Path) -> Report:
    text = path.read_text(encoding="utf-8")
    header = _HEADER.match(text)
    assert header, f"{path.name} does not begin with its title and the question it answers"
    parameters = tuple(
        Parameter(found["name"], found["default"].strip(), found["meaning"])
        for line in header["parameters"].splitlines()
        if (found := _PARAMETER.fullmatch(line))
    )
    assert len(parameters) == header["parameters"].count("\n"), f"{path.name}: a parameter cannot be read"
    return Report(path.stem, header["title"], header["question"], parameters, text[header.end() :])


def midnight() -> datetime:
    """Start of today, in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def ago(days: float) -> datetime:
    """So many days before today's midnight."""
    return midnight() - timedelta(days=days)


Population = Mapping[str, tuple[dict[str, Any], Sequence[tuple[str, float]]]]

LIVES: Population = {
    "SP-1": ({"priority": 1, "service": 1, "place": "north", "customer": "ACME"}, [("acknowledged", 9), ("held", 8)]),
    "SP-2": (
        {"priority": 2, "service": 1, "place": "north", "customer": "ACME"},
        [("submitted", 3), ("acknowledged", 2.5), ("pending", 2)],
    ),
    "SP-3": (
        {"priority": 3, "service": 2, "place": "south", "customer": "Banque"},
        [("acknowledged", 1), ("inProgress", 0.5)],
    ),
    "SP-4": (
        {"priority": 1, "service": 2, "place": "south", "customer": "Banque"},
        [("acknowledged", 10), ("inProgress", 9.5), ("resolved", 9), ("inProgress", 6), ("resolved", 5), ("closed", 4)],
    ),
    "SP-5": (
        {"priority": 2, "service": 3, "place": "south", "customer": "ACME", "teams": {"inProgress": "Field"}},
        [
            ("acknowledged", 5),
            ("held", 4.9),
            ("inProgress", 4.8),
            ("held", 4.6),
            ("inProgress", 4.5),
            ("resolved", 4.4),
        ],
    ),
    "SP-6": (
        {"priority": 2, "service": 3, "place": "north", "customer": "Banque"},
        [("submitted", 7), ("rejected", 6)],
    ),
    "SP-7": ({"priority": 4, "service": 1, "place": "north", "customer": "ACME"}, [("acknowledged", 12)]),
}
"""Attributes of each problem, and its statuses with the days before today's midnight at which it came into them."""

DELETED = {"SP-7": 11.0}
FOUND_BY_POLL = {("SP-3", 0.5)}

GIVEN: Mapping[str, Mapping[str, str]] = {
    "backlog_at": {"day": f"{ago(5):%Y-%m-%d}"},
    "changes": {"days": "5"},
    "export": {"status": "closed"},
    "story": {"source": "snow", "id": "SP-4"},
    "time_to_resolve_by_week": {"first_day": str(midnight().isoweekday())},
}
"""Parameters that the page and the test set."""


def _problem(problem_id: str, about: Mapping[str, Any], raised: float, status: str, days: float) -> dict[str, Any]:
    return {
        "id": problem_id,
        "description": "no light",
        "reason": "cut" if about["service"] < 3 else "power",
        "category": "supplier.originated" if about["priority"] < 3 else "serviceProvider.declarer",
        "priority": about["priority"],
        "status": status,
        "creationDate": ago(raised).isoformat(),
        "lastUpdate": ago(days).isoformat(),
        "statusChangeDate": ago(days).isoformat(),
        "affectedService": [{"id": f"S{about['service']}", "name": f"Ring {about['service']}"}],
        "affectedResource": [
            {"id": f"R{about['service']}", "name": f"pe{about['service']}", "@referredType": "Router"}
        ],
        "affectedLocation": [{"name": about["place"]}],
        **({"responsibleParty": {"name": about["teams"].get(status, "Desk")}} if "teams" in about else {}),
        "relatedParty": [{"id": about["customer"].lower(), "name": about["customer"], "role": "customer"}],
    }


async def store_lives(connection: Connection) -> None:
    """Put all lives through the door, in the order in which it happened."""
    await connection.execute("insert into bridge.source (name, created_at) values ('snow', $1)", ago(20))
    entries: list[tuple[float, Entry]] = []
    for problem_id, (about, steps) in LIVES.items():
        for status, days in steps:
            problem = _problem(problem_id, about, steps[0][1], status, days)
            via = Via.POLL if (problem_id, days) in FOUND_BY_POLL else Via.PUSH
            entries.append((days, _entry(problem, days, via)))
    entries += [(days, _entry({"id": problem_id}, days, Via.PUSH, "Delete")) for problem_id, days in DELETED.items()]
    for _, entry in sorted(entries, key=lambda one: -one[0]):
        await store(connection, [entry])
    missed = "insert into bridge.push_outcome values (1, date_trunc('hour', $1::timestamptz), 1, 0)"
    for _, days in FOUND_BY_POLL:
        await connection.execute(missed, ago(days))


def _entry(problem: dict[str, Any], days: float, via: Via, kind: str = "AttributeValueChange") -> Entry:
    arrived = ago(days) + timedelta(seconds=2)
    if via is not Via.PUSH:
        return Entry(1, wire.read_problem(problem, asked_at=arrived, via=via))
    envelope = {
        "eventType": f"ServiceProblem{kind}Event",
        "eventTime": ago(days).isoformat(),
        "event": {"serviceProblem": problem},
    }
    notification = wire.read_notification(orjson.dumps(envelope), received_at=arrived)
    return Entry(1, notification.observation)


async def run(connection: Connection, report: Report) -> list[dict[str, Any]]:
    """Run one as people do, with what `GIVEN` sets; instants and days are shifted to `SHOWN_TODAY`."""
    for name, value in GIVEN.get(report.name, {}).items():
        await connection.execute("select set_config('report.' || $1, $2, true)", name, value)
    rows = [dict(row) for row in await connection.fetch(report.sql)]
    for name in GIVEN.get(report.name, {}):
        await connection.execute("select set_config('report.' || $1, '', true)", name)
    return [{name: _shown(value) for name, value in row.items()} for row in rows]


def _shown(value: Any) -> Any:
    """The value as the page has it."""
    shift = SHOWN_TODAY - midnight().date()
    if isinstance(value, datetime):
        return f"{value + shift:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return f"{value + shift}"
    return "" if value is None else str(value)


def markdown(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """The page: every query with what it answers, its parameters and what it says of the small data set."""
    text = [
        "# Ready-made queries",
        "",
        "Each file runs as it is, in any program, as `bridge_reader`. `tmf656-bridge report` lists them and runs one;",
        "elsewhere parameters are settings of the session:",
        "",
        "```",
        "tmf656-bridge report time_to_resolve --set days=7",
        "tmf656-bridge psql -f sql/reports/backlog.sql",
        """tmf656-bridge psql -c "set report.days = 7" -f sql/reports/time_to_resolve.sql""",
        "```",
        "",
        "Days begin in the time zone that `select report.set_time_zone('Europe/Paris')` has set for all, or",
        "`set report.time_zone = 'Europe/Paris'` for this session; UTC without either.",
        "",
        "Of the time before the bridge first read a source only the dates are known that its problems carry. What they",
        "do not say is null and nowhere guessed; the column `known_since` of the views says since when more is known.",
        "",
        "The rows shown are those of the few lives in `tests/reports/cookbook.py`, on 15 June 2026.",
        "`WRITE_PAGE=1 python -m pytest tests/reports` writes this page.",
    ]
    for report in cookbook():
        text += ["", f"## {report.title}", "", f"{report.question} [`{report.name}.sql`]({report.name}.sql)", ""]
        text += [f"* `report.{one.name}`{_default(one)}: {one.meaning}" for one in report.parameters]
        text += [""] if report.parameters else []
        text += table(found[report.name])
    return "\n".join(text) + "\n"


def _default(parameter: Parameter) -> str:
    return f" ({parameter.default})" if parameter.default else ""


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as a table in Markdown."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]
