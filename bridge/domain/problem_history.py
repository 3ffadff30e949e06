"""One service problem: what was said of it, and what is true of it now.

Everything that was said is a *fact* (`bridge.domain.fact`). From the facts follow the *content* (the newest whole
statement), the *active patches* (partial statements since the content that no later answer has overtaken), the *current
body* (the content with the patches merged over it, in order of time), and whether the problem is *deleted* (the newest
tombstone is at or after the content; patches never bring it back).

Pure: `ProblemHistory` is loaded with what the tables hold, is changed by one observation after the other
(`bridge.domain.push_decision`, `bridge.domain.pull_decision`), and then has what is to be written. Times are compared
at the coarser precision of the two.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from msgspec.structs import replace

from bridge.domain.current_row import CurrentRow
from bridge.domain.fact import EPOCH, Fact, FactKey, StatusTimeline, canonical, hash_of
from bridge.domain.merge_patch import merge_patch
from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.same_content import same_content
from bridge.domain.service_problem import columns_of
from bridge.domain.timestamp import same_instant, shift

DELETION_REASONS = frozenset(("deleted", "after_delete"))
"""Reasons to fetch a problem that was said to be deleted: when GET by id returns 404, it is."""

_TICK = timedelta(microseconds=1)


class Outcome(StrEnum):
    """What an observation did. `NEW`, `CHANGED`, `SETTLED` and `DELETED` changed the current row.

    `SETTLED`: the source changed nothing; an answer completed, or corrected, what notifications had said of the same
    moment.
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


@dataclass(slots=True)
class ProblemHistory:
    """One problem while a batch of observations is decided.

    `facts`: those that were read (see `needs_facts`) and the new ones. `added`: new facts; `updated`: known ones that
    changed. `drift`: answers older than what was known that had to be believed. `unmoved`: answers
    with another content under an update time that the server had confirmed. `restated`: the content, when the last
    observation said it again with times in another precision. `via`: the way the last change came.
    """

    problem_id: str
    known: CurrentRow | None = None
    facts: dict[FactKey, Fact] = field(default_factory=dict)

    content: Fact | None = None
    content_observation: Observation | None = None
    deleted_at: datetime | None = None
    observed_at: datetime = EPOCH
    doubt: tuple[bytes, datetime] | None = None
    drift: int = 0
    unmoved: int = 0
    added: dict[FactKey, None] = field(default_factory=dict)
    updated: set[FactKey] = field(default_factory=set)
    timeline: StatusTimeline = field(default_factory=StatusTimeline)
    refetch: dict[str, None] = field(default_factory=dict)
    pulled_at: datetime | None = None
    last_observed: Observation | None = None
    restated: Fact | None = None
    via: Via | None = None
    changed: bool = False
    stamp: datetime = EPOCH
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
        self.timeline.status, self.timeline.since = known.status, known.status_since()
        if known.doubt_hash is not None and known.doubt_at is not None:
            self.doubt = (known.doubt_hash, known.doubt_at)
        content = known.content()
        if content is not None:
            self.content = self.facts.get(content.key, content)
            self.stamp = known.content_stamp() or EPOCH

    @property
    def unknown(self) -> bool:
        """Is nothing known of this problem, not even that it was deleted?"""
        return self.known is None and self.content is None and not self.facts and self.deleted_at is None

    @property
    def altered(self) -> bool:
        """Is its present, or its past, another than before? Not for being seen again."""
        timeline = self.timeline
        return bool(self.changed or self.added or self.updated or timeline.added or timeline.contradicted)

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

    @property
    def head_at(self) -> datetime:
        """The latest time that any current statement claims."""
        times = [EPOCH if self.content is None else self.content.effective_at, self.deleted_at or EPOCH]
        times += [patch.effective_at for patch in self.active_patches()[-1:]]
        return max(times)

    def start(self, seen: Observation) -> None:
        """Make ready to decide one observation."""
        self.restated, self.timeline.vocabulary = None, seen.vocabulary

    def finish(self, seen: Observation, outcome: Outcome) -> Outcome:
        """Note that an observation was decided, and how it came if it changed something."""
        self.last_observed = seen
        if outcome.applied:
            self.changed = True
            self.observed_at = max(self.observed_at, seen.observed_at)
            self.via = seen.via
        return outcome

    # Times

    def restates(self, seen: Observation) -> bool:
        """Is this the content again, with its times in another precision?"""
        content = self.content
        if (
            content is None
            or seen.kind is not Kind.FULL
            or not content.body
            or seen.content_hash == content.content_hash
        ):
            return False
        if not (_claims(seen, self.stamp) or _claims(seen, content.effective_at)):
            return False
        return same_content(orjson.loads(content.body), orjson.loads(seen.body))

    def may_be_of(self, seen: Observation, at: datetime) -> bool:
        """May the stamp of an observation be the instant `at`, at the coarser precision of the two?"""
        return same_instant(seen.effective_at, at, seen.precision)

    def came_last(self, seen: Observation) -> bool:
        """Was this received after everything that is current? If it seems older all the same, it came late or the
        source's clocks disagree: only the server can say.
        """
        confirmed_at = self.content.confirmed_at if self.content else None
        return seen.observed_at >= max(self.observed_at, confirmed_at or EPOCH)

    def as_of(self, seen: Observation, at: datetime) -> Observation:
        """An observation without a usable time of its own holds since `at`, or just after what is known."""
        return placed(seen, max(at, shift(self.head_at, _TICK)))

    # Facts

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

    def become_content(self, fact: Fact, seen: Observation) -> Outcome:
        same = self.content is not None and self.content.content_hash == fact.content_hash and not self.active_patches()
        alive = self.deleted_at is None
        first = self.content is None and self.known is None and len(self.added) <= 1
        self.content = fact
        self.content_observation = seen if seen.stamped else None
        self.stamp = min(seen.updated_at or fact.effective_at, fact.effective_at)
        self._active = self._current = None
        self.timeline.follow(seen)
        if self.deleted_at is not None and fact.effective_at > self.deleted_at:
            self.deleted_at = None
        if first:
            return Outcome.NEW
        self.changed = True
        if not alive and self.deleted_at is not None:
            return Outcome.STALE
        return Outcome.UNCHANGED if same and alive else Outcome.CHANGED

    def supersede(self, since: datetime, asked_at: datetime) -> None:
        """Patches from before the request that claim to hold since the answer or later are overtaken by it."""
        active = self.active_patches()
        if not active:
            return
        overtaken = [patch for patch in active if patch.effective_at >= since and patch.observed_at <= asked_at]
        for patch in overtaken:
            self.facts[patch.key] = replace(patch, superseded=True)
            self.updated.add(patch.key)
        self.timeline.contradict_patches(overtaken, [patch for patch in active if patch not in overtaken])
        self._active = self._current = None

    def add(self, fact: Fact, seen: Observation, *, contradicted: bool = False) -> None:
        """Add a fact. `contradicted`: the server says, or will be asked, what was so at that moment, so this says
        nothing of the status.
        """
        key = fact.key
        if key not in self.facts:
            self.added[key] = None
        elif fact.confirmed_at and fact.confirmed_at > (self.facts[key].confirmed_at or EPOCH):
            self.updated.add(key)
        else:
            return
        self.facts[key] = fact
        if fact.kind is Kind.PARTIAL:
            self._activate(fact)
        if not contradicted and not fact.superseded:
            self.timeline.add(fact, seen, self.content, patched=bool(self.active_patches()))

    # Body

    def body(self) -> bytes:
        """The current body: the content with the active patches merged over it (JSON; canonical where patched)."""
        if self.content is not None and not self.active_patches():
            return self.content.body
        return canonical(self.folded())

    def folded(self) -> dict[str, Any]:
        """The current body as an object."""
        if self._current is not None:
            return self._current
        current: dict[str, Any] = orjson.loads(self.content.body) if self.content else {"id": self.problem_id}
        for patch in self.active_patches():
            current = merge_patch(current, orjson.loads(patch.body))
        self._current = current
        return current

    def refold(self) -> None:
        """Compute, for every patch at hand, the body it led to; note the ones that came out differently."""
        base: dict[str, Any] = {"id": self.problem_id}
        for fact in sorted(self.facts.values(), key=lambda fact: fact.rank):
            if fact.kind is Kind.FULL:
                base = orjson.loads(fact.body)
            elif fact.kind is Kind.PARTIAL and not fact.superseded:
                base = merge_patch(base, orjson.loads(fact.body))
                folded = canonical(base)
                if hash_of(folded) != fact.folded_hash:
                    status = columns_of(base, self.timeline.vocabulary).status
                    self.facts[fact.key] = replace(
                        fact, folded=folded, folded_hash=hash_of(folded), status=status.value
                    )
                    self.updated.add(fact.key)


def placed(seen: Observation, at: datetime) -> Observation:
    """The same, holding since `at` by our clock."""
    return replace(seen, effective_at=at, stamped=False, status_at=at if seen.status else None)


def needs_facts(known: CurrentRow | None, observations: Sequence[Observation]) -> bool:
    """Are the facts of the problem needed to decide these, or is the current row enough?

    They are for patches (to fold one, to overtake one, to place something before one), and where another content
    claims the time of the known one: it may say the same in another precision.
    """
    if Kind.PARTIAL in [one.kind for one in observations] or any(one.last is not None for one in observations):
        return True
    if known is None:
        return False
    if known.content_at is not None and any(_claims_the_time_of(known, one) for one in observations):
        return True
    if not known.has_partials:
        return False
    return known.patched or any(one.effective_at < known.effective_at for one in observations)


def _claims_the_time_of(known: CurrentRow, seen: Observation) -> bool:
    if seen.content_hash == known.content_hash or seen.kind is not Kind.FULL or not seen.stamped:
        return False
    return any(at is not None and _claims(seen, at) for at in (known.content_at, known.content_stamp()))


def _claims(seen: Observation, at: datetime) -> bool:
    """May this be of the instant `at`? Of nanoseconds a digit may have been cut off or rounded up."""
    return abs(seen.effective_at - at) <= _TICK or same_instant(seen.effective_at, at, seen.precision)
