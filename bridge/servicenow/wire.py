"""A record of a table → a version 4 problem. Pure.

A record comes with each column as a text, or as `{"value", "display_value"}`. Only columns that have a value are kept:
for ServiceNow an empty text and none are the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from bridge.domain.ticket_system import characteristics_of
from bridge.servicenow.status import status_of

NEEDED: Final = (
    "sys_id",
    "number",
    "state",
    "hold_reason",
    "resolution_code",
    "sys_created_on",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
    "correlation_id",
    "short_description",
    "description",
    "priority",
    "category",
    "resolved_at",
    "closed_at",
    "caller_id",
    "opened_by",
    "assignment_group",
    "assigned_to",
)
"""Columns that are always read."""
_PARTIES: Final = (
    ("caller_id", "caller", "Individual"),
    ("opened_by", "opener", "Individual"),
    ("assigned_to", "assignee", "Individual"),
    ("assignment_group", "assignmentGroup", "Organization"),
)


class TableRecord(Struct, frozen=True):
    """A record as it came: `values` by column, `names` the display values of those that are shown otherwise."""

    values: dict[str, str]
    names: dict[str, str]


def record_in(columns: Mapping[str, Any]) -> TableRecord:
    """Read the columns of a record, however the request had them written."""
    values: dict[str, str] = {}
    names: dict[str, str] = {}
    for column, written in columns.items():
        value, shown = written, None
        if isinstance(written, dict):
            value, shown = written.get("value"), written.get("display_value")
        text = _text(value)
        if text:
            values[column] = text
        if isinstance(shown, str) and shown and shown != text:
            names[column] = shown
    return TableRecord(values, names)


def item_of(
    record: TableRecord,
    table: str,
    status_map: Mapping[str, str],
    notes: Sequence[Mapping[str, Any]] = (),
    *,
    href: str | None = None,
) -> dict[str, Any]:
    """Return a record as a version 4 problem; the whole record is its list `characteristic`. `href`: for people."""
    values, names = record.values, record.names
    parties = [_party(record, column, role, kind) for column, role, kind in _PARTIES if column in values]
    by_role = {party["role"]: party for party in parties}
    resolved_at = values.get("resolved_at") or values.get("closed_at", "")
    priority = values.get("priority", "")
    item: dict[str, Any] = {
        "id": values.get("sys_id", ""),
        "href": href,
        "@type": "ServiceProblem",
        "name": values.get("short_description"),
        "description": values.get("description") or values.get("short_description"),
        "category": names.get("category") or values.get("category") or table,
        "priority": int(priority) if priority.isascii() and priority.isdigit() else priority or None,
        "status": status_of(table, values, status_map) or None,
        "creationDate": instant_of(values.get("sys_created_on", "")),
        "lastUpdate": instant_of(values.get("sys_updated_on", "")),
        "resolutionDate": instant_of(resolved_at),
        "externalIdentifier": _identifiers(values),
        "originatorParty": by_role.get("caller") or by_role.get("opener"),
        "responsibleParty": by_role.get("assignmentGroup") or by_role.get("assignee"),
        "relatedParty": parties or None,
        "affectedService": _reference(record, "business_service"),
        "affectedResource": _reference(record, "cmdb_ci"),
        "affectedLocation": _reference(record, "location"),
        "note": list(notes) or None,
        "characteristic": characteristics_of(values),
    }
    return {name: value for name, value in item.items() if value is not None}


def instant_of(text: str) -> str | None:
    """Write `2026-11-30 10:00:00`, which is UTC, as an ISO 8601 instant; another text stays, an empty one is None."""
    date, blank, time = text.strip().partition(" ")
    if not date:
        return None
    return f"{date}T{time}Z" if blank and len(date) == 10 and len(time) == 8 else text


def _text(value: object) -> str:
    """A column as text; a reference that came with its link is its sys_id."""
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _party(record: TableRecord, column: str, role: str, kind: str) -> dict[str, str]:
    party = {"id": record.values[column], "role": role, "@referredType": kind}
    return party | ({"name": record.names[column]} if column in record.names else {})


def _identifiers(values: Mapping[str, str]) -> list[dict[str, str]] | None:
    found = [
        {"id": values[column], "owner": "servicenow", "externalIdentifierType": kind}
        for column, kind in (("number", "number"), ("correlation_id", "correlationId"))
        if column in values
    ]
    return found or None


def _reference(record: TableRecord, column: str) -> list[dict[str, str]] | None:
    if column not in record.values:
        return None
    return [{"id": record.values[column]} | ({"name": record.names[column]} if column in record.names else {})]
