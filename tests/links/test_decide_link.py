"""One link: what is left alone, what ends it, and what follows from both tickets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.decide_link import LinkOutcome, cause_of, decide_link
from bridge.links.rules import rule_of
from bridge.settings import LinkSettings
from bridge.storage.conflict import POLICY
from bridge.storage.link import LinkRow
from bridge.storage.outbox import WriteKind

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOURCES = {Side.LEFT: 1, Side.RIGHT: 2}
RULE = rule_of(
    "one",
    LinkSettings.model_validate(
        {
            "left": "a",
            "right": "b",
            "on_conflict": "left",
            "fields": {"t": {"left": "t", "right": "t"}, "s": {"left": "s", "right": "s"}},
            "filter": {"end_right": {"s": "rejected"}},
        }
    ),
)
LINK = LinkRow(7, 3, "tb-1", "match", LinkState.LINKED, NOON, NOON, left_id="L", right_id="R", linked_at=NOON)


def pair(left: dict[str, Any], right: dict[str, Any], **both: Any) -> dict[Side, SideTicket]:
    values = {"updated_at": NOON, "status": "inProgress", "revision": 4} | both
    return {Side.LEFT: SideTicket("L", "a", left, **values), Side.RIGHT: SideTicket("R", "b", right, **values)}


def decided(link: LinkRow, tickets: dict[Side, SideTicket], **more: Any) -> LinkOutcome:
    outcome = decide_link(RULE, link, tickets, SOURCES, NOON + timedelta(days=1), **more)
    assert outcome is not None
    return outcome


def linked(**changes: Any) -> LinkRow:
    return msgspec.structs.replace(LINK, **changes)


@pytest.mark.parametrize(
    "link", [linked(intent={"kind": "update"}), linked(state=LinkState.UNLINKED), linked(state=LinkState.UNSURE)]
)
def test_an_unsettled_or_separated_link_is_left_alone(link: LinkRow) -> None:
    assert decide_link(RULE, link, pair({"t": "x"}, {"t": "y"}), SOURCES, NOON) is None


def test_news_from_before_our_last_write_is_read_again_and_believed_in_the_end() -> None:
    mark = {"updated_at": (NOON + timedelta(minutes=1)).isoformat(), "answered_at": NOON.isoformat()}
    link, tickets = linked(right_mark=mark, base={"t": ("x", "x")}), pair({"t": "x"}, {"t": "old"})
    outcome = decide_link(RULE, link, tickets, SOURCES, NOON + timedelta(minutes=2))
    assert outcome is not None
    assert (outcome.stale, outcome.wanted, outcome.link) == ({Side.RIGHT: "R"}, [], link)
    assert decided(link, tickets).wanted != []


def test_a_write_says_what_stands_there_and_what_it_follows_from() -> None:
    outcome = decided(linked(base={"t": ("x", "x"), "s": ("1", "1")}), pair({"t": "y", "s": "1"}, {"t": "x", "s": "1"}))
    [wanted] = outcome.wanted
    assert (wanted.side, wanted.source_id, wanted.kind) == (Side.RIGHT, 2, WriteKind.UPDATE)
    assert wanted.fields == {"t": {"from": "x", "to": "y"}}
    assert wanted.cause is not None
    assert (wanted.cause["source"], wanted.cause["revision"], wanted.cause["changed_at"]) == ("a", 4, NOON.isoformat())
    assert outcome.dropped == [(Side.LEFT, WriteKind.UPDATE)]
    assert (outcome.link.behind_since, outcome.link.left_revision) == (NOON + timedelta(days=1), 4)
    assert cause_of(SideTicket("L", "a", {}))["changed_at"] is None


def test_a_link_that_is_behind_stays_so_since_when_it_was() -> None:
    link = linked(base={"t": ("x", "x")}, behind_since=NOON)
    assert decided(link, pair({"t": "y"}, {"t": "x"})).link.behind_since == NOON
    assert decided(link, pair({"t": "x"}, {"t": "x"})).link.behind_since is None


def test_a_value_that_lost_is_kept_with_the_winner_and_what_both_said_before() -> None:
    outcome = decided(linked(base={"t": ("x", "x")}), pair({"t": "l"}, {"t": "r"}))
    [kept] = outcome.conflicts
    assert (kept.kind, kept.left_value, kept.right_value, kept.left_base) == (ConflictKind.OVERRULED, "l", "r", "x")
    assert (kept.winner, kept.decided_by) == (Side.LEFT, POLICY)
    chosen = decided(linked(base={"t": ("x", "x")}), pair({"t": "l"}, {"t": "r"}), choices={"t": Side.RIGHT})
    assert [(one.winner, one.decided_by) for one in chosen.conflicts] == [(Side.RIGHT, "choice")]


def test_fields_that_agree_are_settled() -> None:
    assert decided(LINK, pair({"t": "x", "s": "1"}, {"t": "x", "s": "2"})).settled == {"t": True}


def test_a_status_that_ends_a_ticket_is_marked_so_that_notes_go_first() -> None:
    tickets = pair({"t": "x", "s": "closed"}, {"t": "x", "s": "open"})
    tickets[Side.LEFT] = msgspec.structs.replace(tickets[Side.LEFT], status="closed")
    [wanted] = decided(linked(base={"t": ("x", "x"), "s": ("open", "open")}), tickets).wanted
    assert wanted.ends_ticket


@pytest.mark.parametrize(
    ("both", "days", "state"),
    [
        ({"status": "closed"}, 6, LinkState.LINKED),
        ({"status": "closed"}, 8, LinkState.ENDED),
        ({"status": "held"}, 8, LinkState.LINKED),
        ({"deleted": True}, 0, LinkState.ORPHANED),
    ],
)
def test_the_state_follows_from_both_tickets(both: dict[str, Any], days: int, state: LinkState) -> None:
    outcome = decide_link(RULE, LINK, pair({"t": "x"}, {"t": "y"}, **both), SOURCES, NOON + timedelta(days=days))
    assert outcome is not None
    assert outcome.link.state is state
    assert (outcome.wanted == []) is (state is not LinkState.LINKED)


def test_a_filter_may_end_a_link_early() -> None:
    outcome = decided(LINK, pair({"t": "x"}, {"t": "y", "s": "rejected"}))
    assert (outcome.link.state, outcome.link.state_reason) == (LinkState.ENDED, "filter.end_right is met")
