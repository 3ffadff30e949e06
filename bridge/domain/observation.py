"""Observation: *at this moment this source said that about this problem*.

The central noun. A notification, a row of a poll or reconcile page and the answer to a refetch by id all become
observations, and all go through one door (`bridge.storage.observation`).
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from bridge.domain.service_problem import Unmapped
from bridge.domain.status import Status
from bridge.domain.timestamp import Precision
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary

TOMBSTONE_HASH = bytes(16)
"""`content_hash` of every tombstone: a deleted problem has no content."""

CREATED = "ServiceProblemCreateEvent"
"""`event_type` of what announces a new problem."""


class Via(StrEnum):
    """The way an observation came to us."""

    PUSH = "push"
    POLL = "poll"
    RECONCILE = "reconcile"
    REFETCH = "refetch"
    WRITE = "write"


class Kind(StrEnum):
    """What an observation carries."""

    FULL = "full"
    """The whole problem: an attribute that is missing here is absent at the source."""
    PARTIAL = "partial"
    """Some attributes: an RFC 7386 merge patch on what is known (`null` removes, missing means unchanged)."""
    TOMBSTONE = "tombstone"
    """The problem is gone at the source."""


class Observation(Struct, frozen=True):
    """What one source said about one problem at one moment. All instants are timezone-aware UTC.

    `body`: canonical JSON (sorted keys, v4 attribute names) of the problem or of the patch, `b"{}"` for a tombstone;
    `content_hash`: its 16-byte BLAKE2b (`TOMBSTONE_HASH` for a tombstone); equal content, equal hash.
    `effective_at`: since when it is so: the problem's lastUpdate, else (state changes) its statusChangeDate, else
    `event_at`, else `observed_at`, each if plausible; `stamped` is False in that last case. `precision`: that of
    `effective_at`. `event_at`: the event's own time. `observed_at`: our clock: when the notification was received, or
    when the request that was answered with this was *started*. `status`, `status_raw`, `status_at`: normalised status
    (None when the payload has none), the source's text, its statusChangeDate. `listed`: digest of a row of a list as it
    came. `last`: of a deletion, what its event says the problem was at the end. `unmapped`: values that could not be
    read; `vocabulary`: the words they were read with, which the body is read with again. `routine`: the problem was
    fetched by id though nothing spoke against what is known of it.
    """

    problem_id: str
    kind: Kind
    via: Via
    observed_at: datetime
    effective_at: datetime
    stamped: bool
    body: bytes
    content_hash: bytes
    status: Status | None = None
    status_raw: str | None = None
    status_at: datetime | None = None
    category: str | None = None
    priority: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    resolved_at: datetime | None = None
    affected_services: int | None = None
    event_type: str | None = None
    listed: bytes | None = None
    precision: Precision = Precision.MICROSECOND
    event_at: datetime | None = None
    last: "Observation | None" = None
    unmapped: tuple[Unmapped, ...] = ()
    vocabulary: SourceVocabulary = BUILT_IN
    routine: bool = False


class Notification(Struct, frozen=True):
    """One received event, understood as far as possible.

    `event_type`: canonical v5 name (`ServiceProblemStateChangeEvent`), or the source's word when it is none we know.
    `digest`: 16-byte BLAKE2b over the whole canonical body: the same event sent again has the same digest. `dedupable`
    is False when the event carries neither an eventId nor any time of its own, so that an equal body may well be a new
    event. `body`: canonical JSON of the whole envelope, as received (the source's names). `observation`: what it says
    of a problem, or None (task events, no usable id). `frame`: `body` without `event.serviceProblem`, when the body of
    `observation` is that problem word for word, else None. `refetch`: (problem id, reason) to fetch by id: partial,
    unclear, or named by a task event. `poll_reason`: not None when the event cannot be attributed to a problem: the
    source is to be polled now. `unmapped`: values of the event and its problem that could not be read.
    """

    event_id: str | None
    event_type: str
    event_time: datetime | None
    received_at: datetime
    problem_id: str | None
    digest: bytes
    dedupable: bool
    body: bytes
    observation: Observation | None
    frame: bytes | None = None
    refetch: tuple[tuple[str, str], ...] = ()
    poll_reason: str | None = None
    unmapped: tuple[Unmapped, ...] = ()
