"""What becomes of tickets without a counterpart, decided in memory."""

from datetime import UTC, datetime
from typing import Any

from bridge.domain.link.life import LinkState
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.batch_state import BatchState
from bridge.links.pairing import Pairing
from bridge.links.rule_run import RuleRun
from bridge.links.rules import rule_of
from bridge.settings import LinkSettings
from bridge.storage.link import NewLink

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULE: dict[str, Any] = {
    "left": "a",
    "right": "b",
    "create": "right",
    "fields": {"t": {"left": "t", "right": "t"}},
    "match": {"by": ["key", "other = id"]},
    "filter": {"left": {"t": "x"}},
}
LEFT, RIGHT = Side.LEFT, Side.RIGHT


def ticket(ticket_id: str, *, status: str = "inProgress", keys: tuple[str, ...] = (), **record: Any) -> SideTicket:
    return SideTicket(ticket_id, "", {"id": ticket_id, "t": "x"} | record, status=status, keys=frozenset(keys))


def batch(left: list[SideTicket], right: list[SideTicket]) -> BatchState:
    """A batch of these tickets, which the index of the rule knows."""
    kinds = dict.fromkeys(Side, "tmf656")
    run = RuleRun(rule_of("one", LinkSettings.model_validate(RULE)), 1, {LEFT: 1, RIGHT: 2}, kinds)
    state = BatchState(run, NOON)
    for side, tickets in ((LEFT, left), (RIGHT, right)):
        for one in tickets:
            state.tickets[side, one.id] = one
            run.index.put(side, one)
    return state


def paired(state: BatchState, *, allowed: int = 10) -> list[NewLink]:
    """Decide all tickets; return the links that are to be added."""
    pairing = Pairing(state, frozenset({RIGHT}), allowed)
    for (side, ticket_id), match in pairing.matches().items():
        pairing.begin(side, ticket_id, match)
    return state.added


def test_no_counterpart_is_made_for_what_a_filter_leaves_out_or_what_has_ended() -> None:
    state = batch([ticket("L1", t="private"), ticket("L2", status="closed")], [])
    assert paired(state) == []


def test_counterparts_beyond_the_number_allowed_wait() -> None:
    state = batch([ticket(f"L{number}") for number in range(3)], [])
    assert [new.state for new in paired(state, allowed=2)] == [LinkState.CREATING] * 2 + [LinkState.WANTED]
    assert state.result.creates == 2
    assert state.result.over


def test_several_that_fit_are_left_to_a_person() -> None:
    state = batch([ticket("L1", other="R1"), ticket("L2", other="R1")], [ticket("R1")])
    blocked = {new.left_id or new.right_id: (new.state, new.state_reason) for new in paired(state)}
    assert blocked == {
        "L1": (LinkState.BLOCKED, "other = id matches R1 and L1, L2"),
        "L2": (LinkState.BLOCKED, "other = id matches R1 and L2, L1"),
        "R1": (LinkState.BLOCKED, "other = id matches L1, L2 and R1"),
    }


def test_a_ticket_of_a_separated_pair_is_not_linked_again() -> None:
    state = batch([ticket("L1", other="R1")], [ticket("R1")])
    state.separated |= {(LEFT, "L1"), (RIGHT, "R1")}
    assert paired(state) == []


def test_a_pair_takes_the_key_that_one_of_them_carries() -> None:
    state = batch([ticket("L1")], [])
    key = state.run.key_of(LEFT, "L1")
    carrier = ticket("R1", keys=(key,))
    state.tickets[RIGHT, "R1"] = carrier
    state.run.index.put(RIGHT, carrier)
    [new] = set(paired(state))  # found from both sides; the table takes it once
    assert (new.left_id, new.right_id, new.key, new.state) == ("L1", "R1", key, LinkState.LINKED)
