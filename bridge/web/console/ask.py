"""Asking the process that leads to do something: a request row and its audit row, in one transaction."""

from typing import Any

from bridge.storage import audit
from bridge.storage import request as requests
from bridge.storage.audit import AuditEntry
from bridge.storage.request import RequestKind
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal


async def ask(
    visit: Visit, source: str | None, kind: RequestKind, arguments: dict[str, Any], *, subject: str = ""
) -> int:
    """Ask, and return the number of the request; that of the open one where the same was asked before. Refusal (404)
    for an unknown source, (409) while another request of this kind is open.
    """
    who = who_of(visit)
    async with visit.writing() as connection:
        source_id = None
        if source is not None:
            source_id = await requests.source_id(connection, source)
            if source_id is None:
                raise Refusal(404, "no_such_source", f"The bridge knows no source {source!r}.")
        number, new = await requests.ask(connection, source_id, kind, who, arguments, subject=subject)
        if not new and await requests.arguments_of(connection, number) != arguments:
            words = kind.replace("_", " ")
            raise Refusal(409, "already_asked", f"Another request to {words} is under way: wait until it has ended.")
        if new:
            entry = audit_entry(visit, f"request.{kind}", source or subject or "every source", after=arguments or None)
            await audit.record(connection, entry)
    return number


def audit_entry(visit: Visit, action: str, thing: str, **more: Any) -> AuditEntry:
    """Say who does this, from where."""
    assert visit.principal is not None, "a route that asks takes a login"  # noqa: S101 -- for the type checker
    return audit.by(visit.principal, visit.address, action, thing, **more)


def who_of(visit: Visit) -> str:
    """Who is logged in."""
    return "" if visit.principal is None else visit.principal.name
