"""What was said of a problem, as facts: a statement holds since a time, and so does a status.

Facts are a set, so duplicates and reordering change nothing. Pure.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, TypeAlias

import orjson
from msgspec import Struct

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.status import Status

EPOCH = datetime(1, 1, 1, tzinfo=UTC)
"""Before everything; stands for *never* in comparisons."""

FactKey: TypeAlias = tuple[datetime, bytes]
"""Identity of a fact within a problem: since when it holds, hash of its content."""


class Fact(Struct, frozen=True):
    """Something that was so since `effective_at`. `body` is the problem, for a PARTIAL the patch, as canonical JSON.

    `confirmed_at` is when the request was started that was answered with exactly this (None: only ever pushed).
    `superseded` marks a patch that a later answer of the server has overtaken. `folded` is, for a PARTIAL, the body it
    led to, where that is news, and `folded_hash` its hash. `status` is the normalised status of the whole body.
    """

    effective_at: datetime
    content_hash: bytes
    kind: Kind
    observed_at: datetime
    via: Via
    body: bytes
    confirmed_at: datetime | None = None
    event_type: str | None = None
    superseded: bool = False
    folded: bytes | None = None
    folded_hash: bytes | None = None
    status: str = Status.UNKNOWN.value

    @property
    def rank(self) -> tuple[datetime, str, datetime, str, bytes]:
        """Order of facts: time; a whole statement, what patches it, a deletion; confirmed by the server; then, among
        whole statements of the same time that contradict each other until the server is asked, something arbitrary
        that is the same everywhere.
        """
        tie = self.status if self.kind is Kind.FULL else ""
        return (self.effective_at, self.kind.value, self.confirmed_at or EPOCH, tie, self.content_hash)

    @property
    def key(self) -> FactKey:
        """Identity within a problem."""
        return (self.effective_at, self.content_hash)


class StatusFact(Struct, frozen=True):
    """The problem had `status` since `effective_at`; `stated_at` is the time of the version that says so."""

    effective_at: datetime
    status: str
    status_raw: str | None
    stated_at: datetime
    observed_at: datetime
    confirmed_at: datetime | None
    via: Via
    partial: bool


def fact_of(seen: Observation, *, confirmed_at: datetime | None = None) -> Fact:
    """Return what an observation says, as a fact."""
    return Fact(
        effective_at=seen.effective_at,
        content_hash=TOMBSTONE_HASH if seen.kind is Kind.TOMBSTONE else seen.content_hash,
        kind=seen.kind,
        observed_at=seen.observed_at,
        via=seen.via,
        body=seen.body,
        confirmed_at=confirmed_at,
        event_type=seen.event_type,
        status=(seen.status or Status.UNKNOWN).value,
    )


def hash_of(body: bytes) -> bytes:
    """Return the 16-byte BLAKE2b of a body."""
    return blake2b(body, digest_size=16).digest()


def canonical(body: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys: equal content, equal bytes."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
