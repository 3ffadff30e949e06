"""The state of a link follows from what both tickets are, and never undoes what a person did."""

import pytest

from bridge.domain.link.life import LinkState, settled_state


@pytest.mark.parametrize(
    ("deleted", "ended", "quiet", "expected"),
    [
        (False, False, True, LinkState.LINKED),
        (False, True, False, LinkState.LINKED),
        (False, True, True, LinkState.ENDED),
        (True, True, True, LinkState.ORPHANED),
        (True, False, False, LinkState.ORPHANED),
    ],
)
@pytest.mark.parametrize("before", [LinkState.LINKED, LinkState.ENDED, LinkState.ORPHANED])
def test_the_state_of_a_pair_depends_on_what_it_is_now(
    before: LinkState, deleted: bool, ended: bool, quiet: bool, expected: LinkState
) -> None:
    assert settled_state(before, deleted=deleted, ended=ended, quiet=quiet) is expected


@pytest.mark.parametrize(
    "state", [LinkState.WANTED, LinkState.CREATING, LinkState.UNSURE, LinkState.BLOCKED, LinkState.UNLINKED]
)
def test_one_ticket_alone_or_a_separated_pair_stays_what_it_is(state: LinkState) -> None:
    assert settled_state(state, deleted=True, ended=True, quiet=True) is state
