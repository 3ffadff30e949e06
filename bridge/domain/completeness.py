"""Whether a pass over a source's list saw every problem, and if not, why.

The value travels with the pass to the log, `status`, `check` and the metric. Only a complete pass of the whole list may
say that a problem is missing.
"""

from enum import StrEnum

from msgspec import Struct


class Gap(StrEnum):
    """Why a pass may have missed problems."""

    UNFINISHED = "unfinished"
    """The pass is still running, or broke off."""
    MORE_STATED = "more_stated"
    """The server states more problems, or a further page, than it gave for any way of asking."""
    NOT_JOINED = "not_joined"
    """Two pages cannot be shown to follow each other, and the server states no number of problems to compare with."""
    ORDER_CHANGED = "order_changed"
    """The server changed the order of its list while it was read."""
    LINK_REFUSED = "link_refused"
    """The link to the next page cannot be read or leads to where the bridge sends no credentials."""
    NOT_FOUND = "not_found"
    """The server answers that it has no such list (404): the url is wrong, or there are no problems yet."""
    IN_PART = "in_part"
    """The server says that an answer holds less than was asked for, or it gave null in place of a problem."""
    ENDLESS = "endless"
    """The server always had another page until the pass had used up its requests."""


_SENTENCES = {
    Gap.UNFINISHED: "the pass did not reach the end of the list",
    Gap.MORE_STATED: "the server states more problems than it gives, and no way of paging brought the others",
    Gap.NOT_JOINED: "pages cannot be shown to follow each other, and the server states no total",
    Gap.ORDER_CHANGED: "the server changed the order of its list while it was read",
    Gap.LINK_REFUSED: "the link to the next page cannot be followed",
    Gap.NOT_FOUND: "the server answers that it has no such list: wrong url, or no problems yet",
    Gap.IN_PART: "the server answered in part only: it reports errors or a time-out, or gives null for problems",
    Gap.ENDLESS: "the server never came to an end of its list",
}


class Completeness(Struct, frozen=True):
    """`gap` None: every problem that was there from the first request of the pass to the last was seen.

    `got`: different problems seen. `expected`: how many the server states, None when it states none.
    """

    gap: Gap | None
    got: int = 0
    expected: int | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing can have been missed."""
        return self.gap is None

    def __str__(self) -> str:
        """One clause for a person: `complete`, or `incomplete: 20 of 57 problems: …`."""
        if self.gap is None:
            return "complete"
        number = f"{self.got:,}" if self.expected is None else f"{self.got:,} of {self.expected:,}"
        return f"incomplete: {number} problems: {_SENTENCES[self.gap]}"
