"""Objects whose names begin with capitals, as serializers of .NET write them where nothing else is set
(`{"Id": …, "LastUpdate": …}`), in the standard's spelling. Pure.
"""

from typing import Any


def camel_case(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object whose names all begin with a capital, and what is in it, in camelCase; any other as it is.

    Names that begin with a sign (`@type`) stay. A name that two would share keeps the first value.
    """
    if _SURE.isdisjoint(document) or not all(name[0].isupper() for name in document if name[:1].isalpha()):
        return document
    return _respelled(document)


_SURE = frozenset(("Id", "ID", "EventType", "Event", "ServiceProblem", "Status", "Events", "Items"))
"""One of these has to be among the names: messages of brokers (`Message`) begin with capitals, too."""


def _respelled(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        found.setdefault(_name(name), _inner(value))
    return found


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return _respelled(value)
    return [_inner(each) for each in value] if isinstance(value, list) else value


def _name(name: str) -> str:
    """`LastUpdate` → `lastUpdate`, `ID` → `id`, `SLAViolation` → `slaViolation`."""
    capitals = len(name) - len(name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    if capitals == 0:
        return name
    first = capitals if capitals in (1, len(name)) else capitals - 1
    return name[:first].lower() + name[first:]
