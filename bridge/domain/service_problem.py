"""The attributes of a service problem that reports filter and sort by, read from its v4-named body.

One reader for every body, whole or folded from patches, so that a column can never disagree with the body beside it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from bridge.domain import timestamp
from bridge.domain.status import Status, normalise
from bridge.domain.value import dataclass

_INT4 = range(-(2**31), 2**31)


@dataclass(frozen=True, slots=True)
class Columns:
    """Typed values beside the body; None where the source gave nothing usable. Instants are aware UTC."""

    status: Status
    status_raw: str | None
    status_at: datetime | None
    category: str | None
    priority: int | None
    created_at: datetime | None
    updated_at: datetime | None
    resolved_at: datetime | None
    affected_services: int | None


def columns_of(body: Mapping[str, Any]) -> Columns:
    """Read the columns of a v4-named problem. Never raises: what is not usable becomes None, an odd status its JSON
    text.
    """
    raw = status_text(body.get("status"))
    return Columns(
        status=normalise(raw),
        status_raw=raw,
        status_at=timestamp.parse(body.get("statusChangeDate")),
        category=_text(body.get("category")),
        priority=whole_number(body.get("priority")),
        created_at=timestamp.parse(body.get("creationDate")),
        updated_at=timestamp.parse(body.get("lastUpdate")),
        resolved_at=timestamp.parse(body.get("resolutionDate")),
        affected_services=_affected_services(body),
    )


def status_text(value: object) -> str | None:
    """Return what the source wrote as status; something that is no text becomes its JSON."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def whole_number(value: object) -> int | None:
    """Read an integer that may have been sent as text or as `1.0`; None when it is none or does not fit 32 bits."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value if value in _INT4 else None
    try:
        number = float(value) if isinstance(value, str | float) else None
        if number is None or not number.is_integer():
            return None
    except (ValueError, OverflowError):
        return None
    whole = int(number)
    return whole if whole in _INT4 else None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _affected_services(body: Mapping[str, Any]) -> int | None:
    stated = whole_number(body.get("affectedNumberOfServices"))
    if stated is not None:
        return stated
    listed = body.get("affectedService")
    return len(listed) if isinstance(listed, list) else None
