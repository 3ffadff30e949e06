"""Rows of service problems → tickets as rules see them."""

import re
from typing import Any, Final
from urllib.parse import urljoin

import orjson
from msgspec.structs import replace

from bridge.domain.link.field import Value
from bridge.domain.link.rule import MappedField
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.domain.status import Status
from bridge.domain.ticket_system import Record, record_of
from bridge.storage.link_ticket import TicketRow, TicketVersion

TMF656: Final = "tmf656"
"""The kind of system whose records are the bodies that are stored."""
_VERSIONS: Final = {TMF656: "lastUpdate", "servicenow": "sys_mod_count", "dataminer-api": "version"}
_KEY: Final = re.compile(rb'"(tb-[a-z2-7]{26})"')


def ticket_of_row(row: TicketRow, source: str, kind: str, address: str = "") -> SideTicket:
    """Return a ticket; `kind`, `address`: those of its source."""
    body = orjson.loads(row.body)
    href = body.get("href")
    return SideTicket(
        id=row.id,
        source=source,
        record=_record(body, row.status, kind),
        status=row.status,
        revision=row.revision,
        deleted=row.deleted_at is not None,
        url=_absolute(href, address) if isinstance(href, str) else None,
        via=row.via,
        created_at=row.created_at,
        updated_at=row.updated_at,
        status_changed_at=row.status_changed_at,
        observed_at=row.observed_at,
        note=body.get("note"),
        keys=frozenset(found.decode() for found in _KEY.findall(row.body)),
    )


def version_of(ticket: SideTicket, kind: str) -> str | None:
    """Return the version that a system counts or stamps, as its writer expects it; None where it has none."""
    name = _VERSIONS.get(kind)
    value = None if name is None else ticket.record.get(name)
    return None if value is None else str(value)


def value_since(mapped: MappedField, side: Side, ticket: SideTicket, versions: list[TicketVersion], kind: str) -> Value:
    """Return what a ticket says and since when it has meant that, as far as `versions` (latest first) tell."""
    text = mapped.says(side, ticket)
    meaning = mapped.rule.comparison.class_of(side, text)
    since = None
    for version in versions:
        record = _record(orjson.loads(version.body), version.status, kind)
        before = mapped.says(side, replace(ticket, record=record))
        if mapped.rule.comparison.class_of(side, before) != meaning:
            break
        since = version.effective_at
    return Value(text, since)


def _absolute(href: str, address: str) -> str:
    """An address that people can open: many servers write a path alone, below their own origin or base path."""
    try:
        return urljoin(f"{address.rstrip('/')}/", href) if address else href
    except ValueError:
        return href


def _record(body: dict[str, Any], status: str, kind: str) -> Record:
    """The fields as the system names them; of a TMF656 server with the status in version 4's spelling."""
    if kind != TMF656:
        return record_of(body)
    return body if status == Status.UNKNOWN else body | {"status": status}
