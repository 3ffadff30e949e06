"""What a batch of observations comes to, given what is known: outcomes, facts, and problems to be fetched by id.

Reading what is known and writing what was decided is `bridge.storage.observation`'s. Pure: the same batch on the same
knowledge gives the same decision, so it can be decided again when another writer was faster.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.current_row import CurrentRow
from bridge.domain.fact import EPOCH, Fact, FactKey
from bridge.domain.observation import Kind, Notification, Observation, Via
from bridge.domain.problem_history import DELETION_REASONS, Outcome, ProblemHistory, needs_facts
from bridge.domain.pull_decision import decide_pull
from bridge.domain.push_decision import decide_push
from bridge.errors import PermanentError

Key: TypeAlias = tuple[int, str]
"""Source and problem."""

DUPLICATE = "duplicate"
"""Outcome of a notification that was stored before."""

FILTERED = "filtered"
"""Outcome of what was said of an unknown problem that the source's filter does not keep."""

_READ_AS_CURRENT = frozenset((Outcome.NEW, Outcome.CHANGED, Outcome.SETTLED, Outcome.UNCHANGED))
"""Outcomes of an answer that says what is current now."""


class UndecidableError(PermanentError):
    """Deciding about this batch failed in a way that nobody expected; one of its items is to blame."""


class Entry(Struct, frozen=True):
    """One thing to store: a notification (with or without an observation), or an observation from a pull.

    `kept`: whether the source's filter keeps an unknown problem for this (`bridge.domain.problem_filter`).
    """

    source_id: int
    observation: Observation | None
    notification: Notification | None = None
    kept: bool | None = True

    @property
    def key(self) -> Key | None:
        """The problem it says something of."""
        return None if self.observation is None else (self.source_id, self.observation.problem_id)


@dataclass(frozen=True, slots=True)
class Known:
    """What the tables hold about a batch: current rows, facts where `history_needed` asked for them, and the positions
    of notifications that were stored before or stand earlier in the batch.
    """

    rows: Mapping[Key, CurrentRow]
    facts: Mapping[Key, dict[FactKey, Fact]]
    duplicates: frozenset[int]


@dataclass(frozen=True, slots=True)
class HistoryRange:
    """Part of a problem's history: the facts around a time; `open`: and everything after it."""

    source_id: int
    problem_id: str
    at: datetime
    open: bool


@dataclass(slots=True)
class Decision:
    """What a batch comes to. `outcomes` stand in the order of the entries, `histories` in the order of their keys.

    `requests`: problems to be fetched by id, why, asked for when. `list_digests`: digest of the list row and hash of
    the content that it was read as. `arrived`: what notifications said that was known, or may have been in part: it may
    be awaited. `altered`: problems whose present, or past, is another than before.
    """

    outcomes: list[str] = field(default_factory=list)
    histories: dict[Key, ProblemHistory] = field(default_factory=dict)
    changes: Counter[tuple[int, Via, Outcome]] = field(default_factory=Counter)
    drift: Counter[int] = field(default_factory=Counter)
    unmoved: Counter[int] = field(default_factory=Counter)
    requests: dict[Key, tuple[str, datetime]] = field(default_factory=dict)
    list_digests: dict[Key, bytes] = field(default_factory=dict)
    arrived: list[tuple[int, Observation]] = field(default_factory=list)
    altered: list[Key] = field(default_factory=list)

    def request(self, key: Key, reason: str, at: datetime) -> None:
        """Have a problem fetched. That it was said to be deleted is what the fetcher has to know above all."""
        if key in self.requests and self.requests[key][0] in DELETION_REASONS:
            reason = self.requests[key][0]
        self.requests[key] = (reason, at)


def by_problem(entries: Sequence[Entry]) -> dict[Key, list[Observation]]:
    """Return the observations of a batch by problem, in the order of the entries."""
    seen: dict[Key, list[Observation]] = {}
    for entry in entries:
        if entry.observation is not None:
            seen.setdefault((entry.source_id, entry.observation.problem_id), []).append(entry.observation)
    return seen


def history_needed(entries: Sequence[Entry], rows: Mapping[Key, CurrentRow]) -> list[HistoryRange]:
    """Return the parts of histories that have to be read besides the current rows: all since the content, and what
    stands around each time from before it.
    """
    ranges = []
    for key, observations in by_problem(entries).items():
        row = rows.get(key)
        if not needs_facts(row, observations):
            continue
        content_at = (row.content_at if row else None) or EPOCH
        times = {seen.effective_at for seen in observations}
        times |= {seen.last.effective_at for seen in observations if seen.last is not None}
        ranges.append(HistoryRange(*key, content_at, open=True))
        ranges += [HistoryRange(*key, at, open=at >= content_at) for at in sorted(times - {content_at})]
    return ranges


def decide(entries: Sequence[Entry], known: Known) -> Decision:
    """Decide a batch, entry by entry. UndecidableError for whatever goes wrong unexpectedly."""
    try:
        return _decide(entries, known)
    except Exception as error:  # one item's defect is its own: the batch is halved until it stands alone
        raise UndecidableError(f"{type(error).__name__}: {error}") from error


def decide_observation(history: ProblemHistory, seen: Observation) -> Outcome:
    """Decide one observation; return what it did. The order of calls is the order of arrival."""
    return decide_push(history, seen) if seen.via is Via.PUSH else decide_pull(history, seen)


def _decide(entries: Sequence[Entry], known: Known) -> Decision:
    decision = Decision()
    new = [entry for index, entry in enumerate(entries) if index not in known.duplicates]
    for key in sorted(by_problem(new)):
        row, facts = known.rows.get(key), known.facts.get(key)
        decision.histories[key] = ProblemHistory(key[1], known=row, facts={} if facts is None else dict(facts))
    for index, entry in enumerate(entries):
        decision.outcomes.append(DUPLICATE if index in known.duplicates else _decide_entry(entry, decision))
    for key, history in decision.histories.items():
        if history.has_partials:
            history.refold()
        if history.altered:
            decision.altered.append(key)
        if history.drift:
            decision.drift[key[0]] += history.drift
        if history.unmoved:
            decision.unmoved[key[0]] += history.unmoved
        if history.last_observed is not None:
            for reason in history.refetch:
                decision.request(key, reason, history.last_observed.observed_at)
    return decision


def _decide_entry(entry: Entry, decision: Decision) -> str:
    seen, notification = entry.observation, entry.notification
    outcome = Outcome.UNCHANGED
    if seen is not None:
        history = decision.histories[entry.source_id, seen.problem_id]
        if entry.kept is not True and history.unknown:
            if entry.kept is None:
                decision.request((entry.source_id, seen.problem_id), FILTERED, seen.observed_at)
            return FILTERED
        outcome = decide_observation(history, seen)
        decision.changes[entry.source_id, seen.via, outcome] += 1
        stated = _as_known(seen, history.restated)
        if seen.listed is not None and outcome in _READ_AS_CURRENT:
            decision.list_digests[entry.source_id, seen.problem_id] = seen.listed + stated.content_hash
        if notification is not None and _may_be_awaited(seen, outcome):
            decision.arrived.append((entry.source_id, stated))
    if notification is None:
        return outcome.value
    if seen is None or outcome.applied:
        for problem_id, reason in notification.refetch:
            decision.request((entry.source_id, problem_id), reason, notification.received_at)
    return "applied" if outcome.applied else outcome.value


def _as_known(seen: Observation, restated: Fact | None) -> Observation:
    """The observation as the content that it says again in another precision."""
    if restated is None:
        return seen
    return replace(seen, effective_at=restated.effective_at, content_hash=restated.content_hash)


def _may_be_awaited(seen: Observation, outcome: Outcome) -> bool:
    return outcome in (Outcome.UNCHANGED, Outcome.STALE) or seen.kind is Kind.PARTIAL
