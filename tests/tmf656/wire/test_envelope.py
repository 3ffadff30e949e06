"""Events in whatever wraps them: each is found, with type, id and time from around it."""

import json
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Kind, Notification
from bridge.errors import UnreadableError
from bridge.tmf656.wire import ReadEvent, read_notification, read_notifications

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=300)
RECEIVED_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
EVENT_AT = RECEIVED_AT - timedelta(seconds=3)
STATE = "ServiceProblemStateChangeEvent"
DELETE = "ServiceProblemDeleteEvent"
WHOLE = {
    "id": "P1",
    "description": "Pump room floods the splice box",
    "category": "system.originated",
    "priority": 3,
    "reason": "water",
    "status": "inProgress",
    "lastUpdate": (RECEIVED_AT - timedelta(minutes=5)).isoformat(),
}
EVENT = {"eventId": "e1", "eventType": STATE, "eventTime": EVENT_AT.isoformat(), "event": {"serviceProblem": WHOLE}}
CLOUD = {"specversion": "1.0", "id": "e1", "source": "/noc", "type": STATE, "time": EVENT_AT.isoformat()}


def read(body: object, hint: str | None = None) -> Notification:
    return read_notification(json.dumps(body).encode(), received_at=RECEIVED_AT, event_hint=hint)


def read_all(body: object) -> list[ReadEvent]:
    return read_notifications(json.dumps(body).encode(), received_at=RECEIVED_AT)


@pytest.mark.parametrize(
    "body",
    [
        CLOUD | {"data": WHOLE},
        CLOUD | {"data": {"serviceProblem": WHOLE}},
        CLOUD | {"data": {"event": {"serviceProblem": WHOLE}}},
        CLOUD | {"data": EVENT},
        CLOUD | {"data": json.dumps(EVENT)},
        CLOUD | {"data_base64": b64encode(json.dumps(EVENT).encode()).decode()},
        CLOUD | {"type": f"org.tmforum.{STATE}.v4", "data": WHOLE},
        {"notification": EVENT},
        {"notification": [EVENT]},
        {"Notification": EVENT},
        {"data": EVENT},
        {"payload": EVENT},
        {"body": json.dumps(EVENT)},
        {"message": EVENT},
        {"schema": {}, "payload": EVENT},
        EVENT | {"event": {"event": {"serviceProblem": WHOLE}}},
        EVENT | {"event": EVENT},
        {"eventType": "EventCreateEvent", "eventId": "x", "event": {"event": EVENT}},
        {"eventType": STATE, "eventId": "e1", "eventTime": EVENT["eventTime"], "data": WHOLE},
        {
            "version": "0",
            "id": "e1",
            "detail-type": STATE,
            "source": "noc",
            "time": EVENT["eventTime"],
            "detail": WHOLE,
        },
        {"Type": "Notification", "MessageId": "m1", "Message": json.dumps(EVENT)},
        {"Records": [{"messageId": "m1", "body": json.dumps(EVENT)}]},
        {"events": [EVENT]},
        [EVENT],
        [
            {
                "id": "e1",
                "eventType": STATE,
                "subject": "P1",
                "data": WHOLE,
                "eventTime": EVENT["eventTime"],
                "eventId": "e1",
            }
        ],
        json.dumps(EVENT),
    ],
)
def test_c5_an_event_is_found_in_what_wraps_it(body: object) -> None:
    found = read(body)
    assert (found.event_type, found.event_id, found.event_time, found.problem_id) == (STATE, "e1", EVENT_AT, "P1")
    assert found.observation is not None
    assert (found.observation.kind, json.loads(found.observation.body)) == (Kind.FULL, WHOLE)
    assert found.refetch == ()


def test_c5_an_event_id_of_another_spelling_is_one() -> None:
    event = {"event_type": STATE, "event_id": "e1", "event_time": EVENT["eventTime"], "event": EVENT["event"]}
    assert read(event).event_id == "e1"


def test_c5_what_is_kept_of_a_wrapped_event_is_what_came() -> None:
    assert json.loads(read({"notification": EVENT}).body) == {"notification": EVENT}


def test_c5_each_event_of_a_list_is_a_notification_of_its_own() -> None:
    other = EVENT | {"eventId": "e2", "event": {"serviceProblem": WHOLE | {"id": "P2"}}}
    for body in (
        [EVENT, other],
        {"events": [EVENT, other]},
        {"notification": [EVENT, other]},
        [CLOUD | {"data": EVENT}, other],
    ):
        found = [one.notification for one in read_all(body)]
        assert [one and (one.event_id, one.problem_id) for one in found] == [("e1", "P1"), ("e2", "P2")]
        assert len({one.digest for one in found if one}) == 2


def test_c5_an_event_about_several_problems_is_one_for_each() -> None:
    body = EVENT | {"event": {"serviceProblem": [WHOLE, WHOLE | {"id": "P2"}]}}
    assert [one.notification and one.notification.problem_id for one in read_all(body)] == ["P1", "P2"]


@pytest.mark.parametrize("between", ["", "\n", "\r\n\r\n", " "])
@pytest.mark.parametrize("after", ["", "\n", "\0\0"])
def test_c5_events_one_after_the_other_are_read(between: str, after: str) -> None:
    other = EVENT | {"eventId": "e2", "event": {"serviceProblem": WHOLE | {"id": "P2"}}}
    body = (json.dumps(EVENT) + between + json.dumps(other) + after).encode()
    found = [one.notification for one in read_notifications(body, received_at=RECEIVED_AT)]
    assert [one and (one.event_id, one.problem_id) for one in found] == [("e1", "P1"), ("e2", "P2")]


def capitals(value: Any) -> Any:
    if isinstance(value, list):
        return [capitals(one) for one in value]
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: capitals(one) for name, one in value.items()}
    return value


def test_c5_an_event_whose_names_begin_with_capitals_is_read() -> None:
    found = read(capitals(EVENT))
    assert (found.event_type, found.event_id, found.event_time, found.problem_id) == (STATE, "e1", EVENT_AT, "P1")
    assert found.observation is not None
    assert json.loads(found.observation.body) == WHOLE
    assert json.loads(found.body) == capitals(EVENT), "kept as it came"
    both = [one.notification for one in read_all({"Events": [capitals(EVENT), capitals(EVENT) | {"EventId": "e2"}]})]
    assert [one and one.event_id for one in both] == ["e1", "e2"]


def test_c5_zeros_behind_an_event_are_left_out() -> None:
    (found,) = read_notifications(json.dumps(EVENT).encode() + b"\0", received_at=RECEIVED_AT)
    assert found.notification is not None
    assert found.notification.problem_id == "P1"


@pytest.mark.parametrize("rest", ["]", "x", ",", "[1]", '"text"', "{", "1"])
def test_what_follows_an_event_and_is_none_is_malformed(rest: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_notifications((json.dumps(EVENT) + rest).encode(), received_at=RECEIVED_AT)
    assert caught.value.malformed


@pytest.mark.parametrize("wrapper", ["", "events", "notifications", "Records", "items"])
def test_c5_one_bad_event_of_a_list_spoils_no_other(wrapper: str) -> None:
    events = [EVENT, {"hello": "world"}, 7]
    good, bad, other = read_all({wrapper: events} if wrapper else events)
    assert good.notification is not None
    assert bad.error is not None
    assert (bad.error.reason, bad.error.malformed, json.loads(bad.raw)) == ("no_problem", False, {"hello": "world"})
    assert other.error is not None
    assert (other.error.reason, other.error.malformed, other.raw) == ("not_object", False, b"7")


@pytest.mark.parametrize("body", [[], [1, "x"], [[EVENT]], "text", None])
def test_a_body_without_any_object_is_malformed(body: object) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_all(body)
    assert (caught.value.reason, caught.value.malformed) == ("not_object", True)


def test_c5_too_many_events_are_refused_and_named() -> None:
    with pytest.raises(UnreadableError, match="more than 10000 events"):
        read_all([{}] * 10_001)


def test_a_text_within_an_event_is_checked_like_the_body() -> None:
    nul = {"body": json.dumps(EVENT | {"title": "\0"})}
    deep = {"body": '{"event":' * 100 + "1" + "}" * 100}
    assert [one.error and one.error.reason for one in (*read_all(nul), *read_all(deep))] == ["nul", "too_deep"]


# C3: deletions under other names.


@pytest.mark.parametrize(
    "body",
    [
        EVENT | {"eventType": "delete"},
        EVENT | {"eventType": "DELETED"},
        EVENT | {"eventType": "problem.deleted"},
        EVENT | {"eventType": "PROBLEM_REMOVED"},
        EVENT | {"eventType": "serviceProblem.deleted.v1"},
        EVENT | {"eventType": "com.acme.ServiceProblemDeleteEvent"},
        EVENT | {"eventType": "com.acme.oss.serviceproblem:delete"},
        EVENT | {"eventType": "urn:tmf:ServiceProblemRemoveNotification"},
        {"@type": DELETE, "eventTime": EVENT["eventTime"], "event": {"serviceProblem": WHOLE}},
        {"type": "deleted", "eventTime": EVENT["eventTime"], "data": {"serviceProblem": WHOLE}},
        {"operation": "DELETE", "eventTime": EVENT["eventTime"], "serviceProblem": WHOLE},
        {"action": "deleted", "eventTime": EVENT["eventTime"], "event": {"problem": WHOLE}},
    ],
)
def test_c3_the_last_words_of_a_type_say_that_it_is_a_deletion(body: dict[str, Any]) -> None:
    found = read(body)
    assert found.observation is not None
    assert (found.observation.kind, found.observation.effective_at, found.event_type) == (
        Kind.TOMBSTONE,
        EVENT_AT,
        DELETE,
    )


@pytest.mark.parametrize(
    "body",
    [
        EVENT | {"eventType": "NoteDeletedEvent"},
        EVENT | {"eventType": "com.acme.delete"},
        {"event": {"serviceProblem": WHOLE | {"@type": DELETE}}},
    ],
)
def test_c3_in_doubt_the_problem_is_fetched_and_404_means_that_it_is_gone(body: dict[str, Any]) -> None:
    found = read(body)
    assert found.observation is not None
    assert (found.observation.kind, found.refetch) == (Kind.FULL, (("P1", "deleted"),))


@pytest.mark.parametrize(
    "event_type", ["ServiceProblemUndeletedEvent", "deletion requested", "ServiceProblemChangeEvent"]
)
def test_c3_other_types_are_no_deletions(event_type: str) -> None:
    found = read(EVENT | {"eventType": event_type})
    assert found.observation is not None
    assert (found.observation.kind, found.refetch) == (Kind.FULL, ())


# C12: what a deletion says was so to the end.


def test_c12_a_deletion_keeps_the_last_state_it_states() -> None:
    cancelled = WHOLE | {"status": "Cancelled", "lastUpdate": EVENT["eventTime"]}
    seen = read(EVENT | {"eventType": DELETE, "event": {"serviceProblem": cancelled}}).observation
    assert seen is not None
    assert seen.last is not None
    assert (seen.kind, seen.effective_at) == (Kind.TOMBSTONE, EVENT_AT)
    assert (seen.last.kind, seen.last.effective_at, seen.last.status_raw) == (Kind.FULL, EVENT_AT, "Cancelled")
    named = read(EVENT | {"eventType": DELETE, "event": {"serviceProblem": {"id": "P1", "@type": "ServiceProblem"}}})
    assert named.observation is not None
    assert named.observation.last is None


# A2, C7: times of events.


@pytest.mark.parametrize(
    "none", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", 0, "2099-01-01"]
)
def test_a2_an_implausible_time_orders_nothing(none: object) -> None:
    found = read(EVENT | {"eventTime": none, "event": {"serviceProblem": WHOLE | {"lastUpdate": none}}})
    assert found.observation is not None
    assert (found.event_time, found.observation.effective_at, found.observation.stamped) == (None, RECEIVED_AT, False)
    assert found.refetch == (("P1", "unstamped"),)


def test_c7_times_that_cannot_be_read_are_named() -> None:
    found = read(EVENT | {"eventTime": "02/03/2026", "event": {"serviceProblem": WHOLE | {"lastUpdate": "soon"}}})
    assert [(one.attribute, one.example) for one in found.unmapped] == [
        ("eventTime", "02/03/2026"),
        ("lastUpdate", "soon"),
    ]


def test_c9_thirteen_thousand_affected_services_are_read() -> None:
    services = [
        {"id": str(n), "href": f"/service/{n}", "name": f"line {n}", "@type": "ServiceRef"} for n in range(13_000)
    ]
    found = read(EVENT | {"event": {"serviceProblem": WHOLE | {"affectedService": services}}})
    assert found.observation is not None
    assert found.observation.affected_services == 13_000


# Anything may come.

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just(STATE),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "event",
                    "eventType",
                    "eventTime",
                    "data",
                    "serviceProblem",
                    "id",
                    "href",
                    "status",
                    "priority",
                    "lastUpdate",
                    "notification",
                    "Records",
                    "data_base64",
                    "type",
                    "problemGroup",
                    "note",
                    "relatedParty",
                    "@type",
                    "resource",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@QUICK
@given(body=values)
def test_no_json_value_makes_reading_raise_anything_but_unreadable(body: object) -> None:
    try:
        events = read_all(body)
    except UnreadableError:
        return
    assert events
    for event in events:
        assert (event.notification is None) != (event.error is None)


@QUICK
@given(body=st.binary(max_size=200))
def test_no_bytes_make_reading_raise_anything_but_unreadable(body: bytes) -> None:
    for raw in (body, b'{"event":' + body + b"}", b"[" + body + b"]"):
        with suppress(UnreadableError):
            assert read_notifications(raw, received_at=RECEIVED_AT)
