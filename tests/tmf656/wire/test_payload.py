"""The problem or the task of an event is found where servers put it, and what is around it is not taken for it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.domain.observation import Notification
from bridge.errors import UnreadableError
from bridge.tmf656.wire import read_notification
from bridge.tmf656.wire.payload import by_content, named_by_task, problem_in, problem_named, task_in

RECEIVED_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
STATE = "ServiceProblemStateChangeEvent"
WHOLE = {
    "id": "P1",
    "description": "Pump room floods the splice box",
    "category": "system.originated",
    "priority": 3,
    "reason": "water",
    "status": "inProgress",
    "lastUpdate": "2026-11-23T09:55:00Z",
}
EVENT = {"eventId": "e1", "eventType": STATE, "eventTime": "2026-11-23T09:59:57Z", "event": {"serviceProblem": WHOLE}}
CLOUD = {"specversion": "1.0", "id": "e1", "source": "/noc", "type": STATE, "time": "2026-11-23T09:59:57Z"}


def read(body: object) -> Notification:
    return read_notification(json.dumps(body).encode(), received_at=RECEIVED_AT)


@pytest.mark.parametrize(
    "event",
    [
        {"id": "EV-10", "resource": WHOLE},
        {"id": "EV-10", "href": "/event/EV-10", "description": "changed", "priority": "1", "resource": WHOLE},
        {"id": "EV-10", "payload": WHOLE},
        {"id": "EV-10", "data": {"object": WHOLE}},
        {"id": "EV-10", "resource": {"serviceProblem": WHOLE}},
        {"id": "EV-10", "before": WHOLE | {"id": "P0"}, "after": WHOLE},
        {"id": "EV-10", "problem": WHOLE},
        {"id": "EV-10", "service_problem": WHOLE},
    ],
)
def test_c4_the_nested_object_is_the_problem_and_not_the_event_around_it(event: dict[str, Any]) -> None:
    for body in (EVENT | {"event": event}, {"event": event}):
        assert read(body).problem_id == "P1"


def test_c4_an_event_with_nothing_but_an_id_is_fetched_and_states_nothing() -> None:
    found = read({"eventType": STATE, "event": {"id": "EV-10", "resource": {"name": "x"}}})
    assert (found.observation, found.refetch) == (None, (("EV-10", "named_only"),))


@pytest.mark.parametrize(
    "body",
    [
        {"eventType": STATE, "resourcePath": "/serviceProblem/P1"},
        {"eventType": STATE, "resourcePath": "https://h/tmf-api/v4/serviceProblem/P1?x=1", "event": {}},
        CLOUD | {"subject": "serviceProblem/P1"},
        {"eventType": STATE, "event": {"href": "/serviceProblem/P1"}},
    ],
)
def test_c4_a_problem_that_is_only_named_by_its_path_is_fetched(body: dict[str, Any]) -> None:
    assert (read(body).observation, read(body).refetch) == (None, (("P1", "named_only"),))


def test_only_a_declared_event_names_a_problem_by_its_own_id() -> None:
    event = {"event": {"id": "P1", "name": "x"}}
    assert problem_in({"event": {"id": "P1"}}, declared=True) == ({}, "P1")
    assert problem_in({"event": {"id": "P1"}}, declared=False) == ({}, None)
    assert problem_in(event, declared=False) == (event["event"], None)  # `name` is an attribute of a problem


def test_a_task_is_found_by_its_name_and_names_its_problems() -> None:
    problems = [{"id": "P1"}, {"href": "/serviceProblem/P2"}, {"id": None}, "P3"]
    name, task = task_in({"event": {"ProblemAcknowledgement": {"problem": problems, "parentProblem": {"id": "P4"}}}})
    assert name == "problemAcknowledgement"
    assert list(named_by_task(task)) == ["P1", "P2", "P4"]
    assert task_in({"event": {"problem": problems}}) == (None, {"problem": problems})
    assert task_in({}) == (None, {})


@pytest.mark.parametrize(
    ("stated", "event_type", "doubt"),
    [
        (None, "ServiceProblemAttributeValueChangeEvent", None),
        ("TicketRemoved", "ServiceProblemAttributeValueChangeEvent", "deleted"),
        ("SomethingHappened", "ServiceProblemAttributeValueChangeEvent", None),
    ],
)
def test_an_event_of_an_unknown_type_is_known_by_what_it_holds(
    stated: str | None, event_type: str, doubt: str | None
) -> None:
    assert by_content({"event": {"problem": WHOLE}}, stated) == (event_type, WHOLE, None, doubt)


def test_an_event_without_problem_and_task_is_refused_with_its_type() -> None:
    with pytest.raises(UnreadableError, match="unknown type 'WeatherChanged'"):
        by_content({"event": {"temperature": 3}}, "WeatherChanged")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (EVENT, "P1"),
        ([EVENT], "P1"),
        ([EVENT, EVENT], None),
        ({"event": {"serviceProblem": {"id": "\ud800"}}}, None),
        ("text", None),
    ],
)
def test_the_problem_of_a_body_that_cannot_be_kept_is_named_where_there_is_one(body: Any, named: str | None) -> None:
    assert problem_named(body) == named
