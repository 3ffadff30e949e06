"""What a notification does to what is known of its problem.

A notification is a statement of its time, so the newest one counts, in whatever order they come. A partial one is a
patch on the content. One without a usable time holds since it was received. Where notifications contradict each other,
or come after something newer, the problem is fetched by id: only the server can say.
"""

from msgspec.structs import replace

from bridge.domain.fact import canonical, fact_of, hash_of
from bridge.domain.observation import CREATED, Kind, Observation
from bridge.domain.problem_history import Outcome, ProblemHistory, placed


def decide_push(history: ProblemHistory, seen: Observation) -> Outcome:
    """Decide one notification; return what it did."""
    history.start(seen)
    return history.finish(seen, _decide(history, seen))


def _decide(history: ProblemHistory, seen: Observation) -> Outcome:
    if seen.kind is Kind.TOMBSTONE:
        return _decide_tombstone(history, seen)
    if not seen.stamped:
        if _says_nothing_new(history, seen):
            return Outcome.UNCHANGED
        seen = _as_received(history, seen)
    elif _repeats(history, seen):
        return Outcome.UNCHANGED
    elif history.restates(seen):
        history.restated = history.content
        return Outcome.UNCHANGED
    else:
        seen = _ordered_by_event(history, seen)
    return _decide_partial(history, seen) if seen.kind is Kind.PARTIAL else _decide_whole(history, seen)


def _decide_whole(history: ProblemHistory, seen: Observation) -> Outcome:
    fact = fact_of(seen)
    if fact.key in history.facts or (history.content and fact.key == history.content.key):
        return Outcome.UNCHANGED
    if (
        history.deleted_at is not None
        and seen.effective_at > history.deleted_at
        and history.may_be_of(seen, history.deleted_at)
    ):
        fact = replace(fact, effective_at=history.deleted_at)  # the deletion was stated less precisely
    tied = history.content is not None and fact.effective_at == history.content.effective_at
    stale = history.content is not None and fact.rank < history.content.rank
    if tied:
        history.refetch["tie"] = None
    elif stale and history.came_last(seen):
        history.refetch["late"] = None
    contradicted = tied and stale and history.content is not None and history.content.confirmed_at is not None
    history.add(fact, seen, contradicted=contradicted)
    outcome = Outcome.STALE if stale else history.become_content(fact, seen)
    if history.deleted_at is not None and history.came_last(seen):
        history.refetch["after_delete"] = None
    return outcome


def _decide_partial(history: ProblemHistory, seen: Observation) -> Outcome:
    fact = fact_of(seen)
    if fact.key in history.facts:
        return Outcome.UNCHANGED
    before = canonical(history.folded()) if history.content or history.active_patches() else None
    overtaken = history.content is not None and (
        fact.effective_at >= history.content.effective_at
        and history.content.confirmed_at is not None
        and fact.observed_at <= history.content.confirmed_at
    )
    fact = replace(fact, superseded=overtaken)
    history.add(fact, seen)
    stale = history.content is not None and fact.effective_at < history.content.effective_at
    if not overtaken and (not stale or history.came_last(seen)):
        history.refetch["partial"] = None
    if overtaken or stale:
        return Outcome.STALE
    if history.deleted_at is not None:
        history.refetch["after_delete"] = None
        return Outcome.STALE
    if before is None:
        return Outcome.NEW
    return Outcome.UNCHANGED if canonical(history.folded()) == before else Outcome.CHANGED


def _decide_tombstone(history: ProblemHistory, seen: Observation) -> Outcome:
    if seen.last is not None:
        _take_last_state(history, seen.last)
        if seen.stamped and seen.last.stamped:
            seen = replace(seen, effective_at=max(seen.effective_at, seen.last.effective_at))
    if not seen.stamped:
        if history.deleted_at is not None:
            return Outcome.UNCHANGED
        seen = _as_received(history, seen)
    content = history.content
    if (
        content is not None
        and content.effective_at > seen.effective_at
        and history.may_be_of(seen, content.effective_at)
    ):
        seen = replace(seen, effective_at=content.effective_at)  # the deletion is stated less precisely
    fact = fact_of(seen)
    if fact.key in history.facts:
        return Outcome.UNCHANGED
    history.add(fact, seen)
    if history.deleted_at is not None:
        history.deleted_at = max(history.deleted_at, fact.effective_at)
        history.changed = True
        return Outcome.UNCHANGED
    if content is not None and content.effective_at > fact.effective_at:
        history.refetch["deleted"] = None
        return Outcome.STALE
    history.deleted_at = fact.effective_at
    return Outcome.DELETED


def _take_last_state(history: ProblemHistory, last: Observation) -> None:
    """Take in what a deletion says the problem was at the end: a patch on what was known, so that it comes after
    what was said of the same moment. The deletion follows, so nothing is fetched for it. It has a hash of its own:
    else it would be taken for the whole statement of the same moment, or that for it, whichever came first.
    """
    asked_for = dict(history.refetch)
    own_hash = hash_of(b"last\0" + last.content_hash)
    decide_push(history, replace(last, kind=Kind.PARTIAL, content_hash=own_hash))
    history.refetch = asked_for


def _repeats(history: ProblemHistory, seen: Observation) -> bool:
    """Is this the content again, under the same stamp?"""
    content = history.content
    return content is not None and seen.content_hash == content.content_hash and seen.effective_at == history.stamp


def _ordered_by_event(history: ProblemHistory, seen: Observation) -> Observation:
    """Where the update time stands still while the content changes, the event's time orders the statements, else
    when they were received. It stands still at the creation, or at what the content states.
    """
    event_at, stamp, content = seen.event_at, seen.effective_at, history.content
    if (event_at is not None and event_at <= stamp) or (content and seen.content_hash == content.content_hash):
        return seen
    if event_at is not None and seen.event_type != CREATED and seen.updated_at == stamp == seen.created_at:
        return replace(seen, effective_at=event_at)
    if content is None or stamp != history.stamp:
        return seen
    if event_at is None:
        repeated = seen.kind is Kind.PARTIAL or (stamp, seen.content_hash) in history.facts
        return seen if repeated else _as_received(history, seen)
    if content.effective_at == stamp:
        history.refetch["tie"] = None  # when the content was stated is not known
    return replace(seen, effective_at=event_at)


def _says_nothing_new(history: ProblemHistory, seen: Observation) -> bool:
    content = history.content
    return (
        content is not None
        and seen.content_hash == content.content_hash
        and history.deleted_at is None
        and not history.active_patches()
    )


def _as_received(history: ProblemHistory, seen: Observation) -> Observation:
    """A notification without any time holds since it was received: after what is known, unless that is from later
    (it had waited in the journal, say).
    """
    if history.came_last(seen):
        return history.as_of(seen, seen.observed_at)
    return placed(seen, seen.observed_at)
