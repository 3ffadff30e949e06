"""The life of one service problem: how observations, in whatever order they come, decide what is true of it.

Everything that was ever said is a *fact* with a time since when it holds; facts are a set, so duplicates and reordering
change nothing. From the facts follow

* the *content*: the newest whole statement (FULL), by `rank`;
* the *active patches*: partial statements that hold since the content or later and that no later answer of the server
  has overtaken;
* the *current body*: the content with the active patches merged over it, in order of time;
* *deleted*: the newest tombstone is at or after the content. Patches never bring a deleted problem back.

What the server answers when asked (a pull) is weighed by when it was *asked*, on our clock: it loses only to a
notification that came after the question. Otherwise the server is right:

* same content: nothing changed, and whatever patches came before the question are overtaken (`superseded`);
* newer by its own stamp, or equal in stamp but different: it becomes the content, marked as confirmed;
* no stamp at all: believed, as of the question;
* *older* than what is known (restored backup, lagging replica, tombstone contradicted): doubted the first time and
  fetched by id; the same answer to a second, later question is believed as of that question, and counted as drift.

Nothing here reads a clock or a table: `Life` is loaded with what the tables hold, told the observations one by one, and
then lists what has to be written. A crash before that is written leaves the tables as they were.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from bridge.domain.merge_patch import merge_patch
from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.service_problem import columns_of
from bridge.domain.status import Status

EPOCH = datetime(1, 1, 1, tzinfo=UTC)
"""Before everything; stands for *never* in comparisons."""

_TICK = timedelta(microseconds=1)


class Outcome(StrEnum):
    """What an observation did. `NEW`, `CHANGED`, `SETTLED` and `DELETED` changed the current row.

    `SETTLED` is no news from the source: an answer that puts in order what notifications had told in part, or
    otherwise, of the same moment.
    """

    NEW = "new"
    CHANGED = "changed"
    SETTLED = "settled"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    STALE = "stale"
    DOUBTED = "doubted"

    @property
    def applied(self) -> bool:
        """True when the current row is different for it."""
        return self in (Outcome.NEW, Outcome.CHANGED, Outcome.SETTLED, Outcome.DELETED)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was so since `effective_at`. `body` is the problem, for a PARTIAL the patch, as canonical JSON.

    `confirmed_at` is when we asked the question that was answered with exactly this (None: only ever pushed).
    `superseded` marks a patch that a later answer of the server has overtaken. `folded` is, for a PARTIAL, the body it
    led to. `status` is the normalised status of the whole body.
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
    def key(self) -> tuple[datetime, bytes]:
        """Identity within a problem."""
        return (self.effective_at, self.content_hash)


@dataclass(frozen=True, slots=True)
class StatusFact:
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
class Known:
    """What the current row holds of a problem, without its body."""

    revision: int
    content_at: datetime | None
    content_hash: bytes | None
    content_observed_at: datetime | None
    content_via: Via | None
    confirmed_at: datetime | None
    effective_at: datetime
    observed_at: datetime
    patched: bool
    has_partials: bool
    deleted_at: datetime | None
    doubt_hash: bytes | None
    doubt_at: datetime | None
    missed_at: datetime | None
    status: str
    status_at: datetime | None


@dataclass(slots=True)
class Life:
    """One problem while a batch of observations is weighed. `facts`: those loaded (see `needs_facts`) and the new
    ones, by key.
    """

    problem_id: str
    known: Known | None = None
    facts: dict[tuple[datetime, bytes], Fact] = field(default_factory=dict)

    content: Fact | None = None
    content_observation: Observation | None = None
    deleted_at: datetime | None = None
    observed_at: datetime = EPOCH
    doubt: tuple[bytes, datetime] | None = None
    drift: int = 0
    """Answers older than what was known that had to be believed."""

    added: dict[tuple[datetime, bytes], None] = field(default_factory=dict)
    touched: set[tuple[datetime, bytes]] = field(default_factory=set)
    statuses: dict[tuple[datetime, str], StatusFact] = field(default_factory=dict)
    overtaken: set[tuple[datetime, str]] = field(default_factory=set)
    """Status facts, by key, that only an overtaken patch had stated."""
    refetch: dict[str, None] = field(default_factory=dict)
    pulled_at: datetime | None = None
    last_observed: Observation | None = None
    changed: bool = False
    seen_again: bool = False
    _status: str | None = None
    _status_at: datetime | None = None

    def __post_init__(self) -> None:
        """Take over what the current row says."""
        known = self.known
        if known is None:
            return
        self.deleted_at = known.deleted_at
        self.observed_at = known.observed_at
        self._status, self._status_at = known.status, known.status_at
        if known.doubt_hash is not None and known.doubt_at is not None:
            self.doubt = (known.doubt_hash, known.doubt_at)
        if known.content_at is not None and known.content_hash is not None:
            loaded = self.facts.get((known.content_at, known.content_hash))
            self.content = loaded or Fact(
                effective_at=known.content_at,
                content_hash=known.content_hash,
                kind=Kind.FULL,
                observed_at=known.content_observed_at or known.observed_at,
                via=known.content_via or Via.PUSH,
                body=b"",
                confirmed_at=known.confirmed_at,
                status=known.status,
            )

    def active_patches(self) -> list[Fact]:
        """Patches that stand on top of the content, oldest first."""
        since = self.content.effective_at if self.content else EPOCH
        patches = [
            fact
            for fact in self.facts.values()
            if fact.kind is Kind.PARTIAL and not fact.superseded and fact.effective_at >= since
        ]
        return sorted(patches, key=lambda fact: fact.rank)

    @property
    def head_at(self) -> datetime:
        """The latest time that any current statement claims."""
        times = [EPOCH if self.content is None else self.content.effective_at, self.deleted_at or EPOCH]
        times += [patch.effective_at for patch in self.active_patches()]
        return max(times)

    def observe(self, seen: Observation) -> Outcome:
        """Weigh one observation; return what it did. The order of calls is the order of arrival."""
        outcome = self._pulled(seen) if seen.via is not Via.PUSH else self._pushed(seen)
        self.last_observed = seen
        if outcome.applied:
            self.changed = True
            self.observed_at = max(self.observed_at, seen.observed_at)
        else:
            self.seen_again = True
        return outcome

    def _pushed(self, seen: Observation) -> Outcome:
        if seen.kind is Kind.TOMBSTONE:
            return self._pushed_tombstone(seen)
        if not seen.stamped:
            if self._says_nothing_new(seen):
                return Outcome.UNCHANGED
            seen = self._as_of(seen, seen.observed_at)
        if seen.kind is Kind.PARTIAL:
            return self._pushed_partial(seen)
        fact = self._fact(seen)
        if fact.key in self.facts or (self.content and fact.key == self.content.key):
            return Outcome.UNCHANGED
        self._tie(fact)
        self._add(fact, seen)
        if self.content is not None and fact.rank < self.content.rank:
            return Outcome.STALE
        return self._become_content(fact, seen)

    def _pushed_partial(self, seen: Observation) -> Outcome:
        fact = self._fact(seen)
        if fact.key in self.facts:
            return Outcome.UNCHANGED
        before = self.body() if self.content or self.active_patches() else None
        overtaken = self.content is not None and (
            fact.effective_at >= self.content.effective_at
            and self.content.confirmed_at is not None
            and fact.observed_at <= self.content.confirmed_at
        )
        fact = replace(fact, superseded=overtaken)
        self._add(fact, seen)
        if self.known is not None and not self.known.has_partials:
            self.changed = True
        if overtaken or (self.content is not None and fact.effective_at < self.content.effective_at):
            return Outcome.STALE
        self.changed = True
        if self.deleted_at is not None:
            self.refetch["after_delete"] = None
            return Outcome.STALE
        if before is None:
            return Outcome.NEW
        return Outcome.UNCHANGED if self.body() == before else Outcome.CHANGED

    def _pushed_tombstone(self, seen: Observation) -> Outcome:
        if not seen.stamped:
            if self.deleted_at is not None:
                return Outcome.UNCHANGED
            seen = self._as_of(seen, seen.observed_at)
        fact = self._fact(seen)
        if fact.key in self.facts:
            return Outcome.UNCHANGED
        self._add(fact, seen)
        if self.deleted_at is not None:
            self.deleted_at = max(self.deleted_at, fact.effective_at)
            self.changed = True
            return Outcome.UNCHANGED
        if self.content is not None and self.content.effective_at > fact.effective_at:
            self.refetch["deleted"] = None
            return Outcome.STALE
        self.deleted_at = fact.effective_at
        return Outcome.DELETED

    def _pulled(self, seen: Observation) -> Outcome:
        asked_at = seen.observed_at
        self.pulled_at = max(self.pulled_at or EPOCH, asked_at)
        if seen.kind is Kind.TOMBSTONE:
            return self._pulled_tombstone(seen)
        content = self.content
        if content is None:
            if self.deleted_at is not None and (not seen.stamped or seen.effective_at <= self.deleted_at):
                return self._doubtful(seen)
            return self._confirm(seen)
        if seen.content_hash == content.content_hash:
            return self._doubtful(seen) if self.deleted_at is not None else self._confirm_same(asked_at)
        if seen.stamped and seen.effective_at > content.effective_at:
            if self.deleted_at is not None and seen.effective_at <= self.deleted_at:
                return self._doubtful(seen)
            return self._confirm(seen)
        if seen.stamped and seen.effective_at == content.effective_at:
            if self._heard_since(asked_at):
                self.refetch["tie"] = None
                self._add(self._fact(seen), seen)
                return Outcome.STALE
            if self.deleted_at is not None:
                return self._doubtful(seen)
            return self._confirm(seen)
        return self._doubtful(seen)

    def _pulled_tombstone(self, seen: Observation) -> Outcome:
        if self.deleted_at is not None:
            return Outcome.UNCHANGED
        if self._heard_since(seen.observed_at):
            return Outcome.STALE
        seen = self._as_of(seen, seen.observed_at)
        fact = self._fact(seen)
        self._add(fact, seen)
        self.deleted_at = fact.effective_at
        self.doubt = None
        return Outcome.DELETED

    def _confirm(self, seen: Observation) -> Outcome:
        """The server's answer becomes the content."""
        fact = replace(self._fact(seen), confirmed_at=seen.observed_at)
        patched = bool(self.active_patches())
        tied = self.content is not None and self.content.effective_at == fact.effective_at
        self._supersede(fact.effective_at, seen.observed_at)
        self._add(fact, seen)
        self.doubt = None
        outcome = self._become_content(fact, seen)
        return Outcome.SETTLED if outcome is Outcome.CHANGED and (patched or tied) else outcome

    def _confirm_same(self, asked_at: datetime) -> Outcome:
        """The server still says what we know: patches from before the question are overtaken."""
        content = self.content
        if content is None:
            return Outcome.UNCHANGED
        had_patches = bool(self.active_patches())
        if self.doubt is not None:
            self.doubt = None
            self.changed = True
        if not had_patches:
            return Outcome.UNCHANGED
        if asked_at > (content.confirmed_at or EPOCH):
            content = replace(content, confirmed_at=asked_at)
            self.content = content
            if content.key in self.facts:
                self.facts[content.key] = content
                self.touched.add(content.key)
        before = self.body()
        self._supersede(content.effective_at, asked_at)
        self.changed = True
        return Outcome.UNCHANGED if self.body() == before else Outcome.SETTLED

    def _doubtful(self, seen: Observation) -> Outcome:
        """An answer that looks older than what is known (or contradicts a deletion)."""
        if self._heard_since(seen.observed_at):
            if seen.stamped:
                self._add(self._fact(seen), seen)
            return Outcome.STALE
        believed = not seen.stamped and self.deleted_at is None
        if not believed and self.doubt is not None:
            doubted_hash, doubted_at = self.doubt
            believed = doubted_hash == seen.content_hash and doubted_at < seen.observed_at
            if believed:
                self.drift += 1
        if believed:
            return self._confirm(self._as_of(seen, seen.observed_at))
        if self.doubt is None or self.doubt[0] != seen.content_hash:
            self.doubt = (seen.content_hash, seen.observed_at)
            self.changed = True
        if seen.stamped:
            self._add(self._fact(seen), seen)
        self.refetch["regression"] = None
        return Outcome.DOUBTED

    def _says_nothing_new(self, seen: Observation) -> bool:
        content = self.content
        return (
            content is not None
            and seen.content_hash == content.content_hash
            and self.deleted_at is None
            and not self.active_patches()
        )

    def _heard_since(self, asked_at: datetime) -> bool:
        """Did a notification that changed something come after this question was asked?"""
        return self.observed_at >= asked_at

    def _as_of(self, seen: Observation, at: datetime) -> Observation:
        """An observation without a usable time of its own holds since `at`, or just after what is known."""
        effective_at = max(at, self.head_at + _TICK)
        return replace(seen, effective_at=effective_at, status_at=effective_at if seen.status else None)

    def _tie(self, fact: Fact) -> None:
        """Same time, different content: only the server can say."""
        if self.content and fact.effective_at == self.content.effective_at:
            self.refetch["tie"] = None

    def _become_content(self, fact: Fact, seen: Observation) -> Outcome:
        same = self.content is not None and self.content.content_hash == fact.content_hash and not self.active_patches()
        alive = self.deleted_at is None
        first = self.content is None and self.known is None and len(self.added) <= 1
        self.content = fact
        self.content_observation = seen
        if seen.status is not None:
            self._status, self._status_at = seen.status.value, seen.status_at
        if self.deleted_at is not None and fact.effective_at > self.deleted_at:
            self.deleted_at = None
        if first:
            return Outcome.NEW
        self.changed = True
        if not alive and self.deleted_at is not None:
            return Outcome.STALE
        return Outcome.UNCHANGED if same and alive else Outcome.CHANGED

    def _supersede(self, since: datetime, asked_at: datetime) -> None:
        """Patches heard before the question and claiming to hold since the answer or later are overtaken by it."""
        for patch in self.active_patches():
            if patch.effective_at >= since and patch.observed_at <= asked_at:
                self.facts[patch.key] = replace(patch, superseded=True)
                self.touched.add(patch.key)
                columns = columns_of(orjson.loads(patch.body))
                status_at = min(columns.status_at or patch.effective_at, patch.effective_at)
                self.overtaken.add((status_at, columns.status.value))

    def _add(self, fact: Fact, seen: Observation) -> None:
        if fact.key not in self.facts:
            self.added[fact.key] = None
        elif fact.confirmed_at and fact.confirmed_at > (self.facts[fact.key].confirmed_at or EPOCH):
            self.touched.add(fact.key)
        else:
            return
        self.facts[fact.key] = fact
        self._add_status(fact, seen)

    def _add_status(self, fact: Fact, seen: Observation) -> None:
        if seen.status is None or fact.superseded:
            return
        since = min(seen.status_at or fact.effective_at, fact.effective_at)
        if self._frozen_status_date(fact, seen.status.value, since):
            since = fact.effective_at
        key = (since, seen.status.value)
        held = self.statuses.get(key)
        stated_at = min(fact.effective_at, held.stated_at) if held else fact.effective_at
        confirmed = [at for at in (fact.confirmed_at, held.confirmed_at if held else None) if at is not None]
        self.statuses[key] = StatusFact(
            effective_at=since,
            status=seen.status.value,
            status_raw=seen.status_raw,
            stated_at=stated_at,
            observed_at=fact.observed_at,
            confirmed_at=max(confirmed, default=None),
            via=fact.via,
            partial=fact.kind is Kind.PARTIAL and (held is None or held.partial),
        )

    def _frozen_status_date(self, fact: Fact, status: str, since: datetime) -> bool:
        """A newer statement with another status, yet a statusChangeDate not after the known one: this source does
        not keep it.
        """
        if self.content is None or fact.effective_at <= self.content.effective_at or self._status_at is None:
            return False
        return status != self._status and since <= self._status_at

    def _fact(self, seen: Observation) -> Fact:
        return Fact(
            effective_at=seen.effective_at,
            content_hash=TOMBSTONE_HASH if seen.kind is Kind.TOMBSTONE else seen.content_hash,
            kind=seen.kind,
            observed_at=seen.observed_at,
            via=seen.via,
            body=seen.body,
            event_type=seen.event_type,
            status=(seen.status or Status.UNKNOWN).value,
        )

    def body(self) -> bytes:
        """The current body: the content with the active patches merged over it (canonical JSON)."""
        patches = self.active_patches()
        if self.content is not None and not patches:
            return self.content.body
        base: dict[str, Any] = orjson.loads(self.content.body) if self.content else {"id": self.problem_id}
        for patch in patches:
            base = merge_patch(base, orjson.loads(patch.body))
        return canonical(base)

    def refold(self) -> None:
        """Compute, for every loaded patch, the body it led to; remember the ones that came out differently."""
        base: dict[str, Any] = {"id": self.problem_id}
        for fact in sorted(self.facts.values(), key=lambda fact: fact.rank):
            if fact.kind is Kind.FULL:
                base = orjson.loads(fact.body)
            elif fact.kind is Kind.PARTIAL and not fact.superseded:
                base = merge_patch(base, orjson.loads(fact.body))
                folded = canonical(base)
                if folded != fact.folded:
                    self.facts[fact.key] = replace(fact, folded=folded, status=columns_of(base).status.value)
                    self.touched.add(fact.key)


def canonical(body: dict[str, Any]) -> bytes:
    """JSON with sorted keys: equal content, equal bytes."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def needs_facts(known: Known | None, observations: Iterable[Observation]) -> bool:
    """Can these be weighed on the current row alone, or are the recent facts of the problem needed too?

    Only patches need them: to fold one, to overtake one, or to place something before one.
    """
    seen = list(observations)
    if any(one.kind is Kind.PARTIAL for one in seen):
        return True
    if known is None or not known.has_partials:
        return False
    return known.patched or any(one.effective_at < known.effective_at for one in seen)
