"""A service problem as links see it: version 4's names, a normalised status, and the key it carries."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.domain.vocabulary import SourceVocabulary
from bridge.errors import UnreadableError
from bridge.tmf656.wire.problem import read_problem
from bridge.tmf656.wire.ticket import carries, key_query, ticket_of

AT = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)


def test_an_older_problem_has_the_record_of_version_4() -> None:
    item = {
        "id": 7,
        "href": "https://a/7",
        "status": "In Progress - Held",
        "timeChanged": "2026-11-30T00:59:00Z",
        "correlationId": "tb-1",
    }
    ticket = ticket_of(item, AT, None)
    assert ticket.id == "7"
    assert ticket.record["status"] == "held"
    assert ticket.item["status"] == "In Progress - Held"
    assert (ticket.version, ticket.updated_at) == ("2026-11-30T00:59:00Z", datetime(2026, 11, 30, 0, 59, tzinfo=UTC))
    assert ticket.url == "https://a/7"
    assert carries(ticket.record, "tb-1")
    assert not carries(ticket.record, "tb-2")


def test_the_words_of_the_source_count() -> None:
    vocabulary = SourceVocabulary({"Awaiting fieldwork": "held"})
    assert ticket_of({"id": "1", "status": "Awaiting fieldwork"}, AT, None, vocabulary).record["status"] == "held"
    assert ticket_of({"id": "1", "status": "zzz"}, AT, None).record["status"] == "zzz"


def test_what_is_stored_is_what_a_poll_would_have_stored() -> None:
    raw: dict[str, Any] = {"id": "1", "comment": [{"comment": "a", "user": "b"}], "timeRaised": 1764460800000}
    read = [read_problem(item, asked_at=AT, via=Via.WRITE) for item in (raw, ticket_of(raw, AT, None).item)]
    assert read[0].content_hash == read[1].content_hash


def test_without_an_id_it_is_no_ticket() -> None:
    with pytest.raises(UnreadableError):
        ticket_of({"status": "held"}, AT, None)


@pytest.mark.parametrize(
    ("version", "query"),
    [("2", "correlationId=a%26b"), ("4", "externalIdentifier.id=a%26b"), ("5", "externalIdentifier.id=a%26b")],
)
def test_a_key_is_escaped_in_a_filter(version: str, query: str) -> None:
    assert key_query("a&b", version) == query


@pytest.mark.parametrize("value", [None, "tb-1", [], ["tb-1"], {"id": "tb-1"}, [{"id": 1}]])
def test_a_shape_that_is_none_carries_no_key(value: Any) -> None:
    assert not carries({"externalIdentifier": value}, "tb-1")
