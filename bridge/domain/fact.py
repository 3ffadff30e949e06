"""What was said of a problem, as facts: a statement holds since a time, and so does a status.

Facts are a set, so duplicates and reordering change nothing. `StatusTimeline` has the status facts that observations
add, and those the server contradicts. A statusChangeDate is believed unless the source does not keep it: a newer
statement with another status, yet a date not after the known one. Then the status holds since the statement. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, TypeAlias

import orjson
from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.service_problem import columns_of
from bridge.domain.status import Status
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary

EPOCH = datetime(1, 1, 1, tzinfo=UTC)
"""Before everything; stands for *never* in comparisons."""

FactKey: TypeAlias = tuple[datetime, bytes]
"""Identity of a fact within a problem: since when it holds, hash of its content."""

StatusKey: TypeAlias = tuple[datetime, str]
"""Identity of a status fact within a problem: since when, which."""


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


@dataclass(slots=True)
class StatusTimeline:
    """The statuses of one problem while a batch is decided. `status`, `since`: those of the content. `vocabulary`: the
    words of the source.

    `added`: facts to be written. `contradicted`: facts, by key, that the server has contradicted: only a patch had
    stated them (None), or the whole statement of this time had stated them first.
    """

    status: str | None = None
    since: datetime | None = None
    added: dict[StatusKey, StatusFact] = field(default_factory=dict)
    contradicted: dict[StatusKey, datetime | None] = field(default_factory=dict)
    vocabulary: SourceVocabulary = BUILT_IN

    def follow(self, seen: Observation) -> None:
        """The observation became the content."""
        if seen.status is not None:
            self.status, self.since = seen.status.value, seen.status_at

    def add(self, fact: Fact, seen: Observation, content: Fact | None, *, patched: bool) -> None:
        """Add what a new fact says of the status. `patched`: patches stand on top of the content."""
        if seen.status is None:
            return
        since = min(seen.status_at or fact.effective_at, fact.effective_at)
        if self._is_frozen(fact, since, content):
            since = fact.effective_at
        self._state(
            StatusFact(
                effective_at=since,
                status=fact.status,
                status_raw=seen.status_raw,
                stated_at=fact.effective_at,
                observed_at=fact.observed_at,
                confirmed_at=fact.confirmed_at,
                via=fact.via,
                partial=fact.kind is Kind.PARTIAL,
            )
        )
        if content is not None and not patched:
            self._restate(fact, since, content)

    def contradict(self, seen: Observation, content: Fact | None) -> None:
        """The server says otherwise of the same moment: what the content first said of the status is not so."""
        if content is None or seen.status is None or self.status in (None, seen.status.value):
            return
        at = content.effective_at
        for since in (at, min(self.since or at, at)):
            self.contradicted[since, str(self.status)] = at

    def contradict_patches(self, overtaken: list[Fact], left: list[Fact]) -> None:
        """Patches were overtaken by an answer, and so are the statuses that no other patch states."""
        keys = {key for patch in overtaken for key in self._stated_by(patch)}
        keys -= {key for patch in left for key in self._stated_by(patch)}
        self.contradicted |= dict.fromkeys(keys)

    def _restate(self, fact: Fact, since: datetime, content: Fact) -> None:
        """An older statement with another status, yet a statusChangeDate not before the content's: this source does
        not keep it, so the content's status holds (again) since the content, whatever date it gives.
        """
        if fact.effective_at >= content.effective_at or self.status in (None, Status.UNKNOWN.value, fact.status):
            return
        if self.since is None or since < self.since:
            return
        self._state(
            StatusFact(
                effective_at=content.effective_at,
                status=str(self.status),
                status_raw=None,
                stated_at=content.effective_at,
                observed_at=content.observed_at,
                confirmed_at=content.confirmed_at,
                via=content.via,
                partial=False,
            )
        )

    def _state(self, said: StatusFact) -> None:
        key = (said.effective_at, said.status)
        self.contradicted.pop(key, None)
        held = self.added.get(key)
        if held is not None:
            confirmed = [at for at in (said.confirmed_at, held.confirmed_at) if at is not None]
            said = replace(
                said,
                stated_at=min(said.stated_at, held.stated_at),
                confirmed_at=max(confirmed, default=None),
                partial=said.partial and held.partial,
            )
        self.added[key] = said

    def _is_frozen(self, fact: Fact, since: datetime, content: Fact | None) -> bool:
        """Does this source not keep statusChangeDate?"""
        if content is None or fact.effective_at <= content.effective_at or self.since is None:
            return False
        return fact.status != self.status and since <= self.since

    def _stated_by(self, patch: Fact) -> set[StatusKey]:
        """Return the keys that the status in a patch may have been stated under."""
        columns = columns_of(orjson.loads(patch.body), self.vocabulary)
        since = min(columns.status_at or patch.effective_at, patch.effective_at)
        return {(at, columns.status.value) for at in (since, patch.effective_at)}


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
