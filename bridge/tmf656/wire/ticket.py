"""A service problem as a ticket that links compare, and the key of ours that it carries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from bridge.domain.service_problem import columns_of, usable_id
from bridge.domain.status import Status
from bridge.domain.ticket_system import Ticket
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary
from bridge.errors import UnreadableError
from bridge.tmf656.wire.problem import normalise

KEY_OWNER: Final = "tmf656-bridge"
"""Owner of the external identifiers that hold our keys, and author of the notes that we write."""


def ticket_of(
    item: Mapping[str, Any],
    asked_at: datetime,
    server_at: datetime | None,
    vocabulary: SourceVocabulary = BUILT_IN,
) -> Ticket:
    """Read a problem in any dialect. Its record is the version 4 body, with the status in version 4's spelling.

    UnreadableError (`no_id`) where it has no usable id.
    """
    body = normalise(dict(item), vocabulary)
    ticket_id = usable_id(body.get("id"))
    if ticket_id is None:
        raise UnreadableError("no_id", "a service problem without a usable id", hint="see what the source sends")
    columns, href = columns_of(body, vocabulary), body.get("href")
    record = body if columns.status is Status.UNKNOWN else body | {"status": columns.status.value}
    stamp = body.get("lastUpdate")
    return Ticket(
        id=ticket_id,
        record=record,
        item=body,
        asked_at=asked_at,
        version=stamp if isinstance(stamp, str) else None,
        updated_at=columns.updated_at,
        server_at=server_at,
        url=href if isinstance(href, str) else None,
    )


def key_query(key: str, version: str) -> str:
    """Return the percent-encoded filter for the problems that carry a key."""
    name = "correlationId" if version in {"2", "3"} else "externalIdentifier.id"
    return f"{name}={quote(key, safe='')}"


def carries(record: Mapping[str, Any], key: str) -> bool:
    """Does one of the external identifiers hold this key?"""
    listed = record.get("externalIdentifier")
    return isinstance(listed, list) and any(isinstance(each, dict) and each.get("id") == key for each in listed)
