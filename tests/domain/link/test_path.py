"""A path reads what stands in a ticket, whatever that is, and only a plain one can be written to."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.path import read_path, text_of
from bridge.domain.link.side_ticket import SideTicket
from bridge.errors import ConfigurationError

RECORD = {"name": "a", "fields": {"Incident Number": "INC1"}, "assigned_to.name": "Anna", "list": [{"x": 2}], "n": None}
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")) | st.sampled_from("_- "), min_size=1)


@pytest.mark.parametrize(
    ("path", "value", "plain"),
    [
        ("name", "a", True),
        ("fields.Incident Number", "INC1", True),
        ("assigned_to.name", "Anna", True),
        ("name.below", None, True),
        ("list[0].x", 2, False),
        ("nothing || name", "a", False),
        ("list[0].x < name", None, False),
        ("originatorParty.@referredType", None, True),
    ],
)
def test_a_path_finds_what_stands_there(path: str, value: object, plain: bool) -> None:
    read = read_path(path)
    assert read.find(SideTicket("7", "snow", RECORD)) == value
    assert bool(read.names) is plain


def test_every_ticket_has_an_id_a_source_and_times() -> None:
    ticket = SideTicket("7", "snow", {}, url="https://x", created_at=datetime(2026, 6, 1, tzinfo=UTC))
    found = [read_path(path).find(ticket) for path in ("@id", "@source", "@url", "@created_at", "@key")]
    assert found == ["7", "snow", "https://x", "2026-06-01T00:00:00+00:00", None]
    assert not read_path("@id").of_record


@pytest.mark.parametrize("path", ["", "a[", "a..b", "a |", "(a"])
def test_what_is_no_path_is_refused_with_the_reason(path: str) -> None:
    with pytest.raises(ConfigurationError, match="is no path such as"):
        read_path(path)


@given(st.lists(NAMES, min_size=1, max_size=4), st.text())
def test_what_is_put_at_a_plain_path_is_found_there(names: list[str], text: str) -> None:
    path = read_path(".".join(names))
    assert path.find_in(path.put(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("a", "a"),
        (2, "2"),
        (2.5, "2.5"),
        (True, "true"),
        (["b", "a"], "a, b"),
        ({"b": 1, "a": "ä"}, '{"a": "ä", "b": 1}'),
    ],
)
def test_values_of_json_are_compared_as_text(value: object, text: str) -> None:
    assert text_of(value) == text
