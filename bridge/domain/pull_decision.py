"""What an answer of the server does to what is known of its problem.

An answer counts as of the moment its request was started, on our clock: it loses only to a notification that came after
that. Otherwise the server is right: the same content overtakes earlier patches; a newer one becomes the content; one
without a stamp is believed; one that looks *older* is doubted, fetched by id, and believed when seen twice (drift).
"""

from datetime import datetime, timedelta

import orjson
from msgspec.structs import replace

from bridge.domain.fact import EPOCH, Fact, canonical, fact_of
from bridge.domain.merge_patch import merge_patch
from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.problem_history import Outcome, ProblemHistory
from bridge.domain.same_content import same_content

_STANDS_STILL = timedelta(minutes=10)
"""A content that was confirmed so long after its update time was not changed in the same second."""


def decide_pull(history: ProblemHistory, seen: Observation) -> Outcome:
    """Decide one answer, a row of a page too; return what it did."""
    history.start(seen)
    return history.finish(seen, _decide(history, seen))


def _decide(history: ProblemHistory, seen: Observation) -> Outcome:
    if seen.kind is Kind.PARTIAL:  # settles no request to fetch the whole
        return _decide_partial(history, seen)
    asked_at = seen.observed_at
    history.pulled_at = max(history.pulled_at or EPOCH, asked_at)
    if seen.kind is Kind.TOMBSTONE:
        return _decide_tombstone(history, seen)
    content = history.content
    if content is None:
        if history.deleted_at is not None and (not seen.stamped or seen.effective_at <= history.deleted_at):
            return _doubt(history, seen)
        return _confirm(history, seen)
    if seen.content_hash == content.content_hash:
        return _decide_same(history, seen, content)
    if not seen.stamped:
        return _doubt(history, seen)
    if history.restates(seen) and history.deleted_at is None:
        history.restated = content
        return _confirm_same(history, seen)
    if history.may_be_of(seen, history.stamp):
        return _decide_tie(history, seen, content)
    if seen.effective_at > history.stamp:
        if history.deleted_at is not None and seen.effective_at <= history.deleted_at:
            return _doubt(history, seen)
        return _confirm(history, _not_before(history, seen, content))
    return _doubt(history, seen)


def _decide_same(history: ProblemHistory, seen: Observation, content: Fact) -> Outcome:
    """The content as it is known. Where the words of the source have another meaning by now, its status changes."""
    if history.deleted_at is not None:
        return _doubt(history, seen)
    if seen.status in (None, content.status) or history.active_patches():
        return _confirm_same(history, seen)
    _confirm(history, replace(seen, effective_at=content.effective_at))
    return Outcome.SETTLED


def _decide_tie(history: ProblemHistory, seen: Observation, content: Fact) -> Outcome:
    """Another content with the same stamp. Where the server had confirmed the content, its update time stands
    still; else notifications had said something else of that moment, and this settles it.
    """
    if _notified_since(history, seen.observed_at):
        history.refetch["tie"] = None
        history.add(fact_of(seen), seen, contradicted=True)
        return Outcome.STALE
    if history.deleted_at is not None:
        return _doubt(history, seen)
    if content.confirmed_at is not None and content.confirmed_at < seen.observed_at:
        if content.confirmed_at - history.stamp > _STANDS_STILL:
            history.unmoved += 1
        return _confirm(history, history.as_of(seen, seen.observed_at))
    return _confirm(history, _not_before(history, seen, content))


def _decide_partial(history: ProblemHistory, seen: Observation) -> Outcome:
    """A thin row of a list: a patch on what is known, and a reason to fetch the whole where it says something
    else.
    """
    if _notified_since(history, seen.observed_at):
        return Outcome.STALE
    if history.deleted_at is not None:
        history.refetch["after_delete"] = None
        return Outcome.DOUBTED
    if history.content is None and not history.active_patches():
        history.add(fact_of(seen), seen)
        history.refetch["partial"] = None
        return Outcome.NEW
    before, repeated = history.folded(), history.facts.get((seen.effective_at, seen.content_hash))
    overtaken = repeated is not None and repeated.superseded
    if overtaken or same_content(merge_patch(before, orjson.loads(seen.body)), before):
        history.restated = history.content
        return Outcome.UNCHANGED
    if seen.stamped and seen.effective_at < history.stamp and not history.may_be_of(seen, history.stamp):
        history.refetch["regression"] = None
        return Outcome.DOUBTED
    if not seen.stamped or seen.effective_at < history.head_at:
        seen = history.as_of(seen, seen.observed_at)
    history.add(fact_of(seen), seen)
    history.refetch["partial"] = None
    return Outcome.CHANGED


def _decide_tombstone(history: ProblemHistory, seen: Observation) -> Outcome:
    if history.deleted_at is not None:
        _still_gone(history, history.deleted_at, seen.observed_at)
        return Outcome.UNCHANGED
    if _notified_since(history, seen.observed_at):
        return Outcome.STALE
    seen = history.as_of(seen, seen.observed_at)
    fact = fact_of(seen)
    history.add(fact, seen)
    history.deleted_at = fact.effective_at
    history.doubt = None
    return Outcome.DELETED


def _still_gone(history: ProblemHistory, deleted_at: datetime, asked_at: datetime) -> None:
    """Patches that claim to be from after the deletion are overtaken."""
    if any(patch.effective_at >= deleted_at for patch in history.active_patches()):
        history.supersede(deleted_at, asked_at)
        history.changed = True


def _confirm(history: ProblemHistory, seen: Observation) -> Outcome:
    """The server's answer becomes the content."""
    fact = fact_of(seen, confirmed_at=seen.observed_at)
    patched = bool(history.active_patches())
    tied = history.content is not None and history.content.effective_at == fact.effective_at
    history.supersede(fact.effective_at, seen.observed_at)
    if tied:
        history.timeline.contradict(seen, history.content)
    history.add(fact, seen)
    history.doubt = None
    outcome = history.become_content(fact, seen)
    return Outcome.SETTLED if outcome is Outcome.CHANGED and (patched or tied) else outcome


def _confirm_same(history: ProblemHistory, seen: Observation) -> Outcome:
    """The server still says what we know: patches from before the request are overtaken. Written where it matters:
    there were patches, or we asked for this very problem because something spoke against it.
    """
    content = history.content
    if content is None:
        return Outcome.UNCHANGED
    if history.doubt is not None:
        history.doubt = None
        history.changed = True
    had_patches = bool(history.active_patches())
    if not had_patches and (seen.via is not Via.REFETCH or seen.routine):
        return Outcome.UNCHANGED
    before = canonical(history.folded()) if had_patches else b""
    if seen.observed_at > (content.confirmed_at or EPOCH):
        history.content = content = replace(content, confirmed_at=seen.observed_at)
        history.facts[content.key] = content
        history.updated.add(content.key)
        history.changed = True
    if not had_patches:
        return Outcome.UNCHANGED
    history.supersede(content.effective_at, seen.observed_at)
    history.changed = True
    return Outcome.UNCHANGED if canonical(history.folded()) == before else Outcome.SETTLED


def _doubt(history: ProblemHistory, seen: Observation) -> Outcome:
    """An answer that looks older than what is known (or contradicts a deletion)."""
    if _notified_since(history, seen.observed_at):
        if seen.stamped:
            history.add(fact_of(seen), seen)
        return Outcome.STALE
    believed = not seen.stamped and history.deleted_at is None
    if not believed and history.doubt is not None:
        doubted_hash, doubted_at = history.doubt
        believed = doubted_hash == seen.content_hash and doubted_at < seen.observed_at
        if believed:
            history.drift += 1
    if believed:
        return _confirm(history, history.as_of(seen, seen.observed_at))
    if history.doubt is None or history.doubt[0] != seen.content_hash:
        history.doubt = (seen.content_hash, seen.observed_at)
        history.changed = True
    if seen.stamped:
        history.add(fact_of(seen), seen)
    history.refetch["regression" if history.deleted_at is None else "after_delete"] = None
    return Outcome.DOUBTED


def _notified_since(history: ProblemHistory, asked_at: datetime) -> bool:
    """Did a notification that changed something come after this request was started?"""
    return history.observed_at >= asked_at


def _not_before(history: ProblemHistory, seen: Observation, content: Fact) -> Observation:
    """What follows the content holds no earlier than it, however precisely either is stated."""
    if seen.effective_at >= content.effective_at:
        return seen
    if history.may_be_of(seen, content.effective_at):
        return replace(seen, effective_at=content.effective_at)
    return history.as_of(seen, content.effective_at)
