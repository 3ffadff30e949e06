"""Runs the queries of the panels without Grafana: replaces variables and macros and sends the queries unchanged.

The committed JSON is what is read, so that tests and pictures speak of what Grafana is given.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DASHBOARDS = Path(__file__).parent / "dashboards"
_FILTER = re.compile(r"\$__timeFilter\(([\w.]+)\)")


@dataclass(frozen=True, slots=True)
class Window:
    """The time a person has chosen, in seconds since 1970, and how often there is a point in it."""

    begin: float
    end: float
    step_seconds: float


def dashboards() -> dict[str, dict[str, Any]]:
    """Return the committed dashboards by file name without its ending."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Go through the panels of a dashboard that show something."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel


def promql(expr: str, *, rate_interval: str) -> str:
    """Return the query with everything chosen."""
    expr = expr.replace("$__rate_interval", rate_interval)
    return re.sub(r"\$(job|instance|source|rule)\b", ".+", expr)


def sql(statement: str, window: Window, sources: Sequence[str]) -> str:
    """Return the statement for a time and sources, as Grafana's Postgres data source rewrites it."""
    begin, end = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (window.begin, window.end))
    statement = _FILTER.sub(rf"\1 BETWEEN '{begin}' AND '{end}'", statement)
    quoted = ",".join("'" + source.replace("'", "''") + "'" for source in sources)
    return statement.replace("${source:sqlstring}", quoted)
