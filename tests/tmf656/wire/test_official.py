"""TM Forum's own payloads, read where TMF656_SPEC_DIR says they lie, against what a person expects of each.

They are not part of this repository; without the directory these tests are skipped.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.observation import Kind, Notification, Via
from bridge.domain.status import Status
from bridge.errors import UnreadableError
from bridge.tmf656.wire import detect_version, read_notification, read_problem

SPEC_DIR = os.environ.get("TMF656_SPEC_DIR", "")

pytestmark = pytest.mark.skipif(
    not SPEC_DIR, reason="TMF656_SPEC_DIR is not set: it names the directory with TM Forum's samples"
)

RECEIVED_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
V5, V4, V3 = "examples-v5", "samples-v4", "samples-v3"
TASK_NAMES = ("ProblemAcknowledgement", "ProblemUnacknowledgement", "ProblemGroup", "ProblemUngroup")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spec(folder: str, file: str) -> Any:
    return json.loads((Path(SPEC_DIR) / folder / file).read_bytes())


def notified(envelope: dict[str, Any], hint: str | None = None) -> Notification:
    return read_notification(json.dumps(envelope).encode(), received_at=RECEIVED_AT, event_hint=hint)


# Events: file → (event type, event time, problem), (kind, since when, status), (what is asked by id, why to poll).

PROBLEM_EVENTS = {
    "Create_request.json": (
        ("ServiceProblemCreateEvent", at("2022-08-25T12:22:14.903"), "sp_001"),
        (Kind.FULL, at("2022-08-25T12:22:14.903"), Status.ACKNOWLEDGED),
        ((), None),
    ),
    "StateChange_request.json": (
        ("ServiceProblemStateChangeEvent", at("2022-08-25T12:22:14.913"), "sp_001"),
        (Kind.PARTIAL, at("2022-08-25T12:22:14.913"), Status.RESOLVED),
        ((("sp_001", "partial"),), None),
    ),
    "AttributeValueChange_request.json": (
        ("ServiceProblemAttributeValueChangeEvent", at("2022-08-25T12:22:14.924"), None),
        None,
        ((), "no usable id"),
    ),
    "InformationRequired_request.json": (
        ("ServiceProblemInformationRequiredEvent", at("2022-08-25T12:22:14.935"), "sp_001"),
        None,
        ((("sp_001", "information_required"),), None),
    ),
    "Delete_request.json": (
        ("ServiceProblemDeleteEvent", at("2022-08-25T12:19:28.549"), "sp_001"),
        (Kind.TOMBSTONE, at("2022-08-25T12:19:28.549"), None),
        ((), None),
    ),
}

OF_41_42_43 = (("41", "task"), ("42", "task"), ("43", "task"))
GROUPED = (("43", "task"), ("41", "task"), ("42", "task"))
NONE_NAMED = "task event names no problem"
TASK_EVENTS: dict[str, tuple[tuple[tuple[str, str], ...], str | None]] = {
    "ProblemAcknowledgementCreateEvent": (OF_41_42_43, None),
    "ProblemAcknowledgementStateChangeEvent": ((), NONE_NAMED),
    "ProblemAcknowledgementDeleteEvent": ((), NONE_NAMED),
    "ProblemUnacknowledgementCreateEvent": (OF_41_42_43, None),
    "ProblemUnacknowledgementStateChangeEvent": (OF_41_42_43, None),
    "ProblemUnacknowledgementDeleteEvent": (OF_41_42_43, None),
    "ProblemGroupCreateEvent": (GROUPED, None),
    "ProblemGroupStateChangeEvent": ((), NONE_NAMED),
    "ProblemGroupDeleteEvent": ((), NONE_NAMED),
    "ProblemUngroupCreateEvent": (GROUPED, None),
    "ProblemUngroupStateChangeEvent": ((), NONE_NAMED),
    "ProblemUngroupDeleteEvent": ((), NONE_NAMED),
}

# Answers to GET, POST and PATCH: file → per problem its id, status, priority, affected services and update time.

SP_001 = ("sp_001", Status.ACKNOWLEDGED, 1, 1, None)
PROBLEMS: dict[tuple[str, str], list[tuple[str, Status | None, int | None, int | None, datetime | None]]] = {
    (V5, "ServiceProblem_create_example_response.json"): [SP_001],
    (V5, "ServiceProblem_list_example_response.json"): [
        ("sp_001", Status.CLOSED, 1, 1, None),
        ("sp_002", Status.CLOSED, 1, 1, None),
    ],
    (V5, "ServiceProblem_partialupdate_example_01_response.json"): [SP_001],
    (V5, "ServiceProblem_partialupdate_example_02_response.json"): [SP_001],
    (V5, "ServiceProblem_partialupdate_example_11_response.json"): [("sp_001", Status.ACKNOWLEDGED, 1, 2, None)],
    (V5, "ServiceProblem_partialupdate_example_22_response.json"): [("sp_001", Status.ACKNOWLEDGED, 1, 2, None)],
    (V5, "ServiceProblem_retrieve_example_response.json"): [
        ("problemxxxx0000", Status.RESOLVED, 1, 2, at("2017-10-30T12:13:16.361"))
    ],
    (V4, "ServiceProblem.example.json"): [("problemxxxx0000", Status.RESOLVED, 1, 2, at("2020-12-14T08:20:00.123"))],
    (V3, "ServiceProblem_create_1_response.sample.json"): [("sp_001", None, 1, 1, None)],
    (V3, "ServiceProblem_list_1_response.sample.json"): [
        ("5351", None, None, None, None),
        ("5352", None, None, None, None),
    ],
    (V3, "ServiceProblem_partialupdate_1_response.sample.json"): [("sp_001", None, 1, 1, None)],
    (V3, "ServiceProblem_partialupdate_2_response.sample.json"): [("sp_001", None, 1, 2, None)],
    (V3, "ServiceProblem_retrieve_1_response.sample.json"): [
        ("problemxxxx0000", Status.RESOLVED, 1, 2, at("2017-10-30T12:13:16.361"))
    ],
}

WITHOUT_ID = [
    (V5, "ServiceProblem_create_example_request.json"),
    (V5, "ServiceProblem_partialupdate_example_01_request.json"),
    (V5, "ServiceProblem_partialupdate_example_02_request.json"),
    (V5, "ServiceProblem_partialupdate_example_11_request.json"),
    (V5, "ServiceProblem_partialupdate_example_22_request.json"),
    (V3, "ServiceProblem_create_1_request.sample.json"),
    (V3, "ServiceProblem_partialupdate_1_request.sample.json"),
    (V3, "ServiceProblem_partialupdate_2_request.sample.json"),
]
"""What a client sends; as a notification it says nothing that could be attributed."""

RECORDS = {
    (V5, "ServiceProblemEventRecord_retrieve_example_response.json"),
    (V5, "ServiceProblemEventRecord_list_example_response.json"),
    (V4, "ServiceProblemEventRecord.example.json"),
}
TASK_ANSWERS = {
    (V5, f"{name}_{kind}.json")
    for name in TASK_NAMES
    for kind in (
        "create_example_request",
        "create_example_response",
        "list_example_response",
        "retrieve_example_response",
    )
} | {(V4, "ProblemGroup.example.json"), (V4, "ProblemUngroup.example.json")}
"""Task resources as such: never sent to a listener, never polled."""


def test_every_official_payload_is_accounted_for() -> None:
    lying_there = {(folder, file.name) for folder in (V5, V4, V3) for file in (Path(SPEC_DIR) / folder).glob("*.json")}
    events = {(V5, file) for file in PROBLEM_EVENTS} | {(V5, f"{name}_request.json") for name in TASK_EVENTS}
    assert lying_there == events | set(PROBLEMS) | set(WITHOUT_ID) | RECORDS | TASK_ANSWERS


@pytest.mark.parametrize("file", PROBLEM_EVENTS)
def test_version_5_events_about_problems(file: str) -> None:
    (event_type, event_time, problem_id), observed, asked = PROBLEM_EVENTS[file]
    notification = notified(spec(V5, file))
    assert (notification.event_type, notification.event_time, notification.problem_id) == (
        event_type,
        event_time,
        problem_id,
    )
    assert (notification.refetch, notification.poll_reason) == asked
    seen = notification.observation
    assert (seen and (seen.kind, seen.effective_at, seen.status)) == observed
    assert notification.dedupable


@pytest.mark.parametrize("name", TASK_EVENTS)
def test_version_5_events_about_tasks(name: str) -> None:
    notification = notified(spec(V5, f"{name}_request.json"))
    assert (notification.event_type, notification.problem_id, notification.observation) == (name, None, None)
    assert (notification.refetch, notification.poll_reason) == TASK_EVENTS[name]


@pytest.mark.parametrize("file", PROBLEM_EVENTS)
def test_version_5_events_without_event_type_are_known_by_their_path(file: str) -> None:
    envelope = spec(V5, file)
    name = envelope.pop("eventType")
    notification = notified(envelope, f"{name[0].lower()}{name[1:]}")
    assert (notification.event_type, notification.problem_id) == (name, PROBLEM_EVENTS[file][0][2])


@pytest.mark.parametrize(("folder", "file"), PROBLEMS)
def test_problems_in_answers(folder: str, file: str) -> None:
    answer = spec(folder, file)
    items = answer if isinstance(answer, list) else [answer]
    for item, (problem_id, status, priority, services, updated_at) in zip(items, PROBLEMS[folder, file], strict=True):
        seen = read_problem(item, asked_at=RECEIVED_AT, via=Via.RECONCILE)
        assert (seen.problem_id, seen.kind, seen.status) == (problem_id, Kind.FULL, status)
        assert (seen.priority, seen.affected_services, seen.updated_at) == (priority, services, updated_at)
        assert (seen.effective_at, seen.stamped) == (updated_at or RECEIVED_AT, updated_at is not None)


@pytest.mark.parametrize(
    ("folder", "file", "suffix", "kind", "effective_at"),
    [
        (
            V3,
            "ServiceProblem_retrieve_1_response.sample.json",
            "Notification",
            Kind.FULL,
            at("2017-10-30T12:13:16.361"),
        ),
        (V3, "ServiceProblem_create_1_response.sample.json", "Notification", Kind.PARTIAL, at("2026-11-23T09:59:00")),
        (V4, "ServiceProblem.example.json", "Event", Kind.FULL, at("2020-12-14T08:20:00.123")),
        (V5, "ServiceProblem_retrieve_example_response.json", "Event", Kind.FULL, at("2017-10-30T12:13:16.361")),
        (V5, "ServiceProblem_create_example_response.json", "Event", Kind.FULL, at("2026-11-23T09:59:00")),
    ],
)
def test_samples_in_the_envelopes_of_their_versions(
    folder: str, file: str, suffix: str, kind: Kind, effective_at: datetime
) -> None:
    problem = spec(folder, file)
    for word in ("AttributeValueChange", "Create", "StateChange"):
        notification = notified(
            {
                "eventId": "1",
                "eventTime": "2026-11-23T09:59:00Z",
                "eventType": f"ServiceProblem{word}{suffix}",
                "event": {"serviceProblem": problem},
            }
        )
        seen = notification.observation
        assert seen is not None
        assert notification.event_type == f"ServiceProblem{word}Event"
        assert (notification.problem_id, seen.kind) == (problem["id"], Kind.FULL if word == "Create" else kind)
        only_status_date = word == "StateChange" and "lastUpdate" not in problem and "timeChanged" not in problem
        stated = (
            at(problem["statusChangeDate"].removesuffix("Z"))
            if only_status_date and "statusChangeDate" in problem
            else None
        )
        assert (seen.effective_at, seen.stamped) == (stated or effective_at, True)


@pytest.mark.parametrize(("folder", "file"), WITHOUT_ID)
def test_requests_to_a_server_are_no_notifications(folder: str, file: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        notified(spec(folder, file))
    assert caught.value.reason == "no_problem"
    notification = notified(
        {"eventType": "ServiceProblemAttributeValueChangeEvent", "event": {"serviceProblem": spec(folder, file)}}
    )
    assert (notification.observation, notification.poll_reason) == (None, "no usable id")


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        (V5, "ServiceProblemEventRecord_retrieve_example_response.json"),
        (V5, "ServiceProblemEventRecord_list_example_response.json"),
    ],
)
def test_the_notification_in_an_event_record_is_read(folder: str, file: str) -> None:
    answer = spec(folder, file)
    for record in answer if isinstance(answer, list) else [answer]:
        notification = notified(record["notification"])
        assert (notification.event_type, notification.problem_id, notification.event_id) == (
            "ServiceProblemCreateEvent",
            "sp_001",
            "92775",
        )
        assert notification.event_time == at("2016-08-08T10:45:25")
        assert notification.observation is not None
        assert notification.observation.kind is Kind.FULL


def test_an_alarm_in_an_event_record_is_no_problem() -> None:
    (record,) = spec(V4, "ServiceProblemEventRecord.example.json")
    with pytest.raises(UnreadableError) as caught:
        notified(record["notification"])
    assert caught.value.reason == "no_problem"


@pytest.mark.parametrize(
    ("folder", "file", "version"),
    [
        (V3, "ServiceProblem_retrieve_1_response.sample.json", "3"),
        (V4, "ServiceProblem.example.json", "4"),
        (V5, "ServiceProblem_retrieve_example_response.json", "5"),
        (V5, "ServiceProblem_create_example_response.json", "5"),
    ],
)
def test_the_version_of_a_sample_is_told(folder: str, file: str, version: str) -> None:
    assert detect_version(spec(folder, file)) == version


def test_the_large_samples_of_versions_3_and_5_come_out_in_the_names_of_version_4() -> None:
    known = set(spec(V4, "ServiceProblem.example.json"))
    for folder, file in (
        (V3, "ServiceProblem_retrieve_1_response.sample.json"),
        (V5, "ServiceProblem_retrieve_example_response.json"),
    ):
        body = json.loads(read_problem(spec(folder, file), asked_at=RECEIVED_AT, via=Via.POLL).body)
        assert body.keys() <= known
        assert {"id", "role", "href", "@referredType"} <= body["originatorParty"].keys()
        assert all(
            party.keys() <= {"id", "role", "href", "name", "@type", "@referredType"} for party in body["relatedParty"]
        )
        assert all("id" in place and "place" not in place for place in body["affectedLocation"])
        assert "characteristic" in body["impactPattern"]
        assert body["note"][0]["text"].startswith("receive trouble ticket")
