"""How "changed since" is written in a query; servers know one of these ways, or none."""

from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote


class FilterStyle(StrEnum):
    """A way of writing it. Some servers ignore what they do not know, some refuse it, and some fail."""

    NONE = "none"
    DOT_GTE = "dot_gte"
    """`lastUpdate.gte=…` (TMF630 part 1, 4.4)."""
    OPERATOR = "operator"
    """`lastUpdate>=…` with the operator, percent-encoded, in the name (same place)."""
    JSONPATH = "jsonpath"
    """`filter=[?(@.lastUpdate>='…')]` (TMF630 part 6)."""
    SYSPARM = "sysparm"
    """`sysparm_query=…^sys_updated_on>=2026-11-23 10:00:00`, of a gateway before ServiceNow."""


def filter_query(style: FilterStyle, attribute: str, changed_since: datetime) -> str:
    """Return the percent-encoded query part that asks for rows whose `attribute` is `changed_since` or later.

    It is empty for NONE.
    """
    literal = time_literal(changed_since)
    match style:
        case FilterStyle.NONE:
            return ""
        case FilterStyle.DOT_GTE:
            return f"{attribute}.gte={quote(literal, safe='')}"
        case FilterStyle.OPERATOR:
            return f"{attribute}%3E%3D{quote(literal, safe='')}"
        case FilterStyle.JSONPATH:
            return "filter=" + quote(f"[?(@.{attribute}>='{literal}')]", safe="")
        case FilterStyle.SYSPARM:
            return sysparm_query("", changed_since)


def sysparm_query(query: str, changed_since: datetime | None = None, *conditions: str) -> str:
    """Return the percent-encoded query part with an encoded query, a bound in whole seconds of UTC, and conditions."""
    since = "" if changed_since is None else changed_since.astimezone(UTC).strftime("sys_updated_on>=%Y-%m-%d %H:%M:%S")
    text = "^".join(part for part in (query, since, *conditions) if part)
    return f"sysparm_query={quote(text, safe='')}" if text else ""


def update_attribute(version: str) -> str:
    """Name the attribute that holds the last update in `version` ("2" to "5"; anything else counts as 4)."""
    return "timeChanged" if version in {"2", "3"} else "lastUpdate"


def time_literal(at: datetime) -> str:
    """Write an instant as `2026-11-23T10:00:00.123Z`, rounded down to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
