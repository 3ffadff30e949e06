"""Answers: rounded times, update times that stand still, thin rows, writes of ours."""

from msgspec.structs import replace

from bridge.domain.decision import decide_observation
from bridge.domain.fact import canonical
from bridge.domain.observation import Kind, Via
from bridge.domain.problem_history import Outcome
from bridge.domain.timestamp import Precision
from tests.domain.observations import STATUSES, answer, at, observed, stated, timeline, whole


def test_c10_a_row_rounded_to_seconds_with_another_content_is_the_server_s_word() -> None:
    history, outcomes = observed(
        stated(whole("held", "2026-06-01T12:01:00.7Z"), received=60, event=1.1),
        replace(answer(whole("resolved", "2026-06-01T12:01:00Z"), asked=61), precision=Precision.SECOND),
    )
    assert outcomes[1].applied
    assert history.body() == canonical(whole("resolved", "2026-06-01T12:01:00Z"))
    assert not history.refetch


def test_c11_a_poll_finds_each_change_of_a_source_whose_update_time_stands_still() -> None:
    history, outcomes = observed(
        *(answer(whole(status, 0), asked=60 + number) for number, status in enumerate(STATUSES))
    )
    assert outcomes == [Outcome.NEW] + [Outcome.CHANGED] * 4
    assert [status for _, status in timeline(history)] == list(STATUSES)
    assert not history.refetch
    assert decide_observation(history, answer(whole(STATUSES[-1], 0), asked=80)) is Outcome.UNCHANGED
    assert decide_observation(history, answer(whole("cancelled", 70), asked=81)) is Outcome.CHANGED
    assert history.content is not None
    assert history.content.effective_at == at(70)


def test_c11_what_a_notification_brought_under_a_still_stamp_the_poll_finds_unchanged() -> None:
    history, outcomes = observed(
        answer(whole("held", 0), asked=50),
        stated(whole("resolved", 0), received=60, event=55),
        answer(whole("resolved", 0), asked=61),
    )
    assert outcomes == [Outcome.NEW, Outcome.CHANGED, Outcome.UNCHANGED]
    assert timeline(history) == [(at(0), "held"), (at(55), "resolved")]


THIN = {"id": "SP-1", "status": "held", "lastUpdate": at(1).isoformat()}


def test_c1_a_thin_row_takes_nothing_away() -> None:
    known = whole("held", 1, description="no light", priority=2)
    history, outcomes = observed(
        stated(known, received=60, event=1), answer(THIN, asked=61, kind=Kind.PARTIAL, via=Via.RECONCILE)
    )
    assert outcomes[1] is Outcome.UNCHANGED
    assert not history.refetch
    assert history.body() == canonical(known)


def test_c1_a_thin_row_that_says_something_else_is_a_patch_and_has_the_whole_fetched() -> None:
    thin = THIN | {"status": "resolved", "lastUpdate": at(2).isoformat()}
    known = whole("held", 1, description="no light")
    history, outcomes = observed(stated(known, received=60, event=1), answer(thin, asked=61, kind=Kind.PARTIAL))
    assert outcomes[1] is Outcome.CHANGED
    assert dict(history.refetch) == {"partial": None}
    assert history.body() == canonical(known | thin)
    fetched = known | thin | {"status": "closed"}
    assert decide_observation(history, answer(fetched, asked=62, via=Via.REFETCH)).applied
    assert (
        decide_observation(history, answer(thin, asked=63, kind=Kind.PARTIAL)) is Outcome.UNCHANGED
    )  # never fetched for ever
    assert history.body() == canonical(fetched)


def test_c1_a_thin_row_of_an_unknown_problem_is_new_and_has_the_whole_fetched() -> None:
    history, outcomes = observed(answer(THIN, asked=61, kind=Kind.PARTIAL))
    assert outcomes == [Outcome.NEW]
    assert dict(history.refetch) == {"partial": None}


def test_c1_a_thin_row_from_before_a_notification_changes_nothing() -> None:
    history, outcomes = observed(
        stated(whole("resolved", 2), received=60, event=2), answer(THIN, asked=59, kind=Kind.PARTIAL)
    )
    assert outcomes[1] is Outcome.STALE
    assert history.body() == canonical(whole("resolved", 2))


def test_a_write_of_ours_is_an_answer() -> None:
    history, outcomes = observed(
        stated(whole("held", 1), received=60, event=1), answer(whole("resolved", 2), asked=61, via=Via.WRITE)
    )
    assert outcomes[1] is Outcome.CHANGED
    assert history.via is Via.WRITE


def test_an_answer_that_was_asked_for_without_a_doubt_confirms_nothing_that_is_known() -> None:
    """The defect: the read before each write was stored as a change of its ticket."""
    known = whole("held", 1)
    history, outcomes = observed(
        stated(known, received=60, event=1), replace(answer(known, asked=61, via=Via.REFETCH), routine=True)
    )
    assert outcomes[1] is Outcome.UNCHANGED
    assert history.content is not None
    assert history.content.confirmed_at is None
    newer = replace(answer(whole("resolved", 2), asked=62, via=Via.REFETCH), routine=True)
    assert decide_observation(history, newer) is Outcome.CHANGED
