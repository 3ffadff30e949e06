"""The heart: in whatever order, repetition and batches observations come, what is true of a problem is the same."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.domain.decision import decide_observation
from bridge.domain.fact import canonical
from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.problem_history import Outcome, ProblemHistory, needs_facts
from bridge.domain.timestamp import MAX, Precision
from tests.domain.observations import STATUSES, answer, at, deletion, observed, stated, whole


def truth(history: ProblemHistory) -> Any:
    """Everything that must not depend on the order of arrival."""
    history.refold()
    facts = {
        (fact.key, fact.kind, fact.superseded, fact.status, fact.body, fact.folded_hash)
        for fact in history.facts.values()
    }
    statuses = {(key, fact.stated_at, fact.partial) for key, fact in history.timeline.added.items()}
    body = history.body() if history.content or history.active_patches() else None
    return facts, body, history.deleted_at, statuses


@st.composite
def notifications(draw: st.DrawFn) -> list[Observation]:
    """Some notifications about one problem; their times and contents collide on purpose."""
    drawn = []
    for _ in range(draw(st.integers(1, 6))):
        update = draw(st.integers(0, 5))
        received = draw(st.integers(60, 70))
        kind = draw(st.sampled_from(["whole", "whole", "status", "attribute", "delete", "delete with state"]))
        body = whole(draw(st.sampled_from(STATUSES)), update, note=draw(st.sampled_from([[], [{"text": "x"}]])))
        if kind == "whole":
            drawn.append(stated(body, received=received, event=update))
        elif kind == "status":
            patch = {"status": draw(st.sampled_from(STATUSES))}
            drawn.append(stated(patch, received=received, event=update + 0.5, kind=Kind.PARTIAL))
        elif kind == "attribute":
            patch = draw(st.sampled_from([{"description": None}, {"description": "dark"}, {"vendor": {"a": update}}]))
            drawn.append(stated(patch, received=received, event=update, kind=Kind.PARTIAL))
        else:
            last = stated(body, received=received, event=update) if kind == "delete with state" else None
            drawn.append(deletion(update, received, last))
    return drawn


@given(notifications(), st.data())
def test_order_and_repetition_change_nothing(drawn: list[Observation], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(drawn), max_size=3))
    shuffled = data.draw(st.permutations(drawn + again))

    assert truth(observed(*shuffled)[0]) == truth(observed(*drawn)[0])


@given(notifications(), st.integers(0, 5), st.sampled_from([Via.POLL, Via.RECONCILE, Via.REFETCH]))
def test_an_answer_asked_for_last_is_what_is_true(drawn: list[Observation], update: int, via: Via) -> None:
    body = whole("held", update, description="as the server has it")
    history, _ = observed(*drawn)
    for asked in (80, 81, 82):  # one that looks older, or contradicts a deletion, is believed when seen twice
        decide_observation(history, answer(body, asked=asked, via=via))

    assert history.body() == canonical(body)
    assert history.deleted_at is None
    assert not history.active_patches()


@given(notifications())
def test_an_older_answer_from_before_a_notification_that_changed_something_changes_nothing(
    drawn: list[Observation],
) -> None:
    history, outcomes = observed(*drawn)
    assume(any(outcome.applied for outcome in outcomes) and history.content is not None)
    before = history.body()
    deleted_at = history.deleted_at
    outcome = decide_observation(history, answer(whole("rejected", -1), asked=59))

    assert not outcome.applied
    assert (history.body(), history.deleted_at) == (before, deleted_at)


@given(notifications(), st.integers(0, 5), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_the_same_answer_again_changes_nothing(drawn: list[Observation], update: int, later: list[int]) -> None:
    history, _ = observed(*drawn)
    for asked in (80, 81, 82):
        decide_observation(history, answer(whole("held", update), asked=asked))
    settled = history.body()
    for number in later:
        assert decide_observation(history, answer(whole("held", update), asked=90 + number)) is Outcome.UNCHANGED
    assert history.body() == settled


WAYS_TO_WRITE = {
    Precision.NANOSECOND: ["2026-06-01T12:01:00.123456789Z"],
    Precision.MICROSECOND: ["2026-06-01T12:01:00.123457Z", "2026-06-01T14:01:00.123456+02:00"],
    Precision.MILLISECOND: ["2026-06-01T12:01:00.123Z"],
    Precision.SECOND: ["2026-06-01T12:01:00Z", "2026-06-01T12:01:01Z"],
}
"""One moment, cut off and rounded."""


@pytest.mark.parametrize("pushed", WAYS_TO_WRITE)
@pytest.mark.parametrize("listed", WAYS_TO_WRITE)
def test_c10_a_change_of_precision_is_no_change(pushed: Precision, listed: Precision) -> None:
    pairs = [(one, other) for one in WAYS_TO_WRITE[pushed] for other in WAYS_TO_WRITE[listed]]
    for one, other in pairs:
        if pushed is listed and one != other:
            continue  # two whole seconds are two instants
        notification = replace(stated(whole("held", one), received=60, event=1), precision=pushed)
        row = replace(answer(whole("held", other), asked=61), precision=listed)
        for first, second in ((notification, row), (replace(row, observed_at=at(59)), notification)):
            history, outcomes = observed(first, second)
            assert outcomes == [Outcome.NEW, Outcome.UNCHANGED], (one, other)
            assert len(history.facts) == 1
            assert not history.refetch


@given(st.sampled_from([datetime.min.replace(tzinfo=UTC), MAX]), st.lists(st.booleans(), min_size=1, max_size=4))
def test_a3_the_ends_of_the_calendar_are_times_like_others(end: datetime, stamps: list[bool]) -> None:
    first = replace(stated(whole("held", 1), received=60), effective_at=end)
    history, _ = observed(first)
    for number, stamped in enumerate(stamps):
        seen = stated(whole(STATUSES[number], 2 if stamped else None), received=61 + number)
        decide_observation(history, seen)
        decide_observation(history, answer(whole(STATUSES[number], None), asked=62 + number))
        decide_observation(history, deletion(3, 63 + number))
        decide_observation(history, replace(seen, kind=Kind.TOMBSTONE, via=Via.REFETCH))
    assert history.head_at <= MAX


def test_facts_are_read_for_patches_only_where_nothing_else_is_known() -> None:
    whole_one = stated(whole("held", 1), received=60, event=1)
    assert not needs_facts(None, [whole_one])
    assert needs_facts(None, [replace(whole_one, kind=Kind.PARTIAL)])
    assert needs_facts(None, [deletion(1, 60, whole_one)])
    assert not needs_facts(None, [deletion(1, 60)])
