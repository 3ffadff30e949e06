"""The states of a link, and which of them follow from what both sides are."""

from enum import StrEnum
from typing import Final


class LinkState(StrEnum):
    """Where a link stands."""

    WANTED = "wanted"
    """A ticket meets the filter of the rule and has no counterpart."""
    CREATING = "creating"
    """The counterpart is to be made; nothing was sent, or it is known not to have arrived."""
    UNSURE = "unsure"
    """A create was sent; what came of it is not known yet."""
    LINKED = "linked"
    """Both tickets are known."""
    BLOCKED = "blocked"
    """A person has to look: the create was refused, or several tickets match."""
    ENDED = "ended"
    """Both tickets have ended and stayed so; nothing is written."""
    ORPHANED = "orphaned"
    """A ticket was deleted at its source."""
    UNLINKED = "unlinked"
    """A person separated or ignored them; they are not joined again."""


RULE_ON: Final = "on"
"""State of a rule that decides and writes."""
STICKY: Final = frozenset({"paused", "held"})
"""States of a rule that only a person ends."""


def settled_state(state: LinkState, *, deleted: bool, ended: bool, quiet: bool) -> LinkState:
    """Return the state of a link with two tickets.

    `deleted`: one of them is gone. `ended`: both have ended. `quiet`: for long enough. A link of one ticket, and one
    that a person separated, stays what it is.
    """
    if state not in (LinkState.LINKED, LinkState.ENDED, LinkState.ORPHANED):
        return state
    if deleted:
        return LinkState.ORPHANED
    return LinkState.ENDED if ended and quiet else LinkState.LINKED
