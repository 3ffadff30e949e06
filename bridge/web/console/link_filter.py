"""What the lists of links, writes and conflicts are filtered by: everything of it is in the address."""

from typing import Any, Final

from msgspec import Struct

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.storage.console_link import NEWEST
from bridge.storage.outbox import BlockedFilter, WriteKind
from bridge.web.console.page_parameters import one_of, query_of, read_parameters, whole_number
from bridge.web.console.visit import Fields

LINK_STATES: Final = tuple(LinkState)
OPEN_WRITES: Final = ("waiting", "sending", "blocked")
WRITE_STATES: Final = ("open", *OPEN_WRITES, "done", "dropped", "all")
WRITE_KINDS: Final = tuple(WriteKind)
CONFLICT_KINDS: Final = tuple(ConflictKind)
OUTCOMES: Final = ("waiting", "left", "right", "dismissed", "agreed", "all")
_YES: Final = ("yes",)


class LinkFilter(Struct, frozen=True):
    """Which links a page shows; None: any. `q`: number, key or ticket."""

    rule: str | None = None
    state: str | None = None
    q: str | None = None
    behind: bool = False
    conflicts: bool = False
    before: int = NEWEST

    def query(self, **changes: Any) -> str:
        """The parameters of the same list with other values."""
        values = {"q": self.q, "rule": self.rule, "state": self.state, "behind": "yes" if self.behind else None}
        return query_of(values | {"conflicts": "yes" if self.conflicts else None} | changes)


def read_link_filter(query: Fields) -> LinkFilter:
    """Read parameters; Refusal (400) that names what is wrong."""
    given = read_parameters(query, "q", "rule", "state", "behind", "conflicts", "before")
    return LinkFilter(
        given.get("rule"),
        one_of("state", given.get("state"), LINK_STATES),
        given.get("q"),
        one_of("behind", given.get("behind"), _YES) is not None,
        one_of("conflicts", given.get("conflicts"), _YES) is not None,
        whole_number("before", given.get("before"), NEWEST),
    )


class WriteFilter(Struct, frozen=True):
    """Which writes a page shows; None: any. `state`: one, `open` for those that did not end, or `all`."""

    rule: str | None = None
    target: str | None = None
    kind: str | None = None
    error: str | None = None
    state: str = "open"
    before: int = NEWEST

    @property
    def states(self) -> tuple[str, ...]:
        """The states that are meant; none: any."""
        return {"open": OPEN_WRITES, "all": ()}.get(self.state, (self.state,))

    @property
    def blocked(self) -> BlockedFilter:
        """The same of what is blocked."""
        return BlockedFilter(self.rule, self.target, self.kind, self.error)

    def fields(self) -> dict[str, str]:
        """What a form carries to mean the same blocked writes."""
        values = {"rule": self.rule, "target": self.target, "kind": self.kind, "error": self.error}
        return {name: value for name, value in values.items() if value}

    def query(self, **changes: Any) -> str:
        """The parameters of the same list with other values."""
        return query_of(self.fields() | {"state": None if self.state == "open" else self.state} | changes)


def read_write_filter(query: Fields) -> WriteFilter:
    """Read parameters; Refusal (400) that names what is wrong."""
    given = read_parameters(query, "rule", "target", "kind", "error", "state", "before")
    return WriteFilter(
        given.get("rule"),
        given.get("target"),
        one_of("kind", given.get("kind"), WRITE_KINDS),
        given.get("error"),
        one_of("state", given.get("state"), WRITE_STATES) or "open",
        whole_number("before", given.get("before"), NEWEST),
    )


class ConflictFilter(Struct, frozen=True):
    """Which conflicts a page shows; None: any. `outcome`: one, or `all`."""

    rule: str | None = None
    kind: str | None = None
    field: str | None = None
    outcome: str = "waiting"
    before: int = NEWEST

    def query(self, **changes: Any) -> str:
        """The parameters of the same list with other values."""
        values = {"rule": self.rule, "kind": self.kind, "field": self.field}
        return query_of(values | {"outcome": None if self.outcome == "waiting" else self.outcome} | changes)


def read_conflict_filter(query: Fields) -> ConflictFilter:
    """Read parameters; Refusal (400) that names what is wrong."""
    given = read_parameters(query, "rule", "kind", "field", "outcome", "before")
    return ConflictFilter(
        given.get("rule"),
        one_of("kind", given.get("kind"), CONFLICT_KINDS),
        given.get("field"),
        one_of("outcome", given.get("outcome"), OUTCOMES) or "waiting",
        whole_number("before", given.get("before"), NEWEST),
    )
