"""One service problem: how observations, in whatever order they come, decide what is true of it.

Everything that was said is a *fact* (`bridge.domain.fact`). From the facts follow the *content* (the newest whole
statement), the *active patches* (partial statements since the content that no later answer has overtaken), the *current
body* (the content with the patches merged over it, in order of time), and whether the problem is *deleted* (the newest
tombstone is at or after the content; patches never bring it back).

An answer of the server counts as of the moment its request was started, on our clock: it loses only to a notification
that came after that. Otherwise the server is right: the same content overtakes earlier patches; a newer one becomes the
content; one without a stamp is believed; one that looks *older* is doubted, fetched by id, and believed when seen twice
(drift). Times are compared at the coarser precision of the two.

Pure: `ProblemHistory` is loaded with what the tables hold, observes one by one, and then has what is to be written.
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
from bridge.domain.fact import EPOCH, Fact, FactKey, StatusTimeline, canonical, fact_of, hash_of
from bridge.domain.merge_patch import merge_patch
from bridge.domain.observation import CREATED, Kind, Observation, Via
from bridge.domain.same_content import same_content
from bridge.domain.service_problem import columns_of
from bridge.domain.timestamp import same_instant, shift

DELETION_REASONS = frozenset(("deleted", "after_delete"))
"""Reasons to fetch a problem that was said to be deleted: when GET by id returns 404, it is."""

_STANDS_STILL = timedelta(minutes=10)
"""A content that was confirmed so long after its update time was not changed in the same second."""

_TICK = timedelta(microseconds=1)


class Outcome(StrEnum):
    """What an observation did. `NEW`, `CHANGED`, `SETTLED` and `DELETED` changed the current row.

    `SETTLED` is no news from the source: an answer that puts in order what notifications had said in part, or
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
    _stamp: datetime = EPOCH
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
            self._stamp = known.content_stamp() or EPOCH

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

    def observe(self, seen: Observation) -> Outcome:
        """Decide one observation; return what it did. The order of calls is the order of arrival."""
        self.restated, self.timeline.vocabulary = None, seen.vocabulary
        outcome = self._pulled(seen) if seen.via is not Via.PUSH else self._pushed(seen)
        self.last_observed = seen
        if outcome.applied:
            self.changed = True
            self.observed_at = max(self.observed_at, seen.observed_at)
            self.via = seen.via
        return outcome

    # Notifications

    def _pushed(self, seen: Observation) -> Outcome:
        if seen.kind is Kind.TOMBSTONE:
            return self._pushed_tombstone(seen)
        if not seen.stamped:
            if self._says_nothing_new(seen):
                return Outcome.UNCHANGED
            seen = self._as_received(seen)
        elif self._repeats(seen):
            return Outcome.UNCHANGED
        elif self._restates(seen):
            self.restated = self.content
            return Outcome.UNCHANGED
        else:
            seen = self._ordered_by_event(seen)
        return self._pushed_partial(seen) if seen.kind is Kind.PARTIAL else self._pushed_whole(seen)

    def _pushed_whole(self, seen: Observation) -> Outcome:
        fact = fact_of(seen)
        if fact.key in self.facts or (self.content and fact.key == self.content.key):
            return Outcome.UNCHANGED
        if self.deleted_at is not None and seen.effective_at > self.deleted_at and self._is_of(seen, self.deleted_at):
            fact = replace(fact, effective_at=self.deleted_at)  # the deletion was stated less precisely
        tied = self.content is not None and fact.effective_at == self.content.effective_at
        stale = self.content is not None and fact.rank < self.content.rank
        if tied:
            self.refetch["tie"] = None
        elif stale and self._came_last(seen):
            self.refetch["late"] = None
        contradicted = tied and stale and self.content is not None and self.content.confirmed_at is not None
        self._add(fact, seen, contradicted=contradicted)
        outcome = Outcome.STALE if stale else self._become_content(fact, seen)
        if self.deleted_at is not None and self._came_last(seen):
            self.refetch["after_delete"] = None
        return outcome

    def _pushed_partial(self, seen: Observation) -> Outcome:
        fact = fact_of(seen)
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
        if seen.last is not None:
            self._pushed_last(seen.last)
            if seen.stamped and seen.last.stamped:
                seen = replace(seen, effective_at=max(seen.effective_at, seen.last.effective_at))
        if not seen.stamped:
            if self.deleted_at is not None:
                return Outcome.UNCHANGED
            seen = self._as_received(seen)
        content = self.content
        if content is not None and content.effective_at > seen.effective_at and self._is_of(seen, content.effective_at):
            seen = replace(seen, effective_at=content.effective_at)  # the deletion is stated less precisely
        fact = fact_of(seen)
        if fact.key in self.facts:
            return Outcome.UNCHANGED
        self._add(fact, seen)
        if self.deleted_at is not None:
            self.deleted_at = max(self.deleted_at, fact.effective_at)
            self.changed = True
            return Outcome.UNCHANGED
        if content is not None and content.effective_at > fact.effective_at:
            self.refetch["deleted"] = None
            return Outcome.STALE
        self.deleted_at = fact.effective_at
        return Outcome.DELETED

    def _pushed_last(self, last: Observation) -> None:
        """Take in what a deletion says the problem was at the end: a patch on what was known, so that it comes after
        what was said of the same moment. The deletion follows, so nothing is fetched for it. It has a hash of its own:
        else it would be taken for the whole statement of the same moment, or that for it, whichever came first.
        """
        asked_for = dict(self.refetch)
        own_hash = hash_of(b"last\0" + last.content_hash)
        self.observe(replace(last, kind=Kind.PARTIAL, content_hash=own_hash))
        self.refetch = asked_for

    def _repeats(self, seen: Observation) -> bool:
        """Is this the content again, under the same stamp?"""
        content = self.content
        return content is not None and seen.content_hash == content.content_hash and seen.effective_at == self._stamp

    def _restates(self, seen: Observation) -> bool:
        """Is this the content again, with its times in another precision?"""
        content = self.content
        if (
            content is None
            or seen.kind is not Kind.FULL
            or not content.body
            or seen.content_hash == content.content_hash
        ):
            return False
        if not (_claims(seen, self._stamp) or _claims(seen, content.effective_at)):
            return False
        return same_content(orjson.loads(content.body), orjson.loads(seen.body))

    def _ordered_by_event(self, seen: Observation) -> Observation:
        """Where the update time stands still while the content changes, the event's time orders the statements, else
        when they were received. It stands still at the creation, or at what the content states.
        """
        event_at, stamp, content = seen.event_at, seen.effective_at, self.content
        if (event_at is not None and event_at <= stamp) or (content and seen.content_hash == content.content_hash):
            return seen
        if event_at is not None and seen.event_type != CREATED and seen.updated_at == stamp == seen.created_at:
            return replace(seen, effective_at=event_at)
        if content is None or stamp != self._stamp:
            return seen
        if event_at is None:
            repeated = seen.kind is Kind.PARTIAL or (stamp, seen.content_hash) in self.facts
            return seen if repeated else self._as_received(seen)
        if content.effective_at == stamp:
            self.refetch["tie"] = None  # when the content was stated is not known
        return replace(seen, effective_at=event_at)

    # Answers

    def _pulled(self, seen: Observation) -> Outcome:
        if seen.kind is Kind.PARTIAL:  # settles no request to fetch the whole
            return self._pulled_partial(seen)
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
            return self._pulled_same(seen, content)
        if not seen.stamped:
            return self._doubtful(seen)
        if self._restates(seen) and self.deleted_at is None:
            self.restated = content
            return self._confirm_same(seen)
        if self._is_of(seen, self._stamp):
            return self._pulled_tie(seen, content)
        if seen.effective_at > self._stamp:
            if self.deleted_at is not None and seen.effective_at <= self.deleted_at:
                return self._doubtful(seen)
            return self._confirm(self._not_before(seen, content))
        return self._doubtful(seen)

    def _pulled_same(self, seen: Observation, content: Fact) -> Outcome:
        """The content as it is known. Where the words of the source have another meaning by now, its status changes."""
        if self.deleted_at is not None:
            return self._doubtful(seen)
        if seen.status in (None, content.status) or self.active_patches():
            return self._confirm_same(seen)
        self._confirm(replace(seen, effective_at=content.effective_at))
        return Outcome.SETTLED

    def _pulled_tie(self, seen: Observation, content: Fact) -> Outcome:
        """Another content with the same stamp. Where the server had confirmed the content, its update time stands
        still; else notifications had said something else of that moment, and this settles it.
        """
        if self._heard_since(seen.observed_at):
            self.refetch["tie"] = None
            self._add(fact_of(seen), seen, contradicted=True)
            return Outcome.STALE
        if self.deleted_at is not None:
            return self._doubtful(seen)
        if content.confirmed_at is not None and content.confirmed_at < seen.observed_at:
            if content.confirmed_at - self._stamp > _STANDS_STILL:
                self.unmoved += 1
            return self._confirm(self._as_of(seen, seen.observed_at))
        return self._confirm(self._not_before(seen, content))

    def _pulled_partial(self, seen: Observation) -> Outcome:
        """A thin row of a list: a patch on what is known, and a reason to fetch the whole where it says something
        else.
        """
        if self._heard_since(seen.observed_at):
            return Outcome.STALE
        if self.deleted_at is not None:
            self.refetch["after_delete"] = None
            return Outcome.DOUBTED
        if self.content is None and not self.active_patches():
            self._add(fact_of(seen), seen)
            self.refetch["partial"] = None
            return Outcome.NEW
        before, repeated = self._folded(), self.facts.get((seen.effective_at, seen.content_hash))
        overtaken = repeated is not None and repeated.superseded
        if overtaken or same_content(merge_patch(before, orjson.loads(seen.body)), before):
            self.restated = self.content
            return Outcome.UNCHANGED
        if seen.stamped and seen.effective_at < self._stamp and not self._is_of(seen, self._stamp):
            self.refetch["regression"] = None
            return Outcome.DOUBTED
        if not seen.stamped or seen.effective_at < self.head_at:
            seen = self._as_of(seen, seen.observed_at)
        self._add(fact_of(seen), seen)
        self.refetch["partial"] = None
        return Outcome.CHANGED

    def _pulled_tombstone(self, seen: Observation) -> Outcome:
        if self.deleted_at is not None:
            self._still_gone(self.deleted_at, seen.observed_at)
            return Outcome.UNCHANGED
        if self._heard_since(seen.observed_at):
            return Outcome.STALE
        seen = self._as_of(seen, seen.observed_at)
        fact = fact_of(seen)
        self._add(fact, seen)
        self.deleted_at = fact.effective_at
        self.doubt = None
        return Outcome.DELETED

    def _still_gone(self, deleted_at: datetime, asked_at: datetime) -> None:
        """Patches that claim to be from after the deletion are overtaken."""
        if any(patch.effective_at >= deleted_at for patch in self.active_patches()):
            self._supersede(deleted_at, asked_at)
            self.changed = True

    def _confirm(self, seen: Observation) -> Outcome:
        """The server's answer becomes the content."""
        fact = fact_of(seen, confirmed_at=seen.observed_at)
        patched = bool(self.active_patches())
        tied = self.content is not None and self.content.effective_at == fact.effective_at
        self._supersede(fact.effective_at, seen.observed_at)
        if tied:
            self.timeline.contradict(seen, self.content)
        self._add(fact, seen)
        self.doubt = None
        outcome = self._become_content(fact, seen)
        return Outcome.SETTLED if outcome is Outcome.CHANGED and (patched or tied) else outcome

    def _confirm_same(self, seen: Observation) -> Outcome:
        """The server still says what we know: patches from before the request are overtaken. Written where it matters:
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
            self.updated.add(content.key)
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
                self._add(fact_of(seen), seen)
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
            self._add(fact_of(seen), seen)
        self.refetch["regression" if self.deleted_at is None else "after_delete"] = None
        return Outcome.DOUBTED

    # Time

    def _says_nothing_new(self, seen: Observation) -> bool:
        content = self.content
        return (
            content is not None
            and seen.content_hash == content.content_hash
            and self.deleted_at is None
            and not self.active_patches()
        )

    def _is_of(self, seen: Observation, at: datetime) -> bool:
        """May the stamp of an observation be the instant `at`, at the coarser precision of the two?"""
        return same_instant(seen.effective_at, at, seen.precision)

    def _heard_since(self, asked_at: datetime) -> bool:
        """Did a notification that changed something come after this request was started?"""
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
        return _placed(seen, max(at, shift(self.head_at, _TICK)))

    def _not_before(self, seen: Observation, content: Fact) -> Observation:
        """What follows the content holds no earlier than it, however precisely either is stated."""
        if seen.effective_at >= content.effective_at:
            return seen
        if self._is_of(seen, content.effective_at):
            return replace(seen, effective_at=content.effective_at)
        return self._as_of(seen, content.effective_at)

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

    def _become_content(self, fact: Fact, seen: Observation) -> Outcome:
        same = self.content is not None and self.content.content_hash == fact.content_hash and not self.active_patches()
        alive = self.deleted_at is None
        first = self.content is None and self.known is None and len(self.added) <= 1
        self.content = fact
        self.content_observation = seen if seen.stamped else None
        self._stamp = min(seen.updated_at or fact.effective_at, fact.effective_at)
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

    def _supersede(self, since: datetime, asked_at: datetime) -> None:
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

    def _add(self, fact: Fact, seen: Observation, *, contradicted: bool = False) -> None:
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


def _placed(seen: Observation, at: datetime) -> Observation:
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
