"""A rule that joins two systems: which tickets, which fields, and what is written for them. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from bridge.domain.link.comparison import Comparison
from bridge.domain.link.field import Direction, FieldRule, FieldWrite
from bridge.domain.link.note import NoteRule
from bridge.domain.link.path import RecordPath, text_of
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.template import TextTemplate
from bridge.domain.link.ticket_filter import ANY, TicketFilter
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Record

PARTS: Final = "/"
"""Between the texts of a side that is made of several fields: `impact/urgency`."""

Tickets = Mapping[Side, SideTicket]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """Texts of one side as a template writes them to the other."""

    inner: Comparison
    source: Side
    template: TextTemplate
    names: Mapping[str, Any]

    def class_of(self, side: Side, value: str) -> object:
        """A text of the source means what the template makes of it."""
        text = self._render(value) if side is self.source else value
        return (side, value) if text is None else self.inner.class_of(self.source.other, text)

    def put(self, side: Side, value: str, current: str | None) -> str | None:
        """Return what the template makes of the text; None where it cannot."""
        text = self._render(value)
        return None if side is not self.source or text is None else self.inner.put(side, text, current)

    def _render(self, value: str) -> str | None:
        return self.template.render(value=value, **self.names)


@dataclass(frozen=True, slots=True)
class MappedField:
    """A field that is kept in step. `paths`: where it stands on each side; several are joined by `PARTS`.

    `template`: what is written for a text of the one side that may write.
    """

    rule: FieldRule
    paths: Mapping[Side, tuple[RecordPath, ...]]
    template: TextTemplate | None = None

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.rule.name

    def says(self, side: Side, ticket: SideTicket) -> str:
        """Return what a ticket says."""
        return PARTS.join(text_of(path.find(ticket)) for path in self.paths[side])

    def found_in(self, side: Side, record: Record) -> str | None:
        """Return what a record says; None where it takes more than the record to know."""
        if not all(path.of_record for path in self.paths[side]):
            return None
        return PARTS.join(text_of(path.find_in(record)) for path in self.paths[side])

    def values(self, side: Side, text: str) -> Record:
        """Return a text as values of a record of a side."""
        paths = self.paths[side]
        texts = [text] if len(paths) == 1 else text.split(PARTS, len(paths) - 1)
        found: Record = {}
        for path, each in zip(paths, texts, strict=False):
            found = merged(found, path.put(each))
        return found

    def rule_for(self, tickets: Tickets) -> FieldRule:
        """Return the rule as it holds between these tickets."""
        if self.template is None:
            return self.rule
        source = Side.LEFT if self.rule.direction is not Direction.RIGHT_TO_LEFT else Side.RIGHT
        names = {side.value: ticket.names() for side, ticket in tickets.items()}
        return replace(self.rule, comparison=_Rendered(self.rule.comparison, source, self.template, names))


@dataclass(frozen=True, slots=True)
class Matcher:
    """A way to find the counterpart that exists already: equal, not empty texts at two paths."""

    left: RecordPath
    right: RecordPath

    def path(self, side: Side) -> RecordPath:
        """The path of a side."""
        return self.left if side is Side.LEFT else self.right


class OnDelete(StrEnum):
    """What a deleted ticket means for its counterpart."""

    LEAVE = "leave"
    """It stays as it is."""
    END = "end"
    """It is ended."""
    RECREATE = "recreate"
    """It gets another counterpart."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What a rule may do at most. `changes_at_once`: share of its links."""

    writes_per_minute: int = 120
    writes_per_ticket_per_hour: int = 30
    creates_per_hour: int = 200
    changes_at_once: float = 0.1
    attempts: int = 8


Values = Mapping[str, TextTemplate | bool | int | float]
"""Plain path → what is written there."""
Companions = Mapping[str, Mapping[str, Values]]
"""Plain path of a written field → its text → what is written together with it."""


@dataclass(frozen=True, slots=True)
class LinkRule:
    """How two systems are kept in step.

    `creates`: sides on which a missing counterpart is made. `match_key`: is a ticket with our key the counterpart?
    `settle`: tickets that have both ended for so long are no longer looked at. `follows_up`: a reopened ticket gets a
    new counterpart. `ends_duplicates`: a second ticket with a key is ended.
    """

    name: str
    sources: Mapping[Side, str]
    fields: tuple[MappedField, ...]
    plan_only: bool = False
    creates: frozenset[Side] = frozenset()
    filters: Mapping[Side, TicketFilter] = field(default_factory=dict)
    ends: Mapping[Side, TicketFilter] = field(default_factory=dict)
    match_key: bool = True
    matchers: tuple[Matcher, ...] = ()
    created_within: timedelta = timedelta(days=30)
    companions: Mapping[Side, Companions] = field(default_factory=dict)
    created_with: Mapping[Side, Values] = field(default_factory=dict)
    notes: NoteRule = field(default_factory=NoteRule)
    limits: LinkLimits = LinkLimits()
    settle: timedelta = timedelta(days=7)
    on_delete: OnDelete = OnDelete.LEAVE
    follows_up: bool = False
    ends_duplicates: bool = False

    def filter(self, side: Side) -> TicketFilter:
        """Which tickets of a side begin to be linked."""
        return self.filters.get(side, ANY)

    def mapped_field(self, name: str) -> MappedField:
        """Return a field by its name."""
        return next(mapped for mapped in self.fields if mapped.name == name)

    def placeless(self, side: Side, absent: Collection[str]) -> set[str]:
        """Return the fields that stand, on a side, only in attributes that its system has no place for."""
        return {
            mapped.name
            for mapped in self.fields
            if all(path.names[:1] and path.names[0] in absent for path in mapped.paths[side])
        }

    def wants_counterpart(self, side: Side, ticket: SideTicket) -> bool:
        """Would a ticket of a side get a counterpart, if it had none?"""
        return side.other in self.creates and not ticket.ended and self.filter(side).met(ticket)

    def found_in(self, side: Side, record: Record) -> dict[str, str]:
        """Return what a record of a side says, by field, as far as the record alone says it."""
        found = {mapped.name: mapped.found_in(side, record) for mapped in self.fields}
        return {name: text for name, text in found.items() if text is not None}

    def changes(self, side: Side, writes: Mapping[str, FieldWrite], tickets: Tickets) -> Record:
        """Return the values to write to a side for these fields, with what goes together with them."""
        texts = {name: write.text for name, write in writes.items()}
        return self._values(side, texts, tickets)

    def draft(self, side: Side, origin: SideTicket) -> tuple[Record, dict[str, FieldWrite]]:
        """Return the values of a new counterpart on a side, and the fields that they write.

        A field whose text is empty, or for which no row says what to write, is left to the system. What a constant
        gives for an empty text counts as written, so it is not carried back to the origin.
        """
        tickets = {side.other: origin}
        constants = _rendered(self.created_with.get(side, {}), tickets)
        given: dict[str, FieldWrite] = {}
        writes: dict[str, FieldWrite] = {}
        for mapped in self.fields:
            rule, text = mapped.rule_for(tickets), mapped.says(side.other, origin)
            one_way = rule.direction is Direction.CREATE or rule.direction.allows(side.other)
            written = rule.comparison.put(side.other, text, None) if one_way and text else None
            if written is not None and all(path.names for path in mapped.paths[side]):
                writes[mapped.name] = FieldWrite(side, written, text)
            elif one_way and not text.strip(PARTS) and all(path.find_in(constants) for path in mapped.paths[side]):
                given[mapped.name] = FieldWrite(side, mapped.found_in(side, constants) or "", text)
        texts = {name: write.text for name, write in writes.items()}
        return merged(constants, self._values(side, texts, tickets)), writes | given

    def _values(self, side: Side, texts: Mapping[str, str], tickets: Tickets) -> Record:
        found: Record = {}
        for mapped in self.fields:
            if mapped.name in texts:
                found = merged(found, mapped.values(side, texts[mapped.name]))
        for path, words in self.companions.get(side, {}).items():
            word = RecordPath(path, tuple(path.split("."))).find_in(found)
            if isinstance(word, str) and word in words:
                found = merged(_rendered(words[word], tickets), found)
        return found


def merged(one: Record, over: Record) -> Record:
    """Return two records as one; where both have a value, the second one's."""
    found = dict(one)
    for name, value in over.items():
        below = found.get(name)
        found[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return found


def _rendered(values: Values, tickets: Tickets) -> Record:
    """Values with their templates filled in; one that cannot be is left out."""
    names: dict[str, Any] = {side.value: tickets[side].names() if side in tickets else {} for side in Side}
    found: Record = {}
    for path, value in values.items():
        text = value.render(**names) if isinstance(value, TextTemplate) else value
        if text is not None:
            found = merged(found, RecordPath(path, tuple(path.split("."))).put(text))
    return found
