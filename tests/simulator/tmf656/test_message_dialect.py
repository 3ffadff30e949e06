"""Events and errors have the names, fields and types of their version."""

import pytest

from bridge.simulator.tmf656 import dialect
from bridge.simulator.tmf656.message_dialect import EventKind, encode_error, encode_event, event_type

PROBLEM = {
    "id": "7",
    "href": "https://a.example/serviceProblem/7",
    "priority": 2,
    "note": [{"id": "1", "text": "on site"}],
}


@pytest.mark.parametrize(
    ("version", "create", "state", "attribute"),
    [
        ("2", "CreationNotification", "StatusChangeNotification", "ChangeNotification"),
        ("3", "CreateNotification", "StateChangeNotification", "AttributeValueChangeNotification"),
        ("r18.5", "CreateNotification", "StateChangeNotification", "AttributeValueChangeNotification"),
        ("4", "CreateEvent", "StateChangeEvent", "AttributeValueChangeEvent"),
        ("5", "CreateEvent", "StateChangeEvent", "AttributeValueChangeEvent"),
    ],
)
def test_events_have_the_names_of_their_version(version: str, create: str, state: str, attribute: str) -> None:
    kinds = (EventKind.CREATE, EventKind.STATE_CHANGE, EventKind.ATTRIBUTE_VALUE_CHANGE)
    expected = [f"ServiceProblem{name}" for name in (create, state, attribute)]
    assert [event_type(kind, version) for kind in kinds] == expected


def test_the_envelope_has_the_fields_of_its_version() -> None:
    def envelope(version: str, **more: str) -> dict:
        kind = EventKind.ATTRIBUTE_VALUE_CHANGE
        return encode_event(kind, PROBLEM, version, event_id="e", event_time="t", field_path="note", **more)

    assert set(envelope("2")) == {"eventId", "eventTime", "eventType", "event"}
    assert envelope("3")["fieldPath"] == "serviceProblem.comment"
    assert envelope("r18.5")["resourcePath"].endswith("/v4/serviceProblem/7")
    assert envelope("4")["timeOcurred"] == "t"
    assert envelope("5")["timeOccurred"] == "t"
    assert envelope("5")["@type"] == "ServiceProblemAttributeValueChangeEvent"


def test_an_event_without_id_and_time_has_neither() -> None:
    for version in dialect.VERSIONS:
        envelope = encode_event(EventKind.CREATE, PROBLEM, version, event_id=None, event_time=None)
        assert not {"eventId", "eventTime", "timeOcurred", "timeOccurred"} & envelope.keys()


def test_v5_asks_for_information_with_a_reference_and_json_patches() -> None:
    event = encode_event(
        EventKind.INFORMATION_REQUIRED, PROBLEM, "5", event_id="e", event_time="t", field_path="priority"
    )["event"]
    assert event["informationRequired"] == [{"op": "add", "path": "priority"}]
    assert event["serviceProblem"] == {"id": "7", "href": PROBLEM["href"], "@type": "ServiceProblemRef"}


@pytest.mark.parametrize(
    ("version", "code", "reason"),
    [("2", 404, 404), ("3", 404, "Not found"), ("4", "404", "Not found"), ("5", "404", "Not found")],
)
def test_errors_have_the_types_of_their_version(version: str, code: object, reason: object) -> None:
    error = encode_error(404, "gone", version)
    assert (error["code"], error["status"], error["reason"], error["message"]) == (code, code, reason, "gone")
    assert ("@type" in error) == (version == "5")
