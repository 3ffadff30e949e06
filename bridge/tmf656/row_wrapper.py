"""Rows that servers wrap one by one: `{"node": {…}}` (GraphQL), `{"_id": …, "_source": {…}}` (searches), `{"type": …,
"id": …, "attributes": {…}}` (JSON:API), `{"serviceProblem": {…}}`; and rows whose names begin with capitals.

Pure. A row that says anything a problem says is left as it is.
"""

from typing import Any, Final

from bridge.errors import UnreadableError
from bridge.http.row import Row, rows_of
from bridge.tmf656 import wire

PROBLEM: Final = frozenset(
    {
        "category",
        "priority",
        "description",
        "lastUpdate",
        "timeChanged",
        "creationDate",
        "timeRaised",
        "statusChangeDate",
    }
    | {"originatingSystem", "relatedParty", "affectedService", "affectedResource", "resolutionDate", "note", "comment"}
)
"""Attributes that a problem has, and neither a wrapper nor an error."""
_AROUND: Final = frozenset(
    {"node", "source", "serviceproblem", "problem", "resource", "item", "entity", "content", "object", "doc", "data"}
    | {"value", "record", "fields", "properties", "element"}
)
"""Members that hold a problem which is wrapped, in lower case and without signs."""
_FLAT: Final = "attributes"
_IDS: Final = ("id", "_id", "key")


def unwrapped(rows: list[Row]) -> list[Row]:
    """Return the problems that rows hold; the rows themselves where the first is none of the known wrappers."""
    if not rows or not _suspect(rows[0]):
        return rows
    try:
        first = rows[0].read()
        if not isinstance(first, dict) or _found(first) is first:
            return rows
    except UnreadableError:
        return rows
    return [_unwrapped(row) for row in rows]


def _suspect(row: Row) -> bool:
    """Return whether a row is worth a look: it states no time of a problem, and no id or something named attributes."""
    if row.last_update is not None or row.time_changed is not None:
        return False
    return (row.id is None and row.href is None) or b'"attributes"' in bytes(row.text)


def _unwrapped(row: Row) -> Row:
    try:
        item = row.read()
        found = _found(item) if isinstance(item, dict) else item
        return row if found is item else rows_of([found])[0]
    except (UnreadableError, RecursionError):
        return row


def _found(item: dict[str, Any]) -> dict[str, Any]:
    """Return the problem in its spelling, out of what wraps it; the object itself where there is nothing to do."""
    return _inside(wire.camel_case(item))


def _inside(item: dict[str, Any]) -> dict[str, Any]:
    """Return the problem that an object wraps, else the object."""
    if not PROBLEM.isdisjoint(item):
        return item
    attributes = item.get(_FLAT)
    if isinstance(attributes, dict):
        return _named(attributes, item)
    if "id" in item or "href" in item:
        return item
    held = [value for name, value in item.items() if _plain(name) in _AROUND and isinstance(value, dict)]
    return _named(held[0], item) if len(held) == 1 else item


def _named(problem: dict[str, Any], around: dict[str, Any]) -> dict[str, Any]:
    """Give a problem without an id that of the object around it."""
    if problem.get("id") is not None:
        return problem
    outer = next((around[name] for name in _IDS if around.get(name) is not None), None)
    return problem if outer is None else {**problem, "id": outer}


def _plain(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())
