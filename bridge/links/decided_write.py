"""What a sender asks of the rules: what to write for a row of the outbox, decided on what the tables say now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from bridge.domain.link.field import FieldRule
from bridge.domain.link.rule import LinkLimits
from bridge.domain.link.sent_write import SentWrite
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Record
from bridge.errors import TransientError
from bridge.storage.conflict import OpenConflicts
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


@dataclass(slots=True)
class DecidedLinks:
    """What was decided. `writes`: by row of the outbox; `links`: rows of links as they are from now on, which the
    caller saves.
    """

    writes: dict[int, Decided] = field(default_factory=dict)
    links: dict[int, LinkRow] = field(default_factory=dict)


class WriteDecisions(Protocol):
    """The rules, as a sender needs them. `links` are locked, and given as they are now; `opened`: what is open of
    them.
    """

    async def decide(
        self,
        connection: Connection,
        links: Mapping[int, LinkRow],
        rows: Sequence[OutboxRow],
        answered: Collection[int],
        opened: OpenConflicts,
    ) -> DecidedLinks:
        """Decide what is to be written for `rows`, each of another link, and again the links `answered`: their writes
        have ended, and a side may have changed while nothing could be decided. What follows besides is kept.
        """
        ...

    async def decide_answered(
        self, connection: Connection, links: Mapping[int, LinkRow], answered: Collection[int], opened: OpenConflicts
    ) -> DecidedLinks:
        """Decide answered links alone. An error that nobody expected takes back their decision and nothing else."""
        ...

    async def again(self, connection: Connection, link_ids: Collection[int]) -> None:
        """Lock links, decide them as answered ones, and save them."""
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
