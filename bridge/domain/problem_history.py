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

from bisect import insort
from collections.abc import Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson

from bridge.domain.merge_patch import merge_patch
from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.service_problem import columns_of
from bridge.domain.status import Status
from bridge.domain.value import dataclass

EPOCH = datetime(1, 1, 1, tzinfo=UTC)
"""Before everything; stands for *never* in comparisons."""

DELETION_REASONS = frozenset(("deleted", "after_delete"))
"""Reasons to fetch a problem of which a deletion was told: if it is not to be had, it is gone."""

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
class CurrentRow:
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
    updated_at: datetime | None
    via: Via


@dataclass(slots=True)
class ProblemHistory:
    """One problem while a batch of observations is weighed. `facts`: those loaded (see `needs_facts`) and the new
    ones, by key.
    """

    problem_id: str
    known: CurrentRow | None = None
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
    overtaken: dict[tuple[datetime, str], datetime | None] = field(default_factory=dict)
    """Status facts, by key, that the server has contradicted: only a patch had stated them (None), or first the whole
    statement of this time.
    """
    refetch: dict[str, None] = field(default_factory=dict)
    pulled_at: datetime | None = None
    last_observed: Observation | None = None
    via: Via | None = None
    """The way the last change came."""
    changed: bool = False
    _status: str | None = None
    _status_at: datetime | None = None
    _active: list[Fact] | None = None
    _current: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Take over what the current row says."""
        known = self.known
        if known is None:
            return
        self.deleted_at = known.deleted_at
        self.observed_at = known.observed_at
        self.via = known.via
        self._status, self._status_at = known.status, _in_status_since(known)
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

    @property
    def altered(self) -> bool:
        """Is its present, or its past, another than before? Not for being seen again."""
        return bool(self.changed or self.added or self.touched or self.statuses or self.overtaken)

    @property
    def has_partials(self) -> bool:
        """Is any of the facts at hand a partial statement?"""
        return Kind.PARTIAL in [fact.kind for fact in self.facts.values()]

    def active_patches(self) -> list[Fact]:
        """Patches that stand on top of the content, oldest first."""
        if self._active is None:
            active = [fact for fact in self.facts.values() if fact.kind is Kind.PARTIAL and self._is_active(fact)]
            self._active = sorted(active, key=lambda fact: fact.rank) if active else active
        return self._active

    def _is_active(self, patch: Fact) -> bool:
        since = self.content.effective_at if self.content else EPOCH
        return not patch.superseded and patch.effective_at >= since

    def _activate(self, patch: Fact) -> None:
        """Put a new patch in its place; on top of all others, where most belong, without folding these again."""
        if not self._is_active(patch):
            return
        active = self.active_patches()
        if patch in active[-1:]:
            return
        insort(active, patch, key=lambda fact: fact.rank)
        if self._current is not None and active[-1] is patch:
            self._current = merge_patch(self._current, orjson.loads(patch.body))
        else:
            self._current = None

    def _rebase(self) -> None:
        """Content or patches are others now."""
        self._active = self._current = None

    @property
    def head_at(self) -> datetime:
        """The latest time that any current statement claims."""
        times = [EPOCH if self.content is None else self.content.effective_at, self.deleted_at or EPOCH]
        times += [patch.effective_at for patch in self.active_patches()[-1:]]
        return max(times)

    def observe(self, seen: Observation) -> Outcome:
        """Weigh one observation; return what it did. The order of calls is the order of arrival."""
        outcome = self._pulled(seen) if seen.via is not Via.PUSH else self._pushed(seen)
        self.last_observed = seen
        if outcome.applied:
            self.changed = True
            self.observed_at = max(self.observed_at, seen.observed_at)
            self.via = seen.via
        return outcome

    def _pushed(self, seen: Observation) -> Outcome:
        if seen.kind is Kind.TOMBSTONE:
            return self._pushed_tombstone(seen)
        if not seen.stamped:
            if self._says_nothing_new(seen):
                return Outcome.UNCHANGED
            seen = self._as_received(seen)
        if seen.kind is Kind.PARTIAL:
            return self._pushed_partial(seen)
        fact = self._fact(seen)
        if fact.key in self.facts or (self.content and fact.key == self.content.key):
            return Outcome.UNCHANGED
        tied = self.content is not None and fact.effective_at == self.content.effective_at
        stale = self.content is not None and fact.rank < self.content.rank
        if tied:
            self.refetch["tie"] = None
        elif stale and self._came_last(seen):
            self.refetch["late"] = None
        refuted = tied and stale and self.content is not None and self.content.confirmed_at is not None
        self._add(fact, seen, refuted=refuted)
        outcome = Outcome.STALE if stale else self._become_content(fact, seen)
        if self.deleted_at is not None and self._came_last(seen):
            self.refetch["after_delete"] = None
        return outcome

    def _pushed_partial(self, seen: Observation) -> Outcome:
        fact = self._fact(seen)
        if fact.key in self.facts:
            return Outcome.UNCHANGED
        before = canonical(self._folded()) if self.content or self.active_patches() else None
        overtaken = self.content is not None and (
            fact.effective_at >= self.content.effective_at
            and self.content.confirmed_at is not None
            and fact.observed_at <= self.content.confirmed_at
        )
        fact = replace(fact, superseded=overtaken)
        self._add(fact, seen)
        stale = self.content is not None and fact.effective_at < self.content.effective_at
        if not overtaken and (not stale or self._came_last(seen)):
            self.refetch["partial"] = None
        if overtaken or stale:
            return Outcome.STALE
        if self.deleted_at is not None:
            self.refetch["after_delete"] = None
            return Outcome.STALE
        if before is None:
            return Outcome.NEW
        return Outcome.UNCHANGED if canonical(self._folded()) == before else Outcome.CHANGED

    def _pushed_tombstone(self, seen: Observation) -> Outcome:
        if not seen.stamped:
            if self.deleted_at is not None:
                return Outcome.UNCHANGED
            seen = self._as_received(seen)
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
            return self._doubtful(seen) if self.deleted_at is not None else self._confirm_same(seen)
        if seen.stamped and seen.effective_at > content.effective_at:
            if self.deleted_at is not None and seen.effective_at <= self.deleted_at:
                return self._doubtful(seen)
            return self._confirm(seen)
        if seen.stamped and seen.effective_at == content.effective_at:
            if self._heard_since(asked_at):
                self.refetch["tie"] = None
                self._add(self._fact(seen), seen, refuted=True)
                return Outcome.STALE
            if self.deleted_at is not None:
                return self._doubtful(seen)
            return self._confirm(seen)
        return self._doubtful(seen)

    def _pulled_tombstone(self, seen: Observation) -> Outcome:
        if self.deleted_at is not None:
            self._still_gone(self.deleted_at, seen.observed_at)
            return Outcome.UNCHANGED
        if self._heard_since(seen.observed_at):
            return Outcome.STALE
        seen = self._as_of(seen, seen.observed_at)
        fact = self._fact(seen)
        self._add(fact, seen)
        self.deleted_at = fact.effective_at
        self.doubt = None
        return Outcome.DELETED

    def _still_gone(self, deleted_at: datetime, asked_at: datetime) -> None:
        """Patches that claim to be from after the deletion were of no life."""
        if any(patch.effective_at >= deleted_at for patch in self.active_patches()):
            self._supersede(deleted_at, asked_at)
            self.changed = True

    def _confirm(self, seen: Observation) -> Outcome:
        """The server's answer becomes the content."""
        fact = self._fact(seen, confirmed_at=seen.observed_at)
        patched = bool(self.active_patches())
        tied = self.content is not None and self.content.effective_at == fact.effective_at
        self._supersede(fact.effective_at, seen.observed_at)
        if tied:
            self._refute_status(seen)
        self._add(fact, seen)
        self.doubt = None
        outcome = self._become_content(fact, seen)
        return Outcome.SETTLED if outcome is Outcome.CHANGED and (patched or tied) else outcome

    def _confirm_same(self, seen: Observation) -> Outcome:
        """The server still says what we know: patches from before the question are overtaken. Noted where it matters:
        there were patches, or we asked for this very problem because something spoke against it.
        """
        content = self.content
        if content is None:
            return Outcome.UNCHANGED
        if self.doubt is not None:
            self.doubt = None
            self.changed = True
        had_patches = bool(self.active_patches())
        if not had_patches and seen.via is not Via.REFETCH:
            return Outcome.UNCHANGED
        before = canonical(self._folded()) if had_patches else b""
        if seen.observed_at > (content.confirmed_at or EPOCH):
            self.content = content = replace(content, confirmed_at=seen.observed_at)
            self.facts[content.key] = content
            self.touched.add(content.key)
            self.changed = True
        if not had_patches:
            return Outcome.UNCHANGED
        self._supersede(content.effective_at, seen.observed_at)
        self.changed = True
        return Outcome.UNCHANGED if canonical(self._folded()) == before else Outcome.SETTLED

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
        self.refetch["regression" if self.deleted_at is None else "after_delete"] = None
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

    def _came_last(self, seen: Observation) -> bool:
        """Was this received after everything that is current? If it seems older all the same, it came late or the
        source's clocks disagree: only the server can say.
        """
        confirmed_at = self.content.confirmed_at if self.content else None
        return seen.observed_at >= max(self.observed_at, confirmed_at or EPOCH)

    def _as_received(self, seen: Observation) -> Observation:
        """A notification without any time holds since it was received: after what is known, unless that is from later
        (it had waited in the journal, say).
        """
        if self._came_last(seen):
            return self._as_of(seen, seen.observed_at)
        return _placed(seen, seen.observed_at)

    def _as_of(self, seen: Observation, at: datetime) -> Observation:
        """An observation without a usable time of its own holds since `at`, or just after what is known."""
        return _placed(seen, max(at, self.head_at + _TICK))

    def _become_content(self, fact: Fact, seen: Observation) -> Outcome:
        same = self.content is not None and self.content.content_hash == fact.content_hash and not self.active_patches()
        alive = self.deleted_at is None
        first = self.content is None and self.known is None and len(self.added) <= 1
        self.content = fact
        self.content_observation = seen if seen.stamped else None
        self._rebase()
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
        """Patches heard before the question and claiming to hold since the answer or later are overtaken by it, and so
        are the statuses that no other patch states.
        """
        active = self.active_patches()
        if not active:
            return
        stating: dict[bool, set[tuple[datetime, str]]] = {False: set(), True: set()}
        for patch in active:
            overtaken = patch.effective_at >= since and patch.observed_at <= asked_at
            stating[overtaken].update(_stated_by(patch))
            if overtaken:
                self.facts[patch.key] = replace(patch, superseded=True)
                self.touched.add(patch.key)
        self.overtaken |= dict.fromkeys(stating[True] - stating[False])
        self._rebase()

    def _refute_status(self, seen: Observation) -> None:
        """The server says otherwise of the same moment: what the content first said of the status is not so."""
        if self.content is None or seen.status is None or self._status in (None, seen.status.value):
            return
        at = self.content.effective_at
        for since in (at, min(self._status_at or at, at)):
            self.overtaken[since, str(self._status)] = at

    def _add(self, fact: Fact, seen: Observation, *, refuted: bool = False) -> None:
        """Add a fact. `refuted`: the server says, or will be asked, what was so at that moment, so this says nothing
        of the status.
        """
        key = fact.key
        if key not in self.facts:
            self.added[key] = None
        elif fact.confirmed_at and fact.confirmed_at > (self.facts[key].confirmed_at or EPOCH):
            self.touched.add(key)
        else:
            return
        self.facts[key] = fact
        if fact.kind is Kind.PARTIAL:
            self._activate(fact)
        if not refuted and not fact.superseded:
            self._add_status(fact, seen)

    def _add_status(self, fact: Fact, seen: Observation) -> None:
        if seen.status is None:
            return
        since = min(seen.status_at or fact.effective_at, fact.effective_at)
        if self._frozen_status_date(fact, since):
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
        self._restate_content(fact, since)

    def _restate_content(self, fact: Fact, since: datetime) -> None:
        """An older statement with another status, yet a statusChangeDate not before the content's: this source does
        not keep it, so the content's status holds (again) since the content, whatever date it gives.
        """
        content = self.content
        if content is None or fact.effective_at >= content.effective_at or self.active_patches():
            return
        if self._status in (None, Status.UNKNOWN.value, fact.status):
            return
        if self._status_at is None or since < self._status_at:
            return
        self._state(
            StatusFact(
                effective_at=content.effective_at,
                status=str(self._status),
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
        self.overtaken.pop(key, None)
        held = self.statuses.get(key)
        if held is not None:
            confirmed = [at for at in (said.confirmed_at, held.confirmed_at) if at is not None]
            said = replace(
                said,
                stated_at=min(said.stated_at, held.stated_at),
                confirmed_at=max(confirmed, default=None),
                partial=said.partial and held.partial,
            )
        self.statuses[key] = said

    def _frozen_status_date(self, fact: Fact, since: datetime) -> bool:
        """A newer statement with another status, yet a statusChangeDate not after the known one: this source does
        not keep it.
        """
        if self.content is None or fact.effective_at <= self.content.effective_at or self._status_at is None:
            return False
        return fact.status != self._status and since <= self._status_at

    def _fact(self, seen: Observation, *, confirmed_at: datetime | None = None) -> Fact:
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

    def body(self) -> bytes:
        """The current body: the content with the active patches merged over it (JSON; canonical where patched)."""
        if self.content is not None and not self.active_patches():
            return self.content.body
        return canonical(self._folded())

    def _folded(self) -> dict[str, Any]:
        """The current body as an object."""
        if self._current is not None:
            return self._current
        current: dict[str, Any] = orjson.loads(self.content.body) if self.content else {"id": self.problem_id}
        for patch in self.active_patches():
            current = merge_patch(current, orjson.loads(patch.body))
        self._current = current
        return current

    def refold(self) -> None:
        """Compute, for every loaded patch, the body it led to; remember the ones that came out differently."""
        base: dict[str, Any] = {"id": self.problem_id}
        for fact in sorted(self.facts.values(), key=lambda fact: fact.rank):
            if fact.kind is Kind.FULL:
                base = orjson.loads(fact.body)
            elif fact.kind is Kind.PARTIAL and not fact.superseded:
                base = merge_patch(base, orjson.loads(fact.body))
                folded = canonical(base)
                if hash_of(folded) != fact.folded_hash:
                    self.facts[fact.key] = replace(
                        fact, folded=folded, folded_hash=hash_of(folded), status=columns_of(base).status.value
                    )
                    self.touched.add(fact.key)


def _in_status_since(known: CurrentRow) -> datetime | None:
    """Since when the current status is known to hold; where the time of the content is ours, not since before."""
    if known.content_at is None or known.updated_at == known.content_at:
        return known.status_at
    return max(known.status_at or EPOCH, known.content_at)


def _placed(seen: Observation, at: datetime) -> Observation:
    """The same, holding since `at` by our clock."""
    return replace(seen, effective_at=at, stamped=False, status_at=at if seen.status else None)


def _stated_by(patch: Fact) -> set[tuple[datetime, str]]:
    """The keys that the status in a patch may have been stated under."""
    columns = columns_of(orjson.loads(patch.body))
    status_at = min(columns.status_at or patch.effective_at, patch.effective_at)
    return {(at, columns.status.value) for at in (status_at, patch.effective_at)}


def hash_of(body: bytes) -> bytes:
    """Return the 16-byte BLAKE2b of a body."""
    return blake2b(body, digest_size=16).digest()


def canonical(body: dict[str, Any]) -> bytes:
    """JSON with sorted keys: equal content, equal bytes."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def needs_facts(known: CurrentRow | None, observations: Sequence[Observation]) -> bool:
    """Can these be weighed on the current row alone, or are the recent facts of the problem needed too?

    Only patches need them: to fold one, to overtake one, or to place something before one.
    """
    if Kind.PARTIAL in [one.kind for one in observations]:
        return True
    if known is None or not known.has_partials:
        return False
    return known.patched or any(one.effective_at < known.effective_at for one in observations)
