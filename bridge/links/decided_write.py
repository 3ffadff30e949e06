"""What a sender asks of the rules: what to write for a row of the outbox, decided on what the tables say now."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from bridge.domain.link.field import FieldRule
from bridge.domain.link.rule import LinkLimits
from bridge.domain.link.sent_write import SentWrite
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Record
from bridge.errors import TransientError
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.outbox import OutboxRow


class UndecidableNowError(TransientError):
    """Nothing is decided now: what is known of a ticket is older than the answer to our last write, or another write of
    its link is not settled.
    """


class DecidedWrite(Struct, frozen=True):
    """A write that is still wanted. `link`: as it was decided, locked; who begins the write saves it. `values`: of the
    record of the target, for a note its text under "text", and under "journal" the one it goes into; for a duplicate
    those of `duplicates.decide_end`. `parts`: of a change of several fields, what each of them writes.
    """

    link: LinkRow
    sent: SentWrite
    values: dict[str, Any]
    parts: dict[str, Record] = {}


Decided: TypeAlias = DecidedWrite | UndecidableNowError | None
"""What is to be written. None: nothing is missing any more; an error: nothing can be decided now."""


class WriteDecisions(Protocol):
    """The rules, as a sender needs them."""

    async def decide(self, connection: Connection, rows: Sequence[OutboxRow]) -> dict[int, Decided]:
        """Lock the links of rows, each of another link, decide them on what the tables say, keep what follows besides
        writes, and return by row what is to be written to its side.
        """
        ...

    async def again(
        self, connection: Connection, link_ids: Collection[int], locked: Collection[LinkRow] | None = None
    ) -> None:
        """Decide links as after a change of their tickets: their writes have ended, and a side may have changed while
        nothing could be decided. `locked`: their rows as they are now, where the caller has them.
        """
        ...

    def rule_ids(self) -> Collection[int]:
        """The rules that run here."""
        ...

    def knows(self, rule_id: int) -> bool:
        """Does the rule run here? What waits for another one is left alone."""
        ...

    def name(self, rule_id: int) -> str:
        """The name of a rule, for metrics."""
        ...

    def fields(self, rule_id: int) -> Mapping[str, FieldRule]:
        """The mapped fields of a rule by name; empty for one that is no longer configured."""
        ...

    def says(self, rule_id: int, side: Side, record: Record) -> dict[str, str]:
        """What a record says for each mapped field of a rule."""
        ...

    def placeless(self, rule_id: int, side: Side, absent: Collection[str]) -> Collection[str]:
        """The mapped fields of a rule that a side has no place for. `absent`: attributes that it lacks."""
        ...

    def has_ended(self, row: OutboxRow, record: Record) -> bool:
        """Does a record of the target of a row mean that its ticket has ended?"""
        ...

    def limits(self, rule_id: int) -> LinkLimits:
        """What a rule may do at most."""
        ...
