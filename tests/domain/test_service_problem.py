"""The typed columns of a problem, and what could not be read of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.domain.service_problem import ID_CHARACTERS, Unmapped, columns_of, id_in, usable_id
from bridge.domain.status import Status
from bridge.domain.timestamp import Precision
from bridge.domain.vocabulary import SourceVocabulary


@pytest.mark.parametrize("name", ["lastUpdate", "creationDate", "statusChangeDate", "resolutionDate"])
def test_c7_a_time_that_cannot_be_read_is_named_with_an_example(name: str) -> None:
    columns = columns_of({name: "02/03/2026 10:00"})
    assert columns.unmapped == (Unmapped(name, "02/03/2026 10:00"),)
    assert columns_of({name: {"at": "x" * 500}}).unmapped[0].example.startswith('{"at":"xxx')
    assert len(columns_of({name: "x" * 500}).unmapped[0].example) == 80


@pytest.mark.parametrize("none", [None, "", "N/A", "0001-01-01T00:00:00Z", "9999-12-31", 0, "1970-01-01T00:00:00Z"])
def test_a2_e8_what_stands_for_no_time_is_none_and_not_unmapped(none: Any) -> None:
    columns = columns_of(dict.fromkeys(("lastUpdate", "creationDate", "statusChangeDate", "resolutionDate"), none))
    assert columns.updated_at is columns.created_at is columns.status_at is columns.resolved_at is None
    assert columns.unmapped == ()


def test_c8_unmapped_words_are_named() -> None:
    columns = columns_of({"status": "Bei Kunde", "priority": "eilig"})
    assert (columns.status, columns.status_raw, columns.priority) == (Status.UNKNOWN, "Bei Kunde", None)
    assert columns.unmapped == (Unmapped("status", "Bei Kunde"), Unmapped("priority", "eilig"))
    mapped = columns_of(
        {"status": "Bei Kunde", "priority": "eilig"}, SourceVocabulary({"bei kunde": "pending"}, {"Eilig": 2})
    )
    assert (mapped.status, mapped.priority, mapped.unmapped) == (Status.PENDING, 2, ())


def test_c8_a_status_or_priority_may_be_an_object_with_a_name() -> None:
    columns = columns_of(
        {"status": {"id": "3", "name": "In Progress"}, "priority": {"display_value": "2 - High", "value": "2"}}
    )
    assert (columns.status, columns.priority, columns.unmapped) == (Status.IN_PROGRESS, 2, ())


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ({"value": 2}, 2),
        ({"level": 2}, 2),
        ({"id": 7, "name": "High"}, 2),
        ({"value": 1, "label": "P2"}, 2),
        ({"@type": "Property", "@value": "High"}, 2),
        ({"id": 7}, None),
        ([1, 2], None),
    ],
)
def test_c8_a_priority_may_be_wrapped(value: Any, number: int | None) -> None:
    columns = columns_of({"priority": value})
    assert columns.priority == number
    assert [each.attribute for each in columns.unmapped] == ([] if number else ["priority"])


@pytest.mark.parametrize("none", [" ", "-", "n/a", "null", [], {}])
def test_c8_a_priority_that_says_there_is_none_is_not_unmapped(none: Any) -> None:
    columns = columns_of({"priority": none})
    assert (columns.priority, columns.unmapped) == (None, ())


@pytest.mark.parametrize("stated", [{"status": "closed"}, {"state": "Closed"}, {"@value": "closed"}, ["closed"]])
def test_c8_a_status_may_be_wrapped(stated: Any) -> None:
    columns = columns_of({"status": stated})
    assert (columns.status, columns.unmapped) == (Status.CLOSED, ())


def test_c10_the_update_time_has_its_precision() -> None:
    columns = columns_of({"lastUpdate": "2026-03-02T10:00:00.123456789Z"})
    assert columns.updated_at == datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
    assert columns.precision is Precision.NANOSECOND


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("SP-1", "SP-1"),
        (" SP-1 ", " SP-1 "),
        (7, "7"),
        (0, "0"),
        ("x" * ID_CHARACTERS, "x" * ID_CHARACTERS),
        ("x" * (ID_CHARACTERS + 1), None),
        ("", None),
        ("  ", None),
        ("a\0b", None),
        (7.0, "7"),
        (1.23456789e8, "123456789"),
        (1e16, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (1.5, None),
        (None, None),
        ({"id": "1"}, None),
    ],
)
def test_texts_and_whole_numbers_name_a_problem(value: object, usable: str | None) -> None:
    assert usable_id(value) == usable


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"id": "1", "href": "https://h/serviceProblem/2"}, "1"),
        ({"href": "https://h/serviceProblem/42/"}, "42"),
        ({"href": "/serviceProblem/42?fields=id#x"}, "42"),
        ({"href": "https://h/serviceProblem/a%2Fb"}, "a/b"),
        ({"href": "https://h/serviceProblem/%FF"}, None),
        ({"href": "https://h/serviceProblem"}, None),
        ({"href": "https://h/ServiceProblem/"}, None),
        ({"href": "42"}, None),
        ({"href": 42}, None),
        ({"href": "http://[::1/42"}, None),
        ({}, None),
    ],
)
def test_without_an_id_the_last_part_of_the_address_names_it(item: dict[str, object], named: str | None) -> None:
    assert id_in(item) == named
