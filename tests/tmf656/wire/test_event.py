"""Event types: every spelling leads to version 5's name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.tmf656.wire import event_name
from bridge.tmf656.wire.event import TASKS, EventChange, change_of

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=200)

SPELLINGS = {
    "ServiceProblemCreateEvent": ("Create", "Creation"),
    "ServiceProblemStateChangeEvent": ("StateChange", "StatusChange"),
    "ServiceProblemAttributeValueChangeEvent": ("AttributeValueChange", "Change"),
    "ServiceProblemInformationRequiredEvent": ("InformationRequired",),
    "ServiceProblemDeleteEvent": ("Delete", "Remove"),
}


@pytest.mark.parametrize("suffix", ["Event", "Notification"])
@pytest.mark.parametrize("subject", ["ServiceProblem", "serviceProblem", "SERVICEPROBLEM", "service_problem_"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_suffix_case_and_synonym_do_not_matter(name: str, subject: str, suffix: str) -> None:
    for word in SPELLINGS[name]:
        assert event_name(f"{subject}{word}{suffix}") == name


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("word", ["Create", "StateChange", "Delete"])
def test_the_twelve_task_events_are_known(task: str, word: str) -> None:
    name = f"{task[0].upper()}{task[1:]}{word}Event"
    assert event_name(f"{task}{word}Event") == event_name(name) == name
    assert change_of(name) is EventChange.TASK


@pytest.mark.parametrize(
    "raw",
    [None, "", " ", "TroubleTicketStatusChangeEvent", "AlarmCreateNotification", "ServiceProblem", "Event", "listener"],
)
def test_other_events_are_not_ours(raw: str | None) -> None:
    assert event_name(raw) is None


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_canonical_name_stays_as_it_is(name: str) -> None:
    assert event_name(name) == name
    assert change_of(name) is not EventChange.TASK


@QUICK
@given(raw=st.text(max_size=40))
def test_any_text_is_a_known_name_or_none(raw: str) -> None:
    name = event_name(raw)
    assert name is None or event_name(name) == name
