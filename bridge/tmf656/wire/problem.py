"""One service problem, in whatever version's dialect → version 4's names and shapes, typed columns, an observation.

Values are never rewritten: times stay as sent and a priority of "1" stays "1"; only names and nesting are brought to
one form, so that the same problem in two dialects has the same body. Attributes nobody knows are kept.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from typing import Any

from bridge.domain import timestamp
from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.service_problem import Columns, columns_of
from bridge.errors import UnreadableError
from bridge.tmf656.wire import document
from bridge.tmf656.wire.identity import ID_CHARACTERS, usable_id
from bridge.tmf656.wire.row import Row
from bridge.tmf656.wire.shapes import SHAPES, rename

ALIASES = {
    "timeRaised": "creationDate",
    "timeChanged": "lastUpdate",
    "comment": "note",
    "extensionInfo": "characteristic",
    "associatedTroubleTicket": "troubleTicket",
    "associatedSLAViolation": "slaViolation",
    "relatedObject": "relatedEntity",
    "impactPatterns": "impactPattern",
    "affectingServiceNumber": "affectedNumberOfServices",
}
"""Names of versions 2 and 3 → version 4's, where the value can stay as it is."""

_CORRELATION = "correlationId"
"""Versions 2 and 3: one text; version 4: an entry of the list `externalIdentifier`."""

_RENAMED = frozenset(ALIASES) | {_CORRELATION}

_SHAPED = frozenset(SHAPES)


def normalise(problem: dict[str, Any]) -> dict[str, Any]:
    """Return `problem` in version 4's names and shapes. A value under an older name counts only where version 4's
    name has none.
    """
    body = dict(problem) if _RENAMED.isdisjoint(problem) else _renamed(problem)
    for name in _SHAPED.intersection(body):
        body[name] = SHAPES[name](body[name])
    return body


def stamp(row: Row) -> datetime | None:
    """Return the update time of a problem in any dialect; None when it has none that can be used."""
    at = row.last_update
    return timestamp.parse(row.time_changed if at is None else at)


def listed(rows: Iterable[Row], reader: bytes = b"", *, in_any_order: bool = False) -> list[bytes]:
    """Return a digest of each row of a list as it came, word for word, without reading it, or of what it says, whatever
    the order of its attributes.

    Rows with the same digest have the same id and are read the same, as long as they are by the same `reader`
    (`bridge.tmf656.reader`).
    """
    texts = (row.sorted() if in_any_order else row.text for row in rows)
    return [blake2b(text, digest_size=16, salt=reader).digest() for text in texts]


def read_problem(
    item: object,
    *,
    asked_at: datetime,
    via: Via,
    digest: bytes | None = None,
    limits: document.DocumentLimits = document.DEFAULT,
) -> Observation:
    """Return what a row of a page, or the answer to a GET by id, says; it holds since the problem's update time, else
    since `asked_at`. `digest`: that of the row, if it is one (`listed`).

    A list of one problem counts as the problem (version 2's specification types the answer so). U+0000, which
    Postgres cannot keep, becomes U+FFFD. Raises UnreadableError: `not_object`, `no_id`, and what `Limits` and JSON
    forbid.
    """
    if isinstance(item, list) and len(item) == 1:
        item = item[0]
    if not isinstance(item, dict):
        raise UnreadableError(
            "not_object", "an item of a list of service problems is no object", hint="see what the source sends"
        )
    body = normalise(item)
    encoded = _encoded(body)
    document.check(body, encoded, limits, _name_in)
    if document.has_nul(encoded):
        body = document.without_nul(encoded)
        encoded = document.canonical(body)
    problem_id = usable_id(body.get("id"))
    if problem_id is None:
        raise UnreadableError(
            "no_id",
            "a service problem without a usable id",
            hint=f"a text of 1 to {ID_CHARACTERS} characters is needed",
        )
    columns = columns_of(body)
    return observation_of(
        encoded,
        columns,
        problem_id=problem_id,
        kind=Kind.FULL,
        via=via,
        observed_at=asked_at,
        effective_at=columns.updated_at,
        listed=digest,
    )


def observation_of(
    body: bytes,
    columns: Columns,
    *,
    problem_id: str,
    kind: Kind,
    via: Via,
    observed_at: datetime,
    effective_at: datetime | None,
    event_type: str | None = None,
    listed: bytes | None = None,
) -> Observation:
    """Put a canonical body (a problem or a patch) and its columns together; without `effective_at` it is unstamped."""
    return Observation(
        problem_id=problem_id,
        kind=kind,
        via=via,
        observed_at=observed_at,
        effective_at=effective_at or observed_at,
        stamped=effective_at is not None,
        body=body,
        content_hash=document.digest(body),
        status=None if columns.status_raw is None else columns.status,
        status_raw=columns.status_raw,
        status_at=columns.status_at,
        category=columns.category,
        priority=columns.priority,
        created_at=columns.created_at,
        updated_at=columns.updated_at,
        resolved_at=columns.resolved_at,
        affected_services=columns.affected_services,
        event_type=event_type,
        listed=listed,
    )


def _renamed(problem: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = rename(problem, ALIASES)
    correlation = body.get(_CORRELATION)
    if _CORRELATION not in body or isinstance(correlation, dict | list):
        return body
    del body[_CORRELATION]
    if body.get("externalIdentifier") is None:
        body["externalIdentifier"] = (
            None if correlation is None else [{"externalIdentifierType": _CORRELATION, "id": correlation}]
        )
    return body


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return document.canonical(body)
    except UnreadableError as error:
        error.problem_id = _name_in(body)
        raise


def _name_in(item: object) -> str | None:
    return usable_id(item.get("id")) if isinstance(item, dict) else None
