"""*Service problems*: open problems, their age, flow, time to resolve, and the services they affect.

From schema `report` alone, as role bridge_reader. Figures over everything come from `report.resolution` and
`report.daily_flow`, which are kept as summaries; lists of elements are read for open problems only.
"""

import re
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from grafana.panels import Panel, Sql, bars, board, chosen_by_sql, datasource, ranking, rows, series, single

UID = "tmf656-service-problems"
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _read(path: Path) -> dict[str, str]:
    """Statements by name, as `sql/queries` has them."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    return {name: sql.strip().removesuffix(";") for name, sql in zip(parts[::2], parts[1::2], strict=True)}


_ASKED = _read(Path(__file__).with_suffix(".sql"))


def build() -> Dashboard:
    """Return the dashboard."""
    page = (
        board(
            UID,
            "TMF656 bridge / Service problems",
            "Open problems, their age, flow, time to resolve, and the services they affect.",
            since="now-30d",
            refresh="5m",
        )
        .with_variable(datasource("grafana-postgresql-datasource", "PostgreSQL data source"))
        .with_variable(chosen_by_sql("source", "Source", _ASKED["sources"]))
    )
    for title, panels in (
        ("Now", _now()),
        ("What is open", _open()),
        ("How much comes and goes", _flow()),
        ("Whom it affects", _affected()),
        ("One by one", _lists()),
    ):
        page = page.with_row(Row(title))
        for panel in panels:
            page = page.with_panel(panel)
    return page


def _now() -> tuple[Panel, ...]:
    return (
        single(
            "Open",
            "Problems that exist and are not resolved, closed, cancelled or rejected.",
            "short",
            Sql(_ASKED["open_now"]),
        ),
        single(
            "Open, priority 1 and 2",
            "Open problems with priority 1 or 2.",
            "short",
            Sql(_ASKED["urgent_now"]),
            steps=((None, "green"), (1, "orange")),
        ),
        single(
            "Held or pending",
            "Open problems whose work is paused: held or pending.",
            "short",
            Sql(_ASKED["waiting_now"]),
        ),
        single(
            "Resolved",
            "Problems resolved in the chosen time.",
            "short",
            Sql(_ASKED["resolved"]),
        ),
        single(
            "Median time to resolve",
            "Median over the problems resolved in the chosen time, pauses included.",
            "s",
            Sql(_ASKED["median_time_to_resolve"]),
        ),
        single(
            "Reopened",
            "Share of the problems resolved in the chosen time that had been resolved before.",
            "percentunit",
            Sql(_ASKED["reopened"]),
        ),
    )


def _open() -> tuple[Panel, ...]:
    return (
        bars(
            "Open by age and priority",
            "How long ago the open problems were raised.",
            "short",
            Sql(_ASKED["open_by_age"]),
            x="age",
            colours={"priority 1, 2": "red", "3 to 5": "orange", "lower": "blue"},
        ),
        bars(
            "Open by status",
            "Number of open problems by status.",
            "short",
            Sql(_ASKED["open_by_status"]),
            x="status",
        ),
        rows(
            "Time to resolve by category and priority",
            "Problems resolved in the chosen time: number, median and 90th percentile.",
            Sql(_ASKED["time_to_resolve_by_category"]),
            width=8,
            units={"median": "s", "p90": "s"},
        ),
    )


def _flow() -> tuple[Panel, ...]:
    return (
        series(
            "Created, resolved, reopened",
            "Problems per day (UTC).",
            "short",
            Sql(_ASKED["flow"], shape="time_series"),
            bars=True,
        ),
        series(
            "Open at the end of the day",
            "The backlog. It grows where more is created and reopened than resolved.",
            "short",
            Sql(_ASKED["backlog"], shape="time_series"),
        ),
        series(
            "Time to resolve",
            "By the day of the resolution: median and 90th percentile.",
            "s",
            Sql(_ASKED["time_to_resolve"], shape="time_series"),
        ),
    )


def _affected() -> tuple[Panel, ...]:
    return (
        ranking(
            "Services with the most open problems",
            "Affected services of open problems, by name or else by id.",
            "short",
            Sql(_ASKED["affected_services"]),
        ),
        ranking(
            "Places with the most open problems",
            "Affected locations of open problems, by name or else by id.",
            "short",
            Sql(_ASKED["affected_places"]),
        ),
        series(
            "How changes were found",
            "Changes per hour, by push, poll or reconcile; poll and reconcile find what push missed.",
            "short",
            Sql(_ASKED["found_by"], shape="time_series"),
            bars=True,
            stacked=True,
        ),
    )


def _lists() -> tuple[Panel, ...]:
    return (
        rows(
            "Open for the longest time",
            "The oldest open problems.",
            Sql(_ASKED["oldest"]),
            units={"age": "s", "waited": "s"},
        ),
        rows(
            "Reopened most",
            "Problems of the chosen time that were reopened most often.",
            Sql(_ASKED["reopened_most"]),
        ),
    )
