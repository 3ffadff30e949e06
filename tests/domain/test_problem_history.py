"""The heart: in whatever order, repetition and batches observations come, what is true of a problem is the same."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.domain.fact import canonical, hash_of
from bridge.domain.observation import CREATED, TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.problem_history import Outcome, ProblemHistory, needs_facts
from bridge.domain.service_problem import columns_of
from bridge.domain.timestamp import MAX, Precision

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CHANGED = "ServiceProblemAttributeValueChangeEvent"
STATUSES = ("acknowledged", "inProgress", "held", "resolved", "closed")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def stated(body: dict[str, Any], *, received: float, event: float | None = None, **more: Any) -> Observation:
    """What the wire makes of a payload; minutes after noon."""
    columns = columns_of(body)
    event_at = None if event is None else at(event)
    effective_at = columns.updated_at or event_at
    values: dict[str, Any] = {
        "problem_id": "SP-1",
        "kind": Kind.FULL,
        "via": Via.PUSH,
        "observed_at": at(received),
        "effective_at": effective_at or at(received),
        "stamped": effective_at is not None,
        "body": canonical(body),
        "content_hash": hash_of(canonical(body)),
        "status": columns.status if columns.status_raw else None,
        "status_raw": columns.status_raw,
        "status_at": columns.status_at,
        "created_at": columns.created_at,
        "updated_at": columns.updated_at,
        "event_type": CHANGED,
        "event_at": event_at,
    }
    return Observation(**(values | more))


def whole(status: str, update: float | str | None, **more: Any) -> dict[str, Any]:
    stamp = at(update).isoformat() if isinstance(update, int | float) else update
    return {"id": "SP-1", "status": status, **({"lastUpdate": stamp} if stamp else {}), **more}


def deletion(event: float, received: float, last: Observation | None = None) -> Observation:
    seen = stated({}, received=received, event=event, kind=Kind.TOMBSTONE)
    return replace(seen, body=b"{}", content_hash=TOMBSTONE_HASH, last=last)


def answer(body: dict[str, Any], *, asked: float, via: Via = Via.POLL, kind: Kind = Kind.FULL) -> Observation:
    return stated(body, received=asked, via=via, kind=kind, event_type=None)


def told(*observations: Observation) -> tuple[ProblemHistory, list[Outcome]]:
    history = ProblemHistory("SP-1")
    return history, [history.observe(seen) for seen in observations]


def timeline(history: ProblemHistory) -> list[tuple[datetime, str]]:
    """Since when which status was stated, by whole statements and deletions."""
    facts = sorted(history.facts.values(), key=lambda fact: fact.rank)
    return [(fact.effective_at, "-" if fact.kind is Kind.TOMBSTONE else fact.status) for fact in facts]


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

    assert truth(told(*shuffled)[0]) == truth(told(*drawn)[0])


@given(notifications(), st.integers(0, 5), st.sampled_from([Via.POLL, Via.RECONCILE, Via.REFETCH]))
def test_an_answer_asked_for_last_is_what_is_true(drawn: list[Observation], update: int, via: Via) -> None:
    body = whole("held", update, description="as the server has it")
    history, _ = told(*drawn)
    for asked in (80, 81, 82):  # one that looks older, or contradicts a deletion, is believed when seen twice
        history.observe(answer(body, asked=asked, via=via))

    assert history.body() == canonical(body)
    assert history.deleted_at is None
    assert not history.active_patches()


@given(notifications())
def test_an_older_answer_from_before_a_notification_that_changed_something_changes_nothing(
    drawn: list[Observation],
) -> None:
    history, outcomes = told(*drawn)
    assume(any(outcome.applied for outcome in outcomes) and history.content is not None)
    before = history.body()
    deleted_at = history.deleted_at
    outcome = history.observe(answer(whole("rejected", -1), asked=59))

    assert not outcome.applied
    assert (history.body(), history.deleted_at) == (before, deleted_at)


@given(notifications(), st.integers(0, 5), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_the_same_answer_again_changes_nothing(drawn: list[Observation], update: int, later: list[int]) -> None:
    history, _ = told(*drawn)
    for asked in (80, 81, 82):
        history.observe(answer(whole("held", update), asked=asked))
    settled = history.body()
    for number in later:
        assert history.observe(answer(whole("held", update), asked=90 + number)) is Outcome.UNCHANGED
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
            history, outcomes = told(first, second)
            assert outcomes == [Outcome.NEW, Outcome.UNCHANGED], (one, other)
            assert len(history.facts) == 1
            assert not history.refetch


def test_c10_a_row_rounded_to_seconds_with_another_content_is_the_server_s_word() -> None:
    history, outcomes = told(
        stated(whole("held", "2026-06-01T12:01:00.7Z"), received=60, event=1.1),
        replace(answer(whole("resolved", "2026-06-01T12:01:00Z"), asked=61), precision=Precision.SECOND),
    )
    assert outcomes[1].applied
    assert history.body() == canonical(whole("resolved", "2026-06-01T12:01:00Z"))
    assert not history.refetch


def test_c11_the_event_s_time_orders_what_an_update_time_that_stands_still_does_not() -> None:
    changes = [
        stated(whole(status, 0, creationDate=at(0).isoformat()), received=60 + number, event=number)
        for number, status in enumerate(STATUSES)
    ]
    changes[0] = replace(changes[0], event_type=CREATED)
    expected = [(at(number), status) for number, status in enumerate(STATUSES)]
    for order in (changes, changes[::-1], changes[2:] + changes[:2]):
        history, _ = told(*order)
        assert timeline(history) == expected
        assert history.content is not None
        assert history.content.status == STATUSES[-1]


def test_c11_it_is_noticed_without_a_date_of_creation_too() -> None:
    history, outcomes = told(
        *(stated(whole(status, 0), received=60 + number, event=number) for number, status in enumerate(STATUSES))
    )
    assert timeline(history) == [(at(number), status) for number, status in enumerate(STATUSES)]
    assert outcomes == [Outcome.NEW] + [Outcome.CHANGED] * 4


def test_c11_without_a_time_of_the_event_the_order_of_arrival_counts() -> None:
    history, _ = told(*(stated(whole(status, 0), received=60 + number) for number, status in enumerate(STATUSES)))
    assert [status for _, status in timeline(history)] == list(STATUSES)
    repeated = stated(whole(STATUSES[-1], 0), received=80)
    assert history.observe(repeated) is Outcome.UNCHANGED


def test_c11_a_poll_finds_each_change_of_a_source_whose_update_time_stands_still() -> None:
    history, outcomes = told(*(answer(whole(status, 0), asked=60 + number) for number, status in enumerate(STATUSES)))
    assert outcomes == [Outcome.NEW] + [Outcome.CHANGED] * 4
    assert [status for _, status in timeline(history)] == list(STATUSES)
    assert not history.refetch
    assert history.observe(answer(whole(STATUSES[-1], 0), asked=80)) is Outcome.UNCHANGED
    assert history.observe(answer(whole("cancelled", 70), asked=81)) is Outcome.CHANGED
    assert history.content is not None
    assert history.content.effective_at == at(70)


def test_c11_what_a_notification_brought_under_a_still_stamp_the_poll_finds_unchanged() -> None:
    history, outcomes = told(
        answer(whole("held", 0), asked=50),
        stated(whole("resolved", 0), received=60, event=55),
        answer(whole("resolved", 0), asked=61),
    )
    assert outcomes == [Outcome.NEW, Outcome.CHANGED, Outcome.UNCHANGED]
    assert timeline(history) == [(at(0), "held"), (at(55), "resolved")]


@pytest.mark.parametrize("kind", [Kind.FULL, Kind.PARTIAL])
@pytest.mark.parametrize("event", [0, 1])
def test_c12_a_deletion_s_state_is_the_last_one_before_it(kind: Kind, event: float) -> None:
    body = whole("cancelled", None) if kind is Kind.FULL else {"status": "cancelled"}
    last = stated(body, received=61, event=event, kind=kind)
    created = stated(whole("submitted", 0), received=60, event=0, event_type=CREATED)
    history, outcomes = told(created, deletion(event, 61, last))
    assert outcomes == [Outcome.NEW, Outcome.DELETED]
    assert history.deleted_at == at(event)
    assert b'"cancelled"' in history.body()
    assert not history.refetch
    reversed_history, _ = told(deletion(event, 60, replace(last, observed_at=at(60))), created)
    assert reversed_history.deleted_at == at(event)


def test_c12_a_deletion_that_is_stated_in_seconds_comes_after_what_it_deletes() -> None:
    created = stated(whole("submitted", "2026-06-01T12:01:00.412Z"), received=60, event=1.1, event_type=CREATED)
    deleted = replace(deletion(1, 61), precision=Precision.SECOND)
    history, outcomes = told(created, deleted)
    assert outcomes == [Outcome.NEW, Outcome.DELETED]
    assert timeline(history)[-1][1] == "-"
    turned, _ = told(replace(deleted, observed_at=at(60)), replace(created, observed_at=at(61)))
    assert turned.deleted_at is not None


THIN = {"id": "SP-1", "status": "held", "lastUpdate": at(1).isoformat()}


def test_c1_a_thin_row_takes_nothing_away() -> None:
    known = whole("held", 1, description="no light", priority=2)
    history, outcomes = told(
        stated(known, received=60, event=1), answer(THIN, asked=61, kind=Kind.PARTIAL, via=Via.RECONCILE)
    )
    assert outcomes[1] is Outcome.UNCHANGED
    assert not history.refetch
    assert history.body() == canonical(known)


def test_c1_a_thin_row_that_says_something_else_is_a_patch_and_has_the_whole_fetched() -> None:
    thin = THIN | {"status": "resolved", "lastUpdate": at(2).isoformat()}
    known = whole("held", 1, description="no light")
    history, outcomes = told(stated(known, received=60, event=1), answer(thin, asked=61, kind=Kind.PARTIAL))
    assert outcomes[1] is Outcome.CHANGED
    assert dict(history.refetch) == {"partial": None}
    assert history.body() == canonical(known | thin)
    fetched = known | thin | {"status": "closed"}
    assert history.observe(answer(fetched, asked=62, via=Via.REFETCH)).applied
    assert history.observe(answer(thin, asked=63, kind=Kind.PARTIAL)) is Outcome.UNCHANGED  # never fetched for ever
    assert history.body() == canonical(fetched)


def test_c1_a_thin_row_of_an_unknown_problem_is_new_and_has_the_whole_fetched() -> None:
    history, outcomes = told(answer(THIN, asked=61, kind=Kind.PARTIAL))
    assert outcomes == [Outcome.NEW]
    assert dict(history.refetch) == {"partial": None}


def test_c1_a_thin_row_from_before_a_notification_changes_nothing() -> None:
    history, outcomes = told(
        stated(whole("resolved", 2), received=60, event=2), answer(THIN, asked=59, kind=Kind.PARTIAL)
    )
    assert outcomes[1] is Outcome.STALE
    assert history.body() == canonical(whole("resolved", 2))


@given(st.sampled_from([datetime.min.replace(tzinfo=UTC), MAX]), st.lists(st.booleans(), min_size=1, max_size=4))
def test_a3_the_ends_of_the_calendar_are_times_like_others(end: datetime, stamps: list[bool]) -> None:
    first = replace(stated(whole("held", 1), received=60), effective_at=end)
    history, _ = told(first)
    for number, stamped in enumerate(stamps):
        seen = stated(whole(STATUSES[number], 2 if stamped else None), received=61 + number)
        history.observe(seen)
        history.observe(answer(whole(STATUSES[number], None), asked=62 + number))
        history.observe(deletion(3, 63 + number))
        history.observe(replace(seen, kind=Kind.TOMBSTONE, via=Via.REFETCH))
    assert history.head_at <= MAX


def test_facts_are_read_for_patches_only_where_nothing_else_is_known() -> None:
    whole_one = stated(whole("held", 1), received=60, event=1)
    assert not needs_facts(None, [whole_one])
    assert needs_facts(None, [replace(whole_one, kind=Kind.PARTIAL)])
    assert needs_facts(None, [deletion(1, 60, whole_one)])
    assert not needs_facts(None, [deletion(1, 60)])


def test_a_write_of_ours_is_an_answer() -> None:
    history, outcomes = told(
        stated(whole("held", 1), received=60, event=1), answer(whole("resolved", 2), asked=61, via=Via.WRITE)
    )
    assert outcomes[1] is Outcome.CHANGED
    assert history.via is Via.WRITE


def statuses_of(history: ProblemHistory) -> Sequence[tuple[datetime, str]]:
    return sorted(history.timeline.added)


def test_a_status_change_date_that_stands_still_is_not_believed() -> None:
    bodies = [whole(status, number, statusChangeDate=at(0).isoformat()) for number, status in enumerate(STATUSES[:3])]
    history, _ = told(*(stated(body, received=60 + n, event=n) for n, body in enumerate(bodies)))
    assert statuses_of(history) == [(at(n), status) for n, status in enumerate(STATUSES[:3])]
