"""Bytes: what is no JSON object that Postgres can keep is refused with one named error, and everything else is read."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Kind, Notification
from bridge.errors import UnreadableError
from bridge.tmf656.wire import DocumentLimits, read_notification

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=300)

RECEIVED_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def read(raw: bytes, limits: DocumentLimits | None = None) -> Notification:
    return read_notification(raw, received_at=RECEIVED_AT, limits=limits or DocumentLimits())


def refusal(raw: bytes, limits: DocumentLimits | None = None) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        read(raw, limits)
    return caught.value


def state_change(text: bytes) -> bytes:
    return b'{"eventType":"ServiceProblemStateChangeEvent","event":{"serviceProblem":{"id":"P7","reason":%s}}}' % text


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"   ", "not_json"),
        (b"{", "not_json"),
        (b'{"event":{}}{', "not_json"),
        (b"<event/>", "not_json"),
        (b'{"id":"a\x00b"}', "not_json"),
        (b"null", "not_object"),
        (b"17", "not_object"),
        (b'"text"', "not_object"),
        (b"[]", "not_object"),
        (b"[1, null]", "not_object"),
        (b'["\\ud800"]', "not_object"),
        (state_change(b'"\xff"'), "not_utf8"),
        (state_change('"é"'.encode("latin-1")), "not_utf8"),
        (state_change(b'"\xed\xa0\x80"'), "not_utf8"),
        (state_change(b'"x"').decode().encode("utf-16"), "not_utf8"),
        (state_change(b'"x"').decode().encode("utf-16-le"), "not_json"),
    ],
)
def test_what_is_no_json_object_is_malformed(raw: bytes, reason: str) -> None:
    error = refusal(raw)
    assert (error.reason, error.malformed) == (reason, True)
    assert error.hint


@pytest.mark.parametrize("text", [b"NaN", b"-Infinity", b"1e400", b"9" * 5000, b'"\\ud800"', b'"\\udc00x"'])
def test_values_that_cannot_be_kept_still_name_their_problem(text: bytes) -> None:
    error = refusal(state_change(text))
    assert (error.reason, error.problem_id, error.malformed) == ("unrepresentable", "P7", False)


@pytest.mark.parametrize(
    "text", [b'"a\\u0000b"', b'"\\u0000"', b'"\\\\\\u0000"', b'{"\\u0000":1}', b'["x","\\n\\u0000"]']
)
def test_nul_is_refused_and_its_problem_named(text: bytes) -> None:
    error = refusal(state_change(text))
    assert (error.reason, error.problem_id, error.malformed) == ("nul", "P7", False)


@pytest.mark.parametrize("text", [b'"\\\\u0000"', b'"\\\\\\\\u0000"', b'"u0000"', b'"\\u0001"'])
def test_text_that_only_looks_like_nul_is_read(text: bytes) -> None:
    assert read(state_change(text)).problem_id == "P7"


@pytest.mark.parametrize("problem_id", [b'"\\u0000"', b'"a\\ud800"'])
def test_an_id_that_cannot_be_kept_is_not_named(problem_id: bytes) -> None:
    error = refusal(b'{"eventType":"ServiceProblemDeleteEvent","event":{"serviceProblem":{"id":%s}}}' % problem_id)
    assert error.problem_id is None


@pytest.mark.parametrize(("openers", "closers"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded_at_any_depth(openers: bytes, closers: bytes) -> None:
    for depth in (65, 200, 1000, 5000, 100_000):
        text = openers * depth + b"1" + closers * depth
        assert refusal(state_change(text)).reason == "too_deep"
    assert read(state_change(openers * 61 + b"1" + closers * 61)).problem_id == "P7"
    assert refusal(state_change(openers * 62 + b"1" + closers * 62)).problem_id == "P7"


def test_many_shallow_containers_are_no_depth() -> None:
    assert read(state_change(b"[" + b",".join([b"{}"] * 1000) + b"]")).problem_id == "P7"


def test_long_texts_and_names_are_refused() -> None:
    limits = DocumentLimits(string_characters=100)
    assert read(state_change(b'"%s"' % (b"x" * 100)), limits).problem_id == "P7"
    for text in (b'"%s"' % (b"x" * 101), b'{"%s":1}' % (b"x" * 101)):
        error = refusal(state_change(text), limits)
        assert (error.reason, error.problem_id) == ("too_long", "P7")


def test_too_many_attributes_are_refused() -> None:
    many = b"{%s}" % b",".join(b'"a%d":":"' % number for number in range(100))
    assert read(state_change(many), DocumentLimits(members=105)).problem_id == "P7"
    assert refusal(state_change(many), DocumentLimits(members=100)).reason == "too_many"


def test_a_byte_order_mark_is_tolerated() -> None:
    assert read(b"\xef\xbb\xbf" + state_change(b'"x"')) == read(state_change(b'"x"'))


def test_of_equal_keys_the_last_wins() -> None:
    assert (
        read(b'{"eventType":"x","eventType":"ServiceProblemDeleteEvent","event":{"id":"1","id":"P2"}}').problem_id
        == "P2"
    )


def test_order_of_keys_and_blanks_do_not_change_the_digest() -> None:
    one = read(b'{"eventId":"e","event":{"serviceProblem":{"id":"1","status":"held"}}}')
    other = read(b'{ "event": {"serviceProblem": {"status": "held",\n "id": "1"}}, "eventId": "e"}')
    assert one == other
    assert len(one.digest) == 16
    assert one.digest != read(b'{"eventId":"f","event":{"serviceProblem":{"id":"1","status":"held"}}}').digest


EVENT_TYPES = [
    "ServiceProblemCreateEvent",
    "ServiceProblemStateChangeEvent",
    "ServiceProblemDeleteEvent",
    "ServiceProblemInformationRequiredEvent",
    "ProblemGroupCreateEvent",
    "problemAcknowledgementDeleteEvent",
]
ATTRIBUTES = [
    *("id", "href", "@type", "status", "description", "category", "priority", "reason", "lastUpdate", "timeChanged"),
    *("comment", "note", "extensionInfo", "correlationId", "externalIdentifier", "impactPatterns"),
    *("originatorParty", "partyOrPartyRole", "place"),
]
ODD_TEXTS = ["\0", "\ud800", "2026-11-23T10:00:00Z", "1e999", "held", "/serviceProblem/7", "/x/%00", "//[/", "/%ff"]

texts = st.text(max_size=5) | st.sampled_from(ODD_TEXTS)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
names = texts | st.sampled_from(ATTRIBUTES)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=25
)
event_types = anything | st.sampled_from(EVENT_TYPES)
problems = anything | st.dictionaries(names, anything, max_size=6)
events = anything | st.fixed_dictionaries(
    {},
    optional={
        "serviceProblem": problems,
        "ServiceProblem": problems,
        "problemGroup": anything | st.fixed_dictionaries({"childProblem": anything, "parentProblem": problems}),
        "informationRequired": anything,
        "id": leaves,
    },
)
envelopes = anything | st.fixed_dictionaries(
    {"event": events},
    optional={"eventType": event_types, "eventTime": leaves, "eventId": leaves, "serviceProblem": problems},
)


def holds_together(notification: Notification) -> bool:
    """Every notification leads to something, and everything in it can be stored."""
    json.loads(notification.body)
    seen = notification.observation
    if seen is None:
        return bool(notification.refetch or notification.poll_reason)
    body = json.loads(seen.body)
    return (
        isinstance(body, dict)
        and seen.problem_id == notification.problem_id
        and seen.effective_at.tzinfo is UTC
        and len(seen.content_hash) == 16
        and (seen.kind is not Kind.TOMBSTONE or seen.body == b"{}")
        and (seen.kind is not Kind.PARTIAL or not {"id", "href"} & body.keys())
        and "\0" not in seen.problem_id
        and (seen.stamped or seen.effective_at == RECEIVED_AT)
    )


@QUICK
@given(envelope=envelopes)
def test_any_json_becomes_a_notification_or_the_named_error(envelope: Any) -> None:
    raw = json.dumps(envelope).encode()
    try:
        notification = read(raw)
    except UnreadableError as error:
        assert error.reason  # noqa: PT017 -- whatever it is, it names its reason
    else:
        assert holds_together(notification)
        assert b"\\u0000" not in notification.body.replace(b"\\\\", b"")


@QUICK
@given(raw=st.binary(max_size=60) | st.text('{}[]":,\\u0e1-+. nultrefaseidvNI', max_size=60).map(str.encode))
def test_any_bytes_become_a_notification_or_the_named_error(raw: bytes) -> None:
    try:
        assert holds_together(read(raw))
    except UnreadableError as error:
        assert error.reason  # noqa: PT017 -- whatever it is, it names its reason


@QUICK
@given(data=st.data())
def test_a_damaged_event_becomes_a_notification_or_the_named_error(data: st.DataObject) -> None:
    raw = bytearray(state_change(b'{"note":["\\u00e9\\ud83d\\ude00"]}'))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert holds_together(read(bytes(raw)))
    except UnreadableError as error:
        assert error.reason  # noqa: PT017 -- whatever it is, it names its reason
