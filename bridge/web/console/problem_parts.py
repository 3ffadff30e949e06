"""A body as the parts that the page of a problem shows: facts, and tables of what is listed in it. Pure.

A body may hold anything where a list of objects is expected: what is no object is shown as its text.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from bridge.domain.exact_json import plain_text

_FACTS: Final = (
    "description",
    "reason",
    "originatingSystem",
    "originatorParty",
    "responsibleParty",
    "impactImportanceFactor",
    "affectedNumberOfServices",
    "problemEscalation",
    "errorMessage",
)
_TABLES: Final = (
    ("Notes", ("note",)),
    ("Parties", ("relatedParty",)),
    ("Affects", ("affectedService", "affectedResource", "affectedLocation")),
    (
        "Related",
        (
            "parentProblem",
            "underlyingProblem",
            "rootCauseService",
            "rootCauseResource",
            "troubleTicket",
            "underlyingAlarm",
            "associatedTroubleTicket",
            "relatedEvent",
            "relatedObject",
            "slaViolation",
        ),
    ),
    ("External identifiers", ("externalIdentifier",)),
    ("Characteristics", ("characteristic",)),
    ("Tracking records", ("trackingRecord",)),
)
_PROBLEMS: Final = frozenset({"parentProblem", "underlyingProblem"})
_QUIET: Final = frozenset({"@type", "@baseType", "@schemaLocation", "@referredType", "href"})
_OWN: Final = ("", "text", "name")
_MOST_ELEMENTS: Final = 200


class BodyElement(Struct, frozen=True):
    """An element of a list. `id`: as text, "" where it has none; `words`: its other attributes."""

    kind: str
    id: str
    words: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """What it says, or what it is called; "" where it has neither."""
        return next((text for name, text in self.words if name in _OWN), "")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Its other attributes."""
        return [(name, text) for name, text in self.words if name not in _OWN or text != self.text]

    @property
    def is_problem(self) -> bool:
        """Is it a service problem of the same source?"""
        return self.kind in _PROBLEMS and self.id != ""


class BodyTable(Struct, frozen=True):
    """What is listed under a heading; `more`: elements that are not shown. `mixed`: of several attributes."""

    heading: str
    elements: tuple[BodyElement, ...]
    more: int
    mixed: bool


def facts_of(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return attribute and text of what is known of the problem itself."""
    return [(name, _text(body[name])) for name in _FACTS if body.get(name) not in (None, "", [], {})]


def tables_of(body: dict[str, Any]) -> list[BodyTable]:
    """Return the tables that have rows."""
    tables = []
    for heading, names in _TABLES:
        elements = [_element(name, each) for name in names for each in _list(body.get(name))]
        if elements:
            more = max(0, len(elements) - _MOST_ELEMENTS)
            tables.append(BodyTable(heading, tuple(elements[:_MOST_ELEMENTS]), more, len(names) > 1))
    return tables


def related_problems(tables: list[BodyTable]) -> list[str]:
    """Return the ids of problems that the body names."""
    return [each.id for table in tables for each in table.elements if each.is_problem]


def web_address(href: str | None) -> tuple[str, str] | None:
    """Return an address that may be followed, and its host; None for anything but http(s) with a host.

    >>> web_address("https://snow.example/x"), web_address("javascript:alert(1)")
    (('https://snow.example/x', 'snow.example'), None)
    """
    try:
        parts = urlsplit(href or "")
        host = parts.hostname
    except ValueError:
        return None
    safe = parts.scheme in ("http", "https") and host and "@" not in parts.netloc and (href or "").isprintable()
    return (href or "", host or "") if safe else None


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return [each for each in value if each is not None] if isinstance(value, list) else [value]


def _element(kind: str, element: Any) -> BodyElement:
    if not isinstance(element, dict):
        return BodyElement(kind, "", (("", plain_text(element)),))
    words = tuple(
        (name, _text(value))
        for name, value in element.items()
        if name != "id" and name not in _QUIET and value not in (None, "", [], {})
    )
    return BodyElement(kind, plain_text(element["id"]) if element.get("id") is not None else "", words)


def _text(value: Any) -> str:
    """A value as a person reads it: an object by its name, id and role, where it has one of the first two.

    >>> _text({"id": "P1", "name": "NOC"}), _text({"id": "P1", "role": "originator", "@referredType": "Organization"})
    ('NOC (P1)', 'P1, originator')
    """
    if not isinstance(value, dict):
        return plain_text(value)
    name, number, role = (value.get(key) for key in ("name", "id", "role"))
    if isinstance(name, str):
        shown = name if number is None else f"{name} ({plain_text(number)})"
    elif number is not None:
        shown = plain_text(number)
    else:
        return plain_text(value)
    return f"{shown}, {role}" if isinstance(role, str) and role else shown
