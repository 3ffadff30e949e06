"""One service problem, in any version's dialect → version 4's names and shapes, typed columns, an observation.

Names and nesting are brought to one form, so that the same problem in two dialects has the same body. Values stay as
they were sent, a priority of "1" stays "1", except where version 4's model has no such value: a time that is no
ISO 8601 text becomes one, and a priority that is a word becomes its number. Attributes nobody knows are kept.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from bridge.domain import timestamp
from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.service_problem import ID_CHARACTERS, Columns, columns_of, id_in_href, usable_id
from bridge.domain.timestamp import Precision, plausible
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary, whole_number
from bridge.errors import UnreadableError
from bridge.http.row import Row
from bridge.tmf656.wire import document
from bridge.tmf656.wire.shapes import SHAPES, rename, time

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

_OF_SEVERAL_WORDS = (
    *ALIASES,
    *ALIASES.values(),
    "statusChangeDate",
    "statusChangeReason",
    "resolutionDate",
    "originatingSystem",
    "originatorParty",
    "responsibleParty",
    "relatedParty",
    "affectedService",
    "affectedResource",
    "affectedLocation",
    "rootCauseService",
    "rootCauseResource",
    "parentProblem",
    "underlyingProblem",
    "underlyingAlarm",
    "externalIdentifier",
    "impactImportanceFactor",
    "problemEscalation",
)

_LOW_LINES = {
    "".join(f"_{one.lower()}" if one.isupper() else one for one in name): ALIASES.get(name, name)
    for name in _OF_SEVERAL_WORDS
    if not name.islower() and "SLA" not in name
}
"""`last_update`, as servers in Python and Ruby write it; other names with such signs are the source's own."""

_CORRELATION = "correlationId"
"""Versions 2 and 3: one text; version 4: an entry of the list `externalIdentifier`."""

WHOLE = ("description", "category", "priority", "reason", "status")
"""What no problem can be created without, and a status: a payload that has all of this is the whole problem."""

_TIMES = ("creationDate", "lastUpdate", "statusChangeDate", "resolutionDate")

_NAMES = ALIASES | _LOW_LINES
_RENAMED = frozenset(_NAMES) | {_CORRELATION}

_SHAPED = frozenset(SHAPES)


def normalise(problem: dict[str, Any], vocabulary: SourceVocabulary = BUILT_IN) -> dict[str, Any]:
    """Return `problem` in version 4's names and shapes. A value under an older name counts only where version 4's
    name has none.
    """
    body = dict(problem) if _RENAMED.isdisjoint(problem) else _renamed(problem)
    for name in _SHAPED.intersection(body):
        body[name] = SHAPES[name](body[name])
    for name in _TIMES:
        if name in body:
            body[name] = time(body[name])
    priority = body.get("priority")
    if priority is not None and type(priority) is not int:
        number = columns_of({"priority": priority}, vocabulary).priority
        if number is not None and number != whole_number(priority):
            body["priority"] = number
    return body


def is_whole(problem: Mapping[str, Any]) -> bool:
    """Return whether a problem in any dialect has all that tells a whole one from a summary or a patch."""
    return None not in map(problem.get, WHOLE)


def first_summary(items: Iterable[Any]) -> int | None:
    """Return the position of the first item that may be a summary: a problem that lacks what a whole one has."""
    return next((at for at, item in enumerate(items) if isinstance(item, dict) and not is_whole(item)), None)


def withheld(summary: Mapping[str, Any], whole: Mapping[str, Any]) -> frozenset[str]:
    """Return the attributes that GET by id gives of a problem and a row of the list does not: then the row is a
    summary. Empty values and what starts with `@` do not count.
    """
    given, listed = normalise(dict(whole)), normalise(dict(summary))
    return frozenset(
        name
        for name, value in given.items()
        if value not in (None, "", [], {}) and name not in listed and not name.startswith("@")
    )


def stamps(rows: Iterable[Row]) -> list[datetime | None]:
    """Return the update times of problems in any dialect; None for one that has none that can be used."""
    stated = [row.time_changed if row.last_update is None else row.last_update for row in rows]
    return [None if (found := timestamp.read(one)) is None or found.unset else found.at for one in stated]


def stamp(row: Row) -> datetime | None:
    """Return the update time of one problem, as `stamps` does."""
    return stamps((row,))[0]


def listed(
    rows: Iterable[Row], reader: bytes = b"", *, vocabulary: SourceVocabulary = BUILT_IN, in_any_order: bool = False
) -> list[bytes]:
    """Return a digest of each row of a list as it came, word for word, without reading it, or of what it says, whatever
    the order of its attributes.

    Rows with the same digest have the same id and are read the same, as long as they are by the same `reader`
    (`bridge.tmf656.wire_fingerprint`).
    """
    if vocabulary.digest != BUILT_IN.digest:
        reader = blake2b(reader + vocabulary.digest, digest_size=16).digest()
    digests = []
    for row in rows:
        text: Any = row.sorted() if in_any_order else memoryview(row.text)  # Any: mypyc takes msgspec's Raw for bytes
        digests.append(blake2b(text, digest_size=16, salt=reader).digest())
    return digests


def read_problem(
    item: object,
    *,
    asked_at: datetime,
    via: Via,
    digest: bytes | None = None,
    limits: document.DocumentLimits = document.DEFAULT,
    vocabulary: SourceVocabulary = BUILT_IN,
    summary: bool = False,
) -> Observation:
    """Return what a row of a page, or the answer to a GET by id, says; it holds since the problem's update time, else
    since `asked_at`. `digest`: that of the row, if it is one (`listed`). `summary`: the rows of this source's list are
    not whole, so a row that lacks what a whole problem has (`is_whole`) is a patch.

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
    body = normalise(item, vocabulary)
    encoded = _encoded(body)
    document.check(body, encoded, limits, _name_in)
    if document.has_nul(encoded):
        body = document.without_nul(encoded)
        encoded = document.canonical(body)
    stated = body.get("id")
    problem_id = id_in_href(body.get("href")) if stated in (None, "") else usable_id(stated)
    if problem_id is None:
        raise UnreadableError(
            "no_id",
            "a service problem without a usable id",
            hint=f"a text of 1 to {ID_CHARACTERS} characters is needed",
        )
    if stated in (None, ""):
        body = body | {"id": problem_id}
        encoded = document.canonical(body)
    columns = columns_of(body, vocabulary)
    kind = Kind.PARTIAL if summary and not is_whole(body) else Kind.FULL
    if kind is Kind.PARTIAL:
        encoded = document.canonical({name: value for name, value in body.items() if name not in ("id", "href")})
    updated_at = columns.updated_at
    return observation_of(
        encoded,
        columns,
        problem_id=problem_id,
        kind=kind,
        via=via,
        observed_at=asked_at,
        effective_at=updated_at if updated_at is not None and plausible(updated_at, asked_at) else None,
        precision=columns.precision,
        listed=digest,
        vocabulary=vocabulary,
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
    precision: Precision,
    event_type: str | None = None,
    event_at: datetime | None = None,
    listed: bytes | None = None,
    vocabulary: SourceVocabulary = BUILT_IN,
) -> Observation:
    """Put a canonical body (a problem or a patch) and its columns together. `effective_at` is plausible; without it the
    observation is unstamped.
    """
    stamped = effective_at is not None
    return Observation(
        problem_id=problem_id,
        kind=kind,
        via=via,
        observed_at=observed_at,
        effective_at=observed_at if effective_at is None else effective_at,
        stamped=stamped,
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
        precision=precision if stamped else Precision.MICROSECOND,
        event_at=event_at,
        unmapped=columns.unmapped,
        vocabulary=vocabulary,
    )


def _renamed(problem: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = rename(problem, _NAMES)
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
