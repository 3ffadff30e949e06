"""What identifies a service problem, and the attributes that reports filter and sort by, read from its v4-named body.

One reader for every body, whole or folded from patches, so that a column can never disagree with the body beside it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import orjson
from msgspec import Struct

from bridge.domain import timestamp
from bridge.domain.status import Status
from bridge.domain.timestamp import Instant, Precision
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary, whole_number

ID_CHARACTERS = 512
"""A longer id would not fit an index of Postgres."""

_EXAMPLE_CHARACTERS = 80
_LABELS = ("name", "value", "displayValue", "display_value", "label", "code", "status", "state", "@value", "id")
"""Where an object that stands for one word has the word (Jira, ServiceNow, NGSI)."""
_NUMBERED = ("value", "level", "code")
"""Where such an object has a number that means something; its `id` does not."""


class Unmapped(Struct, frozen=True):
    """An attribute whose value could not be read, with the value (shortened, as the source wrote it)."""

    attribute: str
    example: str


class Columns(Struct, frozen=True):
    """Typed values beside the body; None where the source gave nothing usable. Instants are aware UTC.

    `precision` is that of `updated_at`. `unmapped`: values that are there and could not be read.
    """

    status: Status
    status_raw: str | None
    status_at: datetime | None
    category: str | None
    priority: int | None
    created_at: datetime | None
    updated_at: datetime | None
    resolved_at: datetime | None
    affected_services: int | None
    precision: Precision = Precision.MICROSECOND
    unmapped: tuple[Unmapped, ...] = ()


def columns_of(body: Mapping[str, Any], vocabulary: SourceVocabulary = BUILT_IN) -> Columns:
    """Read the columns of a v4-named problem. Never raises: what is not usable becomes None, an odd status its JSON
    text. A time that stands for none (0001-01-01, 9999-12-31) is None.
    """
    unmapped: list[Unmapped] = []
    stated, priority = body.get("status"), body.get("priority")
    word = stated if isinstance(stated, str) else _word(stated)
    status = vocabulary.status(word)
    if status is Status.UNKNOWN and stated is not None and word != Status.UNKNOWN.value:
        unmapped.append(unmapped_value("status", stated))
    number = vocabulary.priority(_single(priority))
    if number is None and not timestamp.blank(priority):
        unmapped.append(unmapped_value("priority", priority))
    status_at = _instant(body, "statusChangeDate", unmapped)
    created = _instant(body, "creationDate", unmapped)
    updated = _instant(body, "lastUpdate", unmapped)
    resolved = _instant(body, "resolutionDate", unmapped)
    return Columns(
        status=status,
        status_raw=status_text(stated),
        status_at=status_at.at if status_at else None,
        category=status_text(body.get("category")),
        priority=number,
        created_at=created.at if created else None,
        updated_at=updated.at if updated else None,
        resolved_at=resolved.at if resolved else None,
        affected_services=_affected_services(body),
        precision=updated.precision if updated else Precision.MICROSECOND,
        unmapped=tuple(unmapped),
    )


def status_text(value: object) -> str | None:
    """Return what the source wrote as text; something that is no text becomes its JSON."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def readable(value: Unmapped, vocabulary: SourceVocabulary) -> bool:
    """Return whether a value that could not be read once can be read now, with other words or by this release."""
    if value.attribute == "status":
        return vocabulary.status(value.example) is not Status.UNKNOWN
    if value.attribute == "priority":
        return vocabulary.priority(value.example) is not None
    return timestamp.read(value.example) is not None


def unmapped_value(attribute: str, value: object) -> Unmapped:
    """Keep what could not be read, shortened."""
    try:
        text = status_text(value) or ""
    except TypeError:  # an integer of any length
        text = str(type(value))
    return Unmapped(attribute, text[:_EXAMPLE_CHARACTERS])


def _instant(body: Mapping[str, Any], name: str, unmapped: list[Unmapped]) -> Instant | None:
    value = body.get(name)
    if value is None:
        return None
    found = timestamp.read(value)
    if found is None:
        if not timestamp.blank(value):
            unmapped.append(unmapped_value(name, value))
        return None
    return None if found.unset else found


def _word(value: object) -> str | None:
    """Return the word that a status or priority is, or that the object standing for it holds."""
    if isinstance(value, dict):
        inner = next((value[name] for name in _LABELS if isinstance(value.get(name), str)), None)
        return status_text(value) if inner is None else inner
    return status_text(value)


def _single(value: object) -> object:
    """Return the priority that a value is, or that the object standing for it holds."""
    if not isinstance(value, dict):
        return value
    number = next((value[name] for name in _NUMBERED if type(value.get(name)) is int), None)
    return _word(value) if number is None or any(isinstance(value.get(name), str) for name in _LABELS[:5]) else number


def _affected_services(body: Mapping[str, Any]) -> int | None:
    stated = whole_number(body.get("affectedNumberOfServices"))
    if stated is not None:
        return stated
    listed = body.get("affectedService")
    return len(listed) if isinstance(listed, list) else None


_EXACT_DOUBLES: Final = 2**53
"""A double beyond it may be another integer than the one that was meant."""


def usable_id(value: object) -> str | None:
    """Return an id as text: a text as it is, an integer in digits, also one that was written as 7.0 (Gson and Lua make
    doubles of all numbers), None for what cannot name a problem.
    """
    if not isinstance(value, str):
        if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_DOUBLES:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        value = str(value)
    return None if len(value) > ID_CHARACTERS or not value.strip() or "\0" in value else value


def id_in(item: Mapping[str, Any]) -> str | None:
    """Return the id of a problem or of a reference to one: its `id`, else the last segment of its `href`."""
    return usable_id(item.get("id")) or id_in_href(item.get("href"))


def id_in_href(href: object) -> str | None:
    """`…/serviceProblem/42/` and `…/serviceProblem/42?fields=id` name 42; the collection itself names nothing."""
    if not isinstance(href, str) or "/" not in href:
        return None
    try:
        segment = unquote(urlsplit(href).path.rstrip("/").rpartition("/")[2], errors="strict")
    except ValueError:
        return None
    return None if segment.lower() == "serviceproblem" else usable_id(segment)
