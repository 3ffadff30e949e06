"""The page of the audit: who did what with the bridge, what was refused, and the same rows as CSV."""

import csv
import io
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import hdrs, web
from msgspec import Struct

from bridge.domain.access import Permission
from bridge.settings.listing import as_text
from bridge.storage import audit
from bridge.storage.audit import AuditRow
from bridge.storage.database import Connection
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

_PAGE: Final = 100
_CSV: Final = 10_000
_OUTCOMES: Final = ("done", "refused", "failed")
_COLUMNS: Final = ("id", "at", "actor", "role", "address", "action", "object", "before", "after", "outcome", "reason")
_FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


class AuditFilter(Struct, frozen=True):
    """Which rows are shown; None: any."""

    actor: str | None
    action: str | None
    outcome: str | None
    before: int

    def query(self, **changes: Any) -> str:
        """The parameters of the same page with other values."""
        values = {"actor": self.actor, "action": self.action, "outcome": self.outcome} | changes
        return urlencode({name: value for name, value in values.items() if value is not None})


def _chosen(visit: Visit) -> AuditFilter:
    query = {name: values[-1] for name, values in visit.query.items()}
    if strange := sorted(query.keys() - {"actor", "action", "outcome", "before"}):
        raise Refusal(400, "unknown_parameter", f"This page has no parameter {', '.join(map(repr, strange))}.")
    if query.get("outcome") and query["outcome"] not in _OUTCOMES:
        raise Refusal(400, "malformed", f"outcome is one of {', '.join(_OUTCOMES)}.")
    before = query.get("before") or str(2**62)
    if not (before.isascii() and before.isdecimal() and len(before) < 20) or "\0" in "".join(query.values()):
        raise Refusal(400, "malformed", "before is the number of a row; no name has a NUL in it.")
    return AuditFilter(
        query.get("actor") or None, query.get("action") or None, query.get("outcome") or None, min(int(before), 2**62)
    )


async def _rows(connection: Connection, chosen: AuditFilter, limit: int) -> list[AuditRow]:
    return await audit.listed(
        connection,
        actor=chosen.actor,
        action=chosen.action,
        outcome=chosen.outcome,
        before=chosen.before,
        limit=limit,
    )


async def _audit(visit: Visit) -> web.StreamResponse:
    chosen = _chosen(visit)
    async with visit.reading() as connection:
        rows = await _rows(connection, chosen, _PAGE + 1)
        actions = await audit.actions(connection)
    return visit.page(
        "audit.html",
        rows=rows[:_PAGE],
        older=chosen.query(before=rows[_PAGE - 1].id) if len(rows) > _PAGE else None,
        chosen=chosen,
        actions=actions,
        outcomes=_OUTCOMES,
        limit=_CSV,
        words_of=words_of,
    )


async def _csv(visit: Visit) -> web.StreamResponse:
    """The newest rows of the filter; cells that a spreadsheet would calculate get an apostrophe."""
    chosen = _chosen(visit)
    async with visit.reading() as connection:
        rows = await _rows(connection, chosen, _CSV)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows([_cell(getattr(row, name)) for name in _COLUMNS] for row in rows)
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="audit.csv"'}
    return web.Response(text=text.getvalue(), content_type="text/csv", headers=headers)


def _cell(value: Any) -> str:
    text = "" if value is None else value.isoformat() if hasattr(value, "isoformat") else as_text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def words_of(value: Any) -> str:
    """What there was before or after, as a person reads it.

    >>> words_of({"role": "admin", "shared": False, "columns": {"zone": "site.zone"}})
    'role admin, shared false, columns {"zone": "site.zone"}'
    """
    if not isinstance(value, dict):
        return as_text(value)
    return ", ".join(f"{name} {as_text(each) or '(none)'}" for name, each in value.items())


ROUTES = (
    ConsoleRoute(hdrs.METH_GET, "/audit", Permission.READ_AUDIT, _audit, navigation="Audit"),
    ConsoleRoute(hdrs.METH_GET, "/audit.csv", Permission.READ_AUDIT, _csv, page=False),
)
