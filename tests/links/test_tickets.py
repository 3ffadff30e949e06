"""Rows become tickets in the words of their system, and versions tell since when a field means what it does."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from bridge.domain.link.word_map import Side
from bridge.links.rules import rule_of
from bridge.links.tickets import ticket_of_row, value_since, version_of
from bridge.settings import LinkSettings
from bridge.storage.link_ticket import TicketRow, TicketVersion

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = "tb-" + "a" * 26


def row(body: dict[str, object], status: str = "held") -> TicketRow:
    return TicketRow(1, "7", 3, status, None, NOON, NOON, NOON, NOON, "poll", orjson.dumps(body))


def test_a_problem_is_its_own_record_with_the_status_as_version_4_spells_it() -> None:
    ticket = ticket_of_row(row({"id": "7", "status": "In Progress - Held", "href": "https://x/7"}), "a", "tmf656")
    assert (ticket.record["status"], ticket.status, ticket.url) == ("held", "held", "https://x/7")
    unknown = ticket_of_row(row({"status": "odd"}, "unknown"), "a", "tmf656")
    assert unknown.record["status"] == "odd"


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("https://x/7", "https://x/7"),
        ("/tmf-api/v4/serviceProblem/7", "https://noc.example/tmf-api/v4/serviceProblem/7"),
        ("serviceProblem/7", "https://noc.example/gw/v4/serviceProblem/7"),
        ("//cdn.example/7", "https://cdn.example/7"),
        ("http://[", "http://["),
    ],
)
def test_an_address_can_be_opened_also_where_the_server_writes_a_path(href: str, url: str) -> None:
    """The defect: `@url` was a path without a server, and people were sent to their own ticket system."""
    assert ticket_of_row(row({"href": href}), "a", "tmf656", "https://noc.example/gw/v4").url == url


def test_a_ticket_of_another_system_has_the_record_it_was_stored_with() -> None:
    body = {
        "status": "held",
        "characteristic": [{"name": "state", "value": "3"}, {"name": "sys_mod_count", "value": "4"}],
    }
    ticket = ticket_of_row(row(body), "a", "servicenow")
    assert ticket.record == {"state": "3", "sys_mod_count": "4"}
    assert version_of(ticket, "servicenow") == "4"
    assert version_of(ticket, "dataminer") is None


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ({"externalIdentifier": [{"id": KEY}]}, {KEY}),
        ({"characteristic": [{"name": "correlation_id", "value": KEY}]}, {KEY}),
        ({"description": f"see {KEY}"}, set()),
        ({"x": KEY[:-1]}, set()),
    ],
)
def test_keys_of_ours_are_whole_texts(body: dict[str, object], keys: set[str]) -> None:
    assert ticket_of_row(row(body), "a", "tmf656").keys == keys


def test_a_field_means_what_it_does_since_its_meaning_last_changed() -> None:
    settings = {"left": "a", "right": "b", "fields": {"t": {"left": "name", "right": "name"}}}
    [mapped] = rule_of("one", LinkSettings.model_validate(settings)).fields
    said = ["x", "y", "y  ", "y"]
    versions = [
        TicketVersion(NOON + timedelta(hours=hour), "held", orjson.dumps({"name": name}))
        for hour, name in reversed(list(enumerate(said)))
    ]
    ticket = ticket_of_row(row({"name": "y"}), "a", "tmf656")
    found = value_since(mapped, Side.LEFT, ticket, versions, "tmf656")
    assert (found.text, found.since) == ("y", NOON + timedelta(hours=1))
    assert value_since(mapped, Side.LEFT, ticket, [], "tmf656").since is None
