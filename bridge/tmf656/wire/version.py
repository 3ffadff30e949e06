"""Which version's model a problem is written in, by its attribute names.

The version in a path does not say: servers of R18.5 answer under `/v4/` with what was later published as version 3.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_NESTS = ("partyOrPartyRole", "place", "entity")
_NESTING = ("originatorParty", "responsibleParty", "relatedParty", "affectedLocation", "firstAlert", "relatedEntity")
_V2_COMMENT = frozenset(("comment", "user", "time"))
_V3 = frozenset(
    (
        "timeRaised",
        "timeChanged",
        "correlationId",
        "associatedTroubleTicket",
        "associatedSLAViolation",
        "impactPatterns",
        "relatedObject",
        "comment",
        "extensionInfo",
    )
)
_V4 = frozenset(
    (
        "name",
        "creationDate",
        "lastUpdate",
        "note",
        "externalIdentifier",
        "characteristic",
        "troubleTicket",
        "slaViolation",
        "relatedEntity",
        "impactPattern",
    )
)


def detect_version(item: Mapping[str, Any]) -> str | None:
    """Return "2", "3", "4" or "5", or None when the attributes fit several versions.

    Nesting of parties, places and entities is version 5's alone (its own sample still says `timeRaised`), so is
    `@type` on every part, unless a party, place or entity is flat: version 4 may carry `@type` wherever it likes.
    """
    parts = list(_parts(item))
    if any(isinstance(part.get(nest), dict) for name, part in parts if name in _NESTING for nest in _NESTS):
        return "5"
    if "affectingServiceNumber" in item or any(
        name == "comment" and not _V2_COMMENT.isdisjoint(part) for name, part in parts
    ):
        return "2"
    if not _V3.isdisjoint(item):
        return "3"
    flat = any(name in _NESTING and "id" in part for name, part in parts)
    if "@type" in item and parts and not flat and all("@type" in part for _, part in parts):
        return "5"
    return "4" if not _V4.isdisjoint(item) else None


def _parts(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in item.items():
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, dict):
                yield name, part
