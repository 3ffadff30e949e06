"""A received event: what it says, of which problem, and what has to be asked."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Notification, Via
from bridge.domain.status import Status
from bridge.errors import UnreadableError
from bridge.tmf656.wire import read_notification

RECEIVED_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
EVENT_AT = RECEIVED_AT - timedelta(seconds=3)
UPDATED_AT = RECEIVED_AT - timedelta(minutes=5)
STATUS_AT = RECEIVED_AT - timedelta(minutes=7)

WHOLE = {
    "id": "P1",
    "href": "/tmf-api/serviceProblemManagement/v4/serviceProblem/P1",
    "description": "Pump room floods the splice box",
    "category": "system.originated",
    "priority": 3,
    "reason": "water",
    "status": "inProgress",
    "statusChangeDate": STATUS_AT.isoformat(),
    "lastUpdate": UPDATED_AT.isoformat(),
}
CREATE, STATE, VALUE, ASKED, DELETE = (
    f"ServiceProblem{word}Event"
    for word in ("Create", "StateChange", "AttributeValueChange", "InformationRequired", "Delete")
)
EVERY = (CREATE, STATE, VALUE, ASKED, DELETE)


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


def event(event_type: str | None, problem: object, **more: Any) -> dict[str, Any]:
    said = {"eventId": "e1", "eventTime": EVENT_AT.isoformat(), "event": {"serviceProblem": problem}}
    return said | ({} if event_type is None else {"eventType": event_type}) | more


def read(envelope: dict[str, Any], hint: str | None = None) -> Notification:
    return read_notification(json.dumps(envelope).encode(), received_at=RECEIVED_AT, event_hint=hint)


def test_a_whole_problem_becomes_a_full_observation() -> None:
    notification = read(event(STATE, WHOLE))
    assert (notification.event_id, notification.event_type, notification.event_time) == ("e1", STATE, EVENT_AT)
    assert (notification.problem_id, notification.refetch, notification.poll_reason, notification.dedupable) == (
        "P1",
        (),
        None,
        True,
    )
    seen = notification.observation
    assert seen is not None
    assert (seen.problem_id, seen.kind, seen.via, seen.event_type) == ("P1", Kind.FULL, Via.PUSH, STATE)
    assert (seen.status, seen.status_raw, seen.status_at) == (Status.IN_PROGRESS, "inProgress", STATUS_AT)
    assert (seen.observed_at, seen.effective_at, seen.stamped) == (RECEIVED_AT, UPDATED_AT, True)
    assert json.loads(seen.body) == WHOLE
    assert json.loads(notification.body) == event(STATE, WHOLE)


# Since when.


@pytest.mark.parametrize(
    ("event_type", "left_out", "effective_at"),
    [
        (STATE, (), UPDATED_AT),
        (STATE, ("lastUpdate",), STATUS_AT),
        (STATE, ("lastUpdate", "statusChangeDate"), EVENT_AT),
        (VALUE, (), UPDATED_AT),
        (VALUE, ("lastUpdate",), EVENT_AT),
        (CREATE, ("lastUpdate",), EVENT_AT),
        ("unheard of", ("lastUpdate",), EVENT_AT),
    ],
)
def test_an_observation_holds_since_the_update_then_the_state_change_then_the_event(
    event_type: str, left_out: tuple[str, ...], effective_at: datetime
) -> None:
    seen = read(event(event_type, without(WHOLE, *left_out))).observation
    assert seen is not None
    assert (seen.effective_at, seen.stamped) == (effective_at, True)


@pytest.mark.parametrize("name", ["eventTime", "timeOccurred", "timeOcurred"])
def test_the_event_time_has_three_names(name: str) -> None:
    notification = read({name: EVENT_AT.isoformat(), "eventType": VALUE, "event": {"serviceProblem": {"id": "P1"}}})
    assert notification.event_time == EVENT_AT
    assert notification.dedupable


def test_event_time_comes_before_the_time_of_occurrence_unless_it_is_unusable() -> None:
    assert read(event(VALUE, WHOLE, timeOcurred="2020-01-01")).event_time == EVENT_AT
    assert read(event(VALUE, WHOLE, eventTime="now", timeOccurred=EVENT_AT.isoformat())).event_time == EVENT_AT


def test_a_problem_without_any_time_is_asked_for() -> None:
    notification = read(without(event(VALUE, without(WHOLE, "lastUpdate")), "eventTime"))
    assert notification.observation is not None
    assert (notification.observation.effective_at, notification.observation.stamped) == (RECEIVED_AT, False)
    assert notification.refetch == (("P1", "unstamped"),)


def test_an_event_without_id_and_time_may_be_repeated_and_not_be_a_repeat() -> None:
    assert not read(without(event(VALUE, WHOLE), "eventTime", "eventId")).dedupable
    assert read(without(event(VALUE, WHOLE), "eventTime")).dedupable
    assert read(event(VALUE, WHOLE, eventId=17)).event_id == "17"
    assert read(event(VALUE, WHOLE, eventId={"no": "id"})).event_id is None


# Whole or partial.


@pytest.mark.parametrize("event_type", [STATE, VALUE, ASKED])
@pytest.mark.parametrize("missing", ["description", "category", "priority", "reason", "status"])
def test_a_change_is_partial_when_it_lacks_what_every_problem_has(event_type: str, missing: str) -> None:
    for problem in (without(WHOLE, missing), WHOLE | {missing: None}):
        notification = read(event(event_type, problem))
        assert notification.observation is not None
        assert notification.observation.kind is Kind.PARTIAL
        assert notification.refetch == (("P1", "partial"),)


def test_a_created_problem_is_whole_unless_it_is_only_named() -> None:
    assert read(event(CREATE, {"id": "P1", "status": "held"})).observation.kind is Kind.FULL
    notification = read(event(CREATE, {"id": "P1", "href": "/x/P1", "@type": "ServiceProblem"}))
    assert notification.observation is not None
    assert (notification.observation.kind, notification.observation.body) == (
        Kind.PARTIAL,
        b'{"@type":"ServiceProblem"}',
    )
    assert notification.refetch == (("P1", "partial"),)


def test_a_partial_body_is_a_merge_patch_in_the_newest_names() -> None:
    notification = read(
        event(VALUE, {"id": "P1", "href": "/x", "timeChanged": "2026-11-23T09:00:00Z", "comment": None, "name": None})
    )
    assert notification.observation is not None
    assert json.loads(notification.observation.body) == {
        "lastUpdate": "2026-11-23T09:00:00Z",
        "note": None,
        "name": None,
    }
    assert (notification.observation.status, notification.observation.status_raw) == (None, None)


def test_a_whole_problem_in_older_names_is_whole() -> None:
    old = without(WHOLE, "lastUpdate") | {"timeChanged": WHOLE["lastUpdate"], "correlationId": "X"}
    seen = read(event("serviceProblemChangeNotification", old)).observation
    assert seen is not None
    assert (seen.kind, seen.effective_at, seen.event_type) == (Kind.FULL, UPDATED_AT, VALUE)
    assert json.loads(seen.body)["externalIdentifier"] == [{"externalIdentifierType": "correlationId", "id": "X"}]


# Deletion, information required.


@pytest.mark.parametrize("event_type", [DELETE, "serviceProblemRemoveNotification", "ServiceProblemDeletionEvent"])
def test_a_deletion_is_a_tombstone_as_of_the_event(event_type: str) -> None:
    notification = read(event(event_type, WHOLE))
    seen = notification.observation
    assert seen is not None
    assert (seen.kind, seen.body, seen.content_hash) == (Kind.TOMBSTONE, b"{}", TOMBSTONE_HASH)
    assert (seen.effective_at, seen.stamped, seen.status, seen.event_type) == (EVENT_AT, True, None, DELETE)
    assert (notification.refetch, notification.poll_reason) == ((), None)


def test_a_deletion_without_a_time_is_asked_for() -> None:
    notification = read({"eventType": DELETE, "event": {"serviceProblem": WHOLE}})
    assert notification.observation is not None
    assert (notification.observation.effective_at, notification.observation.stamped) == (RECEIVED_AT, False)
    assert notification.refetch == (("P1", "unstamped"),)


def test_information_required_of_a_named_problem_is_asked_for() -> None:
    notification = read(event(ASKED, {"id": "P1", "name": "Flood", "@referredType": "x"}))
    assert (notification.observation, notification.problem_id, notification.refetch) == (
        None,
        "P1",
        (("P1", "information_required"),),
    )


def test_information_required_with_the_whole_problem_is_taken_as_a_change() -> None:
    notification = read(event(ASKED, WHOLE))
    assert notification.observation is not None
    assert (notification.observation.kind, notification.refetch) == (Kind.FULL, ())


# Which problem.


@pytest.mark.parametrize(
    ("href", "problem_id"),
    [
        ("https://oss.example/v4/serviceProblem/P1", "P1"),
        ("/serviceProblem/P1/", "P1"),
        ("serviceProblem/P1?fields=id#x", "P1"),
        ("/serviceProblem/a%2Fb%20c", "a/b c"),
    ],
)
def test_without_an_id_the_last_segment_of_the_link_is_it(href: str, problem_id: str) -> None:
    for unusable in (None, "", " ", 1.5, {}):
        notification = read(event(VALUE, WHOLE | {"id": unusable, "href": href}))
        assert notification.problem_id == problem_id
        assert notification.observation is not None


def test_a_whole_problem_known_by_its_link_gets_its_id() -> None:
    seen = read(event(VALUE, without(WHOLE, "id"))).observation
    assert seen is not None
    assert json.loads(seen.body) == WHOLE


@pytest.mark.parametrize(
    "href",
    [
        None,
        7,
        "",
        "P1",
        "https://oss.example",
        "/",
        "/v4/serviceProblem/",
        "/x/%00",
        "/x/%ff",
        "//[/P1",
        "/" + "x" * 513,
    ],
)
@pytest.mark.parametrize("event_type", EVERY)
def test_without_a_usable_id_the_source_is_polled(event_type: str, href: object) -> None:
    notification = read(event(event_type, without(WHOLE, "id") | {"href": href}))
    assert (notification.problem_id, notification.observation, notification.refetch, notification.poll_reason) == (
        None,
        None,
        (),
        "no usable id",
    )


@pytest.mark.parametrize(
    "content", [{}, {"event": None}, {"event": {}}, {"event": {"serviceProblem": None}}, {"event": "P1"}]
)
@pytest.mark.parametrize("event_type", EVERY)
def test_a_known_event_without_a_problem_still_says_that_something_changed(
    event_type: str, content: dict[str, Any]
) -> None:
    notification = read({"eventType": event_type} | content)
    assert (notification.event_type, notification.observation, notification.poll_reason) == (
        event_type,
        None,
        "no usable id",
    )


# Where the problem is.


@pytest.mark.parametrize(
    "envelope",
    [
        {"eventType": STATE, "event": {"serviceProblem": WHOLE}},
        {"eventType": STATE, "event": {"ServiceProblem": WHOLE}},
        {"eventType": STATE, "event": {"serviceProblem": [WHOLE]}},
        {"eventType": STATE, "event": WHOLE},
        {"eventType": STATE, "serviceProblem": WHOLE},
        {"eventType": STATE, "event": {}, "serviceProblem": WHOLE, "id": "of the event"},
    ],
)
def test_the_problem_is_found_in_every_envelope_seen(envelope: dict[str, Any]) -> None:
    notification = read(envelope)
    assert notification.observation is not None
    assert json.loads(notification.observation.body) == WHOLE
    assert notification.event_type == STATE


def test_a_problem_without_envelope_is_a_change_of_attributes() -> None:
    notification = read(WHOLE)
    assert notification.event_type == VALUE
    assert notification.observation is not None
    assert (notification.observation.kind, notification.observation.effective_at) == (Kind.FULL, UPDATED_AT)
    assert read(WHOLE, hint="serviceProblemStateChangeEvent").event_type == STATE
    assert read({"id": "P1", "status": "held"}).refetch == (("P1", "partial"),)


def test_the_id_of_an_event_is_not_taken_for_the_id_of_a_problem() -> None:
    notification = read(
        {"eventType": STATE, "id": "E1", "href": "/event/E1", "description": "x", "priority": "1", "event": {}}
    )
    assert (notification.problem_id, notification.poll_reason) == (None, "no usable id")


# Which event.


def test_the_stated_type_comes_before_the_path_and_the_path_before_the_content() -> None:
    assert read(event(DELETE, WHOLE), hint="serviceProblemCreateEvent").event_type == DELETE
    assert read(event("of our own", WHOLE), hint="serviceProblemRemoveNotification").event_type == DELETE
    for unusable in (None, "", "  ", 7, {}):
        envelope = event(None, WHOLE) | {"eventType": unusable}
        assert read(envelope, hint="serviceProblemStateChangeEvent").event_type == STATE
        assert read(envelope, hint="P1").event_type == VALUE
        assert read(envelope).event_type == VALUE


def test_a_type_name_never_decides_what_an_event_is() -> None:
    notification = read(
        event(STATE, WHOLE | {"@type": "ServiceProblemDeleteEvent"}, **{"@type": "ServiceProblemDeleteEvent"})
    )
    assert notification.observation is not None
    assert (notification.event_type, notification.observation.kind) == (STATE, Kind.FULL)


def test_an_unknown_event_about_a_problem_is_taken_as_a_change_under_its_own_name() -> None:
    notification = read(event("ServiceProblemEscalatedEvent", WHOLE))
    assert (notification.event_type, notification.problem_id) == ("ServiceProblemEscalatedEvent", "P1")
    assert notification.observation is not None
    assert (notification.observation.kind, notification.observation.event_type) == (
        Kind.FULL,
        "ServiceProblemEscalatedEvent",
    )


@pytest.mark.parametrize(
    "envelope",
    [
        {},
        {"hello": "world"},
        {"eventType": "TroubleTicketCreateEvent", "event": {"troubleTicket": WHOLE}},
        {"eventType": "Heartbeat", "id": "E1", "description": "alive", "priority": "1"},
        {"eventType": "Heartbeat", "event": {"id": "E1"}},
        {"eventType": "Heartbeat", "event": {"name": "alive"}},
        {"eventId": "e1", "event": {"serviceProblem": {}}},
        {"id": "P1", "href": "/serviceProblem/P1"},
        {"status": "held"},
        {"eventType": {"a": 1}, "event": []},
    ],
)
def test_an_unknown_event_without_a_problem_is_refused(envelope: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(envelope)
    assert (caught.value.reason, caught.value.malformed) == ("no_problem", False)


# Tasks.


def refs(*ids: object) -> list[dict[str, object]]:
    return [{"id": one} for one in ids]


@pytest.mark.parametrize("change", ["Create", "StateChange", "Delete"])
@pytest.mark.parametrize(
    ("task", "content", "named"),
    [
        ("problemAcknowledgement", {"problem": refs("1", "2"), "ackProblem": refs("2")}, ["1", "2"]),
        ("problemUnacknowledgement", {"problem": refs("1"), "unackProblem": refs("3")}, ["1", "3"]),
        ("problemGroup", {"parentProblem": {"id": "9"}, "childProblem": refs("1", 2, None)}, ["9", "1", "2"]),
        ("problemUngroup", {"parentProblem": refs("9"), "childProblem": {"href": "/serviceProblem/8"}}, ["9", "8"]),
    ],
)
def test_a_task_has_the_problems_it_names_fetched(
    task: str, change: str, content: dict[str, Any], named: list[str]
) -> None:
    name = f"{task[0].upper()}{task[1:]}{change}Event"
    notification = read({"eventType": name, "event": {task: {"id": "T1"} | content}})
    assert notification.refetch == tuple((one, "task") for one in named)
    assert (notification.event_type, notification.observation, notification.problem_id, notification.poll_reason) == (
        name,
        None,
        None,
        None,
    )
    assert read({"event": {task: {"id": "T1"} | content}}, hint=f"{task}{change}Event").refetch == notification.refetch


@pytest.mark.parametrize(
    "content", [{"id": "T1"}, {"problem": []}, {"problem": ["1", None]}, {"childProblem": refs("", True)}]
)
def test_a_task_that_names_no_problem_has_the_source_polled(content: dict[str, Any]) -> None:
    notification = read({"eventType": "ProblemGroupStateChangeEvent", "event": {"problemGroup": content}})
    assert (notification.refetch, notification.poll_reason) == ((), "task event names no problem")


def test_a_task_without_a_known_type_is_known_by_its_key() -> None:
    notification = read({"event": {"problemGroup": {"childProblem": refs("1")}}})
    assert (notification.event_type, notification.refetch) == ("ProblemGroupStateChangeEvent", (("1", "task"),))
