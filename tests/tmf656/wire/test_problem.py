"""A service problem in the dialects of versions 2 to 5 → one body, one set of columns."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.status import Status
from bridge.domain.vocabulary import SourceVocabulary
from bridge.errors import UnreadableError
from bridge.http.row import rows_of
from bridge.tmf656.wire import (
    DocumentLimits,
    detect_version,
    is_whole,
    listed,
    read_problem,
    stamp,
    withheld,
)
from bridge.tmf656.wire_fingerprint import wire_fingerprint

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=150)

ASKED_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def read(item: object, **more: Any) -> Observation:
    return read_problem(item, asked_at=ASKED_AT, via=Via.POLL, **more)


def digest(item: dict[str, Any], reader: bytes = b"") -> bytes:
    (found,) = listed(rows_of([item]), reader)
    return found


def body_of(item: dict[str, Any]) -> Any:
    return json.loads(read({"id": "1"} | item).body)


def part_of(item: dict[str, Any]) -> Any:
    """Return the one attribute beside the id."""
    (value,) = (value for name, value in body_of(item).items() if name != "id")
    return value


# What each version can say of a problem, and how it says it.

AT = st.integers(1_600_000_000_000, 1_900_000_000_000).map(
    lambda milliseconds: datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
)
WORD = st.text("abcXYZ 0-9é\U0001f600", min_size=1, max_size=8)
REF = st.fixed_dictionaries({"id": WORD}, optional={"href": WORD, "name": WORD})
RELATED = st.fixed_dictionaries({"id": WORD, "role": WORD}, optional={"href": WORD, "name": WORD})
NOTE = st.fixed_dictionaries({"text": WORD}, optional={"author": WORD, "date": AT, "system": WORD})
CHARACTERISTIC = st.fixed_dictionaries({"name": WORD, "value": WORD})
RECORD = st.fixed_dictionaries(
    {"description": WORD},
    optional={
        "id": WORD,
        "systemId": WORD,
        "time": AT,
        "user": WORD,
        "characteristic": st.lists(CHARACTERISTIC, max_size=2),
    },
)
PATTERN = st.fixed_dictionaries(
    {"description": WORD}, optional={"characteristic": st.lists(CHARACTERISTIC, max_size=2)}
)

IN_ALL: dict[str, st.SearchStrategy[Any]] = {
    "href": WORD,
    "description": WORD,
    "category": WORD,
    "priority": st.integers(1, 10),
    "reason": WORD,
    "originatingSystem": WORD,
    "status": st.sampled_from([status.value for status in Status if status is not Status.UNKNOWN]),
    "statusChangeDate": AT,
    "statusChangeReason": WORD,
    "resolutionDate": AT,
    "creationDate": AT,
    "lastUpdate": AT,
    "affectedNumberOfServices": st.integers(0, 9),
    "externalIdentifier": WORD.map(lambda text: [{"id": text, "externalIdentifierType": "correlationId"}]),
    "impactPattern": PATTERN,
    "relatedParty": st.lists(RELATED, max_size=2),
    "affectedLocation": st.lists(RELATED, max_size=2),
    "parentProblem": st.lists(REF, max_size=2),
    "relatedEntity": st.lists(REF, max_size=2),
    "firstAlert": REF,
    "note": st.lists(NOTE, max_size=2),
    "characteristic": st.lists(CHARACTERISTIC, max_size=2),
    "trackingRecord": st.lists(RECORD, max_size=2),
    "vendorWord": WORD | st.integers(-(2**63), 2**64 - 1) | st.lists(WORD),
}
SINCE_3 = {
    "originatorParty": RELATED,
    "responsibleParty": RELATED,
    "affectedService": st.lists(REF, max_size=2),
    "rootCauseResource": st.lists(REF, max_size=2),
    "troubleTicket": st.lists(REF, max_size=2),
    "slaViolation": st.lists(REF, max_size=2),
}
SINCE_4 = {"name": WORD}
OLD_NAMES = {
    "creationDate": "timeRaised",
    "lastUpdate": "timeChanged",
    "note": "comment",
    "characteristic": "extensionInfo",
    "troubleTicket": "associatedTroubleTicket",
    "slaViolation": "associatedSLAViolation",
    "relatedEntity": "relatedObject",
    "impactPattern": "impactPatterns",
}


def problems(*attributes: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for some in attributes:
        optional |= some
    return st.fixed_dictionaries({"id": WORD.filter(str.strip)}, optional=optional)


def as_v3(problem: dict[str, Any]) -> dict[str, Any]:
    said = {OLD_NAMES.get(name, name): value for name, value in problem.items()}
    if "externalIdentifier" in said:
        said["correlationId"] = said.pop("externalIdentifier")[0]["id"]
    for part in [*said.get("trackingRecord", []), said.get("impactPatterns", {})]:
        if "characteristic" in part:
            part["extensionInfo"] = part.pop("characteristic")
    return said


def as_v2(problem: dict[str, Any]) -> dict[str, Any]:
    said = as_v3(problem)
    if "affectedNumberOfServices" in said:
        said["affectingServiceNumber"] = said.pop("affectedNumberOfServices")
    old = {"text": "comment", "system": "systemId", "date": "time", "author": "user"}
    if "comment" in said:
        said["comment"] = [{old[name]: value for name, value in note.items()} for note in said["comment"]]
    return said


def as_v5(problem: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = typed(problem, "ServiceProblem")
    for attribute in ("originatorParty", "responsibleParty", "relatedParty"):
        nest(said, attribute, "partyOrPartyRole")
    nest(said, "affectedLocation", "place")
    for attribute in ("relatedEntity", "firstAlert"):
        nest(said, attribute, "entity")
    return said


def typed(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [typed(part, name) for part in value]
    if not isinstance(value, dict):
        return value
    return {"@type": name} | {attribute: typed(part, attribute) for attribute, part in value.items()}


def nest(said: dict[str, Any], attribute: str, within: str) -> None:
    def one(part: dict[str, Any]) -> dict[str, Any]:
        inner = {name: value for name, value in part.items() if name != "role"}
        around = {"role": part["role"]} if "role" in part else {}
        return {"@type": "Related", **around, within: inner}

    if attribute in said:
        value = said[attribute]
        said[attribute] = [one(part) for part in value] if isinstance(value, list) else one(value)


def untyped(value: Any) -> Any:
    if isinstance(value, list):
        return [untyped(part) for part in value]
    if isinstance(value, dict):
        return {name: untyped(part) for name, part in value.items() if not name.startswith("@")}
    return value


DIALECTS = {
    "2": (problems(IN_ALL), as_v2),
    "3": (problems(IN_ALL, SINCE_3), as_v3),
    "4": (problems(IN_ALL, SINCE_3, SINCE_4), lambda problem: problem),
    "5": (problems(IN_ALL, SINCE_3, SINCE_4), as_v5),
}


@pytest.mark.parametrize("version", DIALECTS)
@QUICK
@given(data=st.data())
def test_one_problem_in_any_dialect_has_one_body_and_the_same_columns(version: str, data: st.DataObject) -> None:
    strategy, encode = DIALECTS[version]
    problem = data.draw(strategy)
    said = json.dumps(encode(json.loads(json.dumps(problem))))
    seen = read(json.loads(said))
    assert untyped(json.loads(seen.body)) == problem
    expected = read(problem)
    for column in set(Observation.__struct_fields__) - {"body", "content_hash"}:
        assert getattr(seen, column) == getattr(expected, column)
    if version != "5":
        assert (seen.body, seen.content_hash) == (expected.body, expected.content_hash)


@QUICK
@given(problem=problems(IN_ALL, SINCE_3, SINCE_4))
def test_a_body_read_again_stays_as_it_is(problem: dict[str, Any]) -> None:
    once = read(as_v5(problem))
    again = read(json.loads(once.body))
    assert again.body == once.body


# Single rules.


def test_the_columns_of_a_problem_are_read() -> None:
    seen = read(
        {
            "id": "P1",
            "status": "In Progress - Held",
            "statusChangeDate": "2026-11-22T09:00:00Z",
            "category": "supplier.originated",
            "priority": "2",
            "creationDate": "2026-11-21T09:00:00+01:00",
            "lastUpdate": "2026-11-22T09:30:00Z",
            "resolutionDate": "never",
            "affectedNumberOfServices": "17",
        }
    )
    assert (seen.problem_id, seen.kind, seen.via, seen.observed_at) == ("P1", Kind.FULL, Via.POLL, ASKED_AT)
    assert (seen.status, seen.status_raw) == (Status.HELD, "In Progress - Held")
    assert seen.status_at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert (seen.category, seen.priority, seen.affected_services) == ("supplier.originated", 2, 17)
    assert seen.created_at == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert seen.updated_at == seen.effective_at == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    assert (seen.stamped, seen.resolved_at, seen.event_type) == (True, None, None)
    assert json.loads(seen.body)["priority"] == "2"


def test_a_problem_without_update_time_holds_since_it_was_asked_for() -> None:
    seen = read({"id": "1", "statusChangeDate": "2026-11-22T09:00:00Z"})
    assert (seen.effective_at, seen.stamped) == (ASKED_AT, False)


def test_a_problem_without_status_has_none() -> None:
    assert read({"id": "1"}).status is None
    assert read({"id": "1", "status": None}).status is None


@pytest.mark.parametrize(("status", "raw"), [({"code": 3}, '{"code":3}'), (7, "7"), (["held", "or"], '["held","or"]')])
def test_a_status_that_is_no_text_is_kept_as_its_json(status: object, raw: str) -> None:
    seen = read({"id": "1", "status": status})
    assert (seen.status, seen.status_raw) == (Status.UNKNOWN, raw)


@pytest.mark.parametrize(
    ("priority", "read_as"),
    [
        (1, 1),
        ("1", 1),
        (1.0, 1),
        ("1.5", None),
        ("of sorts", None),
        (True, None),
        (2**31, None),
        (None, None),
        ([1], None),
    ],
)
def test_a_priority_is_a_whole_number_that_fits(priority: object, read_as: int | None) -> None:
    assert read({"id": "1", "priority": priority}).priority == read_as


def test_c1_names_of_several_words_are_read_with_low_lines_and_other_such_names_stay() -> None:
    seen = read({"id": "1", "last_update": "2026-03-02T10:00:00Z", "time_raised": "2026-03-01T10:00:00Z", "x_own": 1})
    assert (seen.updated_at, seen.created_at) == (
        datetime(2026, 3, 2, 10, tzinfo=UTC),
        datetime(2026, 3, 1, 10, tzinfo=UTC),
    )
    assert json.loads(seen.body)["x_own"] == 1


def test_affected_services_are_counted_when_no_number_is_given() -> None:
    assert read({"id": "1", "affectedService": [{"id": "a"}, {"id": "b"}]}).affected_services == 2
    assert read({"id": "1", "affectedService": [{"id": "a"}], "affectingServiceNumber": 5}).affected_services == 5
    assert read({"id": "1"}).affected_services is None


@pytest.mark.parametrize(("problem_id", "text"), [("P 1", "P 1"), (42, "42"), (-7, "-7"), ("x" * 512, "x" * 512)])
def test_texts_and_integers_are_ids(problem_id: object, text: str) -> None:
    assert read({"id": problem_id}).problem_id == text


@pytest.mark.parametrize("absent", [{}, {"id": None}, {"id": ""}])
def test_a_row_that_has_only_an_address_is_named_by_it_as_an_event_is(absent: dict[str, Any]) -> None:
    """The defect: what was pushed was stored, and the row of the list a dead letter at every pass."""
    seen = read({**absent, "href": "https://h/serviceProblem/a%2F1", "status": "held"})
    assert seen.problem_id == "a/1"
    assert json.loads(seen.body)["id"] == "a/1"
    with pytest.raises(UnreadableError):
        read({**absent, "href": "https://h/serviceProblem/"})


@pytest.mark.parametrize("problem_id", ["  ", True, 1.5, ["1"], {"id": "1"}, "x" * 513])
def test_a_row_without_a_usable_id_is_refused(problem_id: object) -> None:
    with pytest.raises(UnreadableError) as caught:
        read({"id": problem_id, "href": "/serviceProblem/1"})
    assert caught.value.reason == "no_id"


@pytest.mark.parametrize("item", [None, 1, "x", [], [{"id": "1"}, {"id": "2"}], [[{"id": "1"}]]])
def test_a_row_that_is_no_object_is_refused(item: object) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(item)
    assert caught.value.reason == "not_object"


def test_a_list_of_one_problem_is_the_problem() -> None:
    assert read([{"id": "1"}]) == read({"id": "1"})


def test_nul_in_a_row_is_replaced_so_that_the_problem_arrives() -> None:
    seen = read({"id": "a\0", "description": "x\0\0y\\u0000", "v\0": ["\0"], "status": "held\0"})
    assert seen.problem_id == "a\ufffd"
    assert json.loads(seen.body) == {
        "id": "a\ufffd",
        "description": "x\ufffd\ufffdy\\u0000",
        "v\ufffd": ["\ufffd"],
        "status": "held\ufffd",
    }


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (nested(64), "too_deep"),
        (nested(300), "unrepresentable"),
        (nested(5000), "unrepresentable"),
        ("\ud800", "unrepresentable"),
    ],
)
def test_a_row_that_cannot_be_kept_is_refused_and_named(value: object, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read({"id": "P1", "vendor": value})
    assert (caught.value.reason, caught.value.problem_id) == (reason, "P1")


def test_limits_of_rows_can_be_set() -> None:
    with pytest.raises(UnreadableError) as caught:
        read({"id": "P1", "description": "x" * 11}, limits=DocumentLimits(string_characters=10))
    assert caught.value.reason == "too_long"


def test_the_newer_name_wins_and_the_older_one_fills_in_for_null() -> None:
    assert body_of({"note": [], "comment": [{"text": "x"}]}) == {"id": "1", "note": []}
    assert body_of({"note": None, "comment": [{"comment": "x"}]}) == {"id": "1", "note": [{"text": "x"}]}
    assert body_of({"externalIdentifier": [{"id": "a"}], "correlationId": "b"}) == {
        "id": "1",
        "externalIdentifier": [{"id": "a"}],
    }
    assert body_of({"comment": None, "correlationId": None}) == {"id": "1", "note": None, "externalIdentifier": None}


def test_an_author_that_is_an_object_stays_readable() -> None:
    author = {"id": "ops-1", "@referredType": "Individual"}
    assert part_of({"comment": [{"author": author, "systemId": "S", "text": "t"}]}) == [
        {"author": author, "system": "S", "text": "t"}
    ]


def test_what_was_nested_is_flat_and_its_type_names_win() -> None:
    party = {
        "role": "Buyer",
        "@type": "Around",
        "partyOrPartyRole": {"id": "p", "@type": "PartyRef", "referredType": "Org"},
    }
    assert part_of({"originatorParty": party}) == {
        "id": "p",
        "role": "Buyer",
        "@type": "PartyRef",
        "@referredType": "Org",
    }


def test_references_get_the_at_sign_that_a_sample_forgot() -> None:
    assert part_of({"troubleTicket": [{"id": "t", "referredType": "Ticket"}]}) == [
        {"id": "t", "@referredType": "Ticket"}
    ]
    assert part_of({"relatedParty": {"id": "p", "referredType": "Org"}}) == {"id": "p", "@referredType": "Org"}


@pytest.mark.parametrize(
    "unexpected",
    [
        {"originatorParty": "North"},
        {"originatorParty": {"id": "a", "partyOrPartyRole": {"id": "b"}}},
        {"originatorParty": {"id": "a", "partyOrPartyRole": "b"}},
        {"relatedParty": "North"},
        {"relatedParty": ["North", None, 7, [{"id": "x"}]]},
        {"affectedLocation": [{"place": [1]}]},
        {"note": "one text"},
        {"trackingRecord": 5},
        {"impactPattern": [1]},
        {"correlationId": {"id": "a"}},
        {"correlationId": ["a"]},
        {"u_vendor": {"timeRaised": "x", "comment": [1]}},
        {"status": {"status": "held"}},
        {"lastUpdate": "yesterday"},
    ],
)
def test_unexpected_shapes_and_vendor_attributes_are_kept_as_sent(unexpected: dict[str, Any]) -> None:
    assert body_of(unexpected) == {"id": "1"} | unexpected


def test_an_older_name_with_an_unexpected_shape_gets_the_newer_name() -> None:
    assert part_of({"comment": "one text"}) == "one text"
    assert "note" in body_of({"comment": "one text"})


def test_reading_leaves_the_row_as_it_was() -> None:
    row = as_v2(
        {"id": "1", "note": [{"text": "t"}], "impactPattern": {"characteristic": []}, "relatedParty": [{"id": "p"}]}
    )
    before = json.dumps(row)
    read(row)
    assert json.dumps(row) == before


def test_equal_content_has_equal_hashes_whatever_the_order_of_keys() -> None:
    assert read({"id": "1", "reason": "x"}).content_hash == read({"reason": "x", "id": "1"}).content_hash
    assert read({"id": "1", "reason": "x"}).content_hash != read({"id": "1", "reason": "y"}).content_hash


@pytest.mark.parametrize(
    ("item", "at"),
    [
        ({"lastUpdate": "2026-11-23T10:00:00Z"}, ASKED_AT),
        ({"timeChanged": "2026-11-23T10:00:00Z"}, ASKED_AT),
        ({"lastUpdate": None, "timeChanged": 1795428000}, ASKED_AT),
        ({"lastUpdate": "2026-11-23T10:00:00Z", "timeChanged": "2020-01-01"}, ASKED_AT),
        ({"lastUpdate": "soon", "timeChanged": "2020-01-01"}, None),
        ({"statusChangeDate": "2026-11-23T10:00:00Z"}, None),
        ({}, None),
    ],
)
def test_the_stamp_is_the_update_time_and_agrees_with_the_observation(
    item: dict[str, Any], at: datetime | None
) -> None:
    assert stamp(*rows_of([item])) == at == read({"id": "1"} | item).updated_at


@pytest.mark.parametrize(
    ("item", "version"),
    [
        ({"affectingServiceNumber": 1}, "2"),
        ({"comment": [{"comment": "x", "user": "u"}]}, "2"),
        ({"timeRaised": "2026-11-23"}, "3"),
        ({"comment": [{"author": "a", "text": "x"}]}, "3"),
        ({"associatedTroubleTicket": []}, "3"),
        ({"lastUpdate": "2026-11-23", "originatorParty": {"id": "p", "role": "r"}}, "4"),
        ({"@type": "ServiceProblem", "note": [{"text": "x"}]}, "4"),
        ({"@type": "ServiceProblem", "note": [{"@type": "Note", "text": "x"}]}, "5"),
        ({"timeRaised": "2026-11-23", "originatorParty": {"partyOrPartyRole": {"id": "p"}}}, "5"),
        ({"relatedEntity": [{"entity": {"id": "p"}}]}, "5"),
        ({"id": "1", "status": "held", "priority": 1}, None),
        ({}, None),
    ],
)
def test_the_version_is_told_by_attributes(item: dict[str, Any], version: str | None) -> None:
    assert detect_version(item) == version


@QUICK
@given(
    item=st.dictionaries(
        st.sampled_from([*IN_ALL, *SINCE_3, *OLD_NAMES.values(), "correlationId"]),
        st.recursive(
            st.none() | st.integers() | st.text("a\0"),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["id", "comment", "extensionInfo", "partyOrPartyRole", "place", "entity"]), inner
                )
            ),
            max_leaves=10,
        ),
    )
)
def test_any_row_is_read_or_refused_with_the_named_error(item: dict[str, Any]) -> None:
    detect_version(item)
    stamp(*rows_of([item]))
    try:
        seen = read({"id": "1"} | item)
    except UnreadableError as error:
        assert error.reason == "unrepresentable"  # noqa: PT017 -- others are read
    else:
        assert json.loads(seen.body)["id"] == "1"
        assert b"\\u0000" not in seen.body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, width=32) | WORD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORD, inner, max_size=2),
    max_leaves=4,
)
ROWS = st.dictionaries(WORD, JSON, max_size=3).map(lambda more: {"id": "1"} | more)


@QUICK
@given(ROWS, ROWS)
def test_rows_with_one_digest_are_read_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for item in (json.loads(json.dumps(one)), other):
        if digest(item) == digest(one):
            assert read(item) == read(one)
    assert digest(one) != digest(one | {"status": "held"})


def test_no_other_id_has_the_same_digest() -> None:
    assert len({digest({"id": each}) for each in ("1", 1, "2")}) == 3


def test_another_reader_has_other_digests() -> None:
    assert len({digest({"id": "1"}, each) for each in (b"", b"one", wire_fingerprint())}) == 3


def test_a_row_in_another_order_is_another_row_and_is_read_the_same() -> None:
    one = {"id": "1", "status": "held", "note": [{"text": "a", "author": "b"}]}
    other = {"note": [{"author": "b", "text": "a"}], "status": "held", "id": "1"}
    assert digest(other) != digest(one)
    assert read(other) == read(one)


# C1: rows of a list that are summaries.

WHOLE = {
    "id": "1",
    "description": "x",
    "category": "c",
    "priority": 1,
    "reason": "r",
    "status": "held",
    "lastUpdate": "2026-11-23T09:00:00Z",
}


@pytest.mark.parametrize("missing", ["description", "category", "priority", "reason", "status"])
def test_c1_a_row_that_lacks_what_every_problem_has_may_be_a_summary(missing: str) -> None:
    row = {name: value for name, value in WHOLE.items() if name != missing} | {"href": "/serviceProblem/1"}
    assert is_whole(WHOLE)
    assert not is_whole(row)
    seen = read(row, summary=True)
    assert (seen.kind, seen.problem_id) == (Kind.PARTIAL, "1")
    assert json.loads(seen.body) == {name: value for name, value in row.items() if name not in ("id", "href")}
    assert read(row).kind is read(WHOLE, summary=True).kind is Kind.FULL


def test_c1_what_get_by_id_adds_shows_that_a_row_is_a_summary() -> None:
    row = {"id": "1", "status": "held", "timeChanged": "2026-11-23T09:00:00Z"}
    assert withheld(row, WHOLE) == {"description", "category", "priority", "reason"}
    assert (
        withheld(WHOLE, WHOLE | {"note": [], "reason": "", "@type": "ServiceProblem", "resolutionDate": None}) == set()
    )
    assert withheld(WHOLE, WHOLE | {"comment": [{"text": "x"}]}) == {"note"}


# A2, C7: times of rows.


@pytest.mark.parametrize(
    "none", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "1900-01-01T00:00:00", "1970-01-01T00:00:00Z", 0]
)
def test_a2_a_stamp_that_stands_for_none_is_none(none: object) -> None:
    seen = read(WHOLE | {"lastUpdate": none})
    assert (seen.effective_at, seen.stamped, seen.updated_at) == (ASKED_AT, False, None)
    assert stamp(rows_of([{"lastUpdate": none}])[0]) is None


def test_a2_a_stamp_from_the_far_future_orders_nothing() -> None:
    seen = read(WHOLE | {"lastUpdate": "2099-01-01T00:00:00Z"})
    assert (seen.effective_at, seen.stamped) == (ASKED_AT, False)
    assert read(WHOLE | {"lastUpdate": "2026-11-24T09:00:00Z"}).stamped


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ([2026, 3, 2, 10, 0, 0], "2026-03-02T10:00:00Z"),
        ({"$date": 1772445600123}, "2026-03-02T10:00:00.123Z"),
        ("2026-03-02T11:00:00.000001+01:00[Europe/Paris]", "2026-03-02T10:00:00.000001Z"),
        (1772445600, "2026-03-02T10:00:00Z"),
        ("Mon, 02 Mar 2026 10:00:00 GMT", "2026-03-02T10:00:00Z"),
        ("2026-03-02 10:00:00", "2026-03-02 10:00:00"),
        ("2026-03-02T10:00:00.123456789+00:00", "2026-03-02T10:00:00.123456789+00:00"),
        ("02/03/2026", "02/03/2026"),
        ("9999-12-31", "9999-12-31"),
        (0, 0),
        (None, None),
    ],
)
def test_c7_a_body_holds_odd_times_as_text_that_reports_read(written: object, kept: object) -> None:
    body = body_of(
        {"lastUpdate": written, "note": [{"date": written, "text": "x"}], "trackingRecord": {"time": written}}
    )
    assert body["lastUpdate"] == body["note"][0]["date"] == body["trackingRecord"]["time"] == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1 - Critical", 1), ("P2", 2), ("1", "1"), (1.0, 1.0), ("of sorts", "of sorts"), ("eilig", 2)],
)
def test_c8_a_body_holds_a_priority_in_words_as_its_number(written: object, kept: object) -> None:
    words = SourceVocabulary({"dauert": "pending"}, {"eilig": 2})
    seen = read({"id": "1", "priority": written, "status": "Dauert"}, vocabulary=words)
    assert json.loads(seen.body)["priority"] == kept
    assert (seen.status, seen.status_raw, seen.vocabulary) == (Status.PENDING, "Dauert", words)
