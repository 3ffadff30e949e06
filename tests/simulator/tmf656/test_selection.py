"""The query language of lists."""

import pytest

from bridge.simulator.tmf656.selection import (
    FilterCondition,
    SelectionError,
    UnsupportedSelectionError,
    parse,
    values_at,
)


@pytest.mark.parametrize(
    ("query", "sign"),
    [
        ("lastUpdate.gte=2026-01-01T00:00:00Z", ">="),
        ("lastUpdate>=2026-01-01T00:00:00Z", ">="),
        ("lastUpdate%3E%3D2026-01-01T00:00:00Z", ">="),
        ("lastUpdate%3E=2026-01-01T00:00:00Z", ">="),
        ("lastUpdate.gt=2026-01-01T00:00:00Z", ">"),
        ("lastUpdate%3E2026-01-01T00:00:00Z", ">"),
        ("lastUpdate%3C2026-01-01T00:00:00Z", "<"),
        ("lastUpdate.lte=2026-01-01T00:00:00Z", "<="),
        ("lastUpdate%3D%3D2026-01-01T00:00:00Z", "="),
        ("lastUpdate.eq=2026-01-01T00:00:00Z", "="),
        ("lastUpdate=2026-01-01T00:00:00Z", "="),
    ],
)
def test_every_spelling_of_an_operator_is_understood(query: str, sign: str) -> None:
    assert parse(query).conditions == (FilterCondition("lastUpdate", sign, ("2026-01-01T00:00:00Z",)),)


def test_comma_lists_and_repeated_names_are_alternatives() -> None:
    assert parse("status=held,pending&status=closed").conditions == (
        FilterCondition("status", "=", ("held", "pending", "closed")),
    )


@pytest.mark.parametrize(
    ("found", "sign", "wanted", "holds"),
    [
        ("2026-01-01T00:00:00.000Z", "=", "2026-01-01T01:00:00+01:00", True),
        ("2026-01-01T00:00:00.000Z", "=", "2026-01-01T01:00:00 01:00", True),
        ("2026-01-01T00:00:00.000Z", ">=", "2026-01-01", True),
        ("2026-01-01T00:00:00.000Z", ">", "2026-01-01T00:00:00Z", False),
        (3, ">", "2", True),
        (3, "=", "3.0", True),
        (3, "<", "x", False),
        (True, "=", "TRUE", True),
        ("held", "=", "Held", False),
        ("fibre cut", "=~", "^fibre", True),
        ("b", ">", "a", True),
    ],
)
def test_values_are_compared_as_what_they_are(found: object, sign: str, wanted: str, holds: bool) -> None:
    assert FilterCondition("x", sign, (wanted,)).holds([found]) is holds


def test_a_dotted_path_looks_into_every_element_of_a_list() -> None:
    body = {"note": [{"author": "Eva"}, {"author": "Jonas"}, "odd"], "o": {"list": [1, 2]}}
    assert values_at(body, "note.author") == ["Eva", "Jonas"]
    assert values_at(body, "o.list") == [1, 2]
    assert values_at(body, "o.missing") == []


def test_fields_and_sort_are_read() -> None:
    wanted = parse("fields=id,status&sort=-lastUpdate,%2Bid")
    assert wanted.fields == {"id", "status"}
    assert wanted.sort == (("lastUpdate", True), ("id", False))
    assert parse("fields=none").fields == frozenset()
    assert parse("").fields is None


def test_what_cannot_be_read_is_a_client_error_and_jsonpath_is_unsupported() -> None:
    for query in ("status", "limit=x", "offset=-1"):
        with pytest.raises(SelectionError):
            parse(query).number(query.split("=")[0])
    with pytest.raises(UnsupportedSelectionError):
        parse("filter=%5B%3F(@.status=='x')%5D")
    with pytest.raises(SelectionError):
        FilterCondition("x", "=~", ("(",)).holds(["text"])
