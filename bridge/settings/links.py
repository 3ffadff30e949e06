"""What can be set of one rule that keeps the tickets of two sources in step, [links.NAME]."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from bridge.domain.link.field import Direction, Policy
from bridge.settings.section import Section
from bridge.settings.values import Seconds, SourceName, Whole

SideName = Literal["left", "right"]
PolicyName = Literal["left", "right", "newest", "manual"]
DirectionName = Literal["both", "left_to_right", "right_to_left", "create", "none"]


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


def _texts(value: object) -> object:
    """Texts, or numbers and truth values as texts."""
    if isinstance(value, bool):
        return ("true" if value else "false",)
    values = _as_list(value)
    if not isinstance(values, list | tuple):
        return values
    return tuple(str(each) if isinstance(each, int | float) and not isinstance(each, bool) else each for each in values)


def _not_empty(paths: tuple[str, ...]) -> tuple[str, ...]:
    if not paths or not all(path.strip() for path in paths):
        raise ValueError("needs the path of a field")
    return paths


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Paths = Annotated[tuple[str, ...], AfterValidator(_not_empty), BeforeValidator(_as_list)]
FilterSetting = str | dict[str, Texts]
"""Path → words of which one must stand there; or a JMESPath that must be true."""
Constant = str | bool | int | float
Words = dict[str, dict[str, dict[str, Constant]]]
"""Path of a written field → its word → path → value or template."""


class LinkFilterSettings(Section):
    """Which tickets begin to be linked; a linked one stays linked. Empty: every ticket."""

    left: FilterSetting = ""
    """which tickets on the left: a table {state = ["New", "In Progress"]}, or a JMESPath such as "priority < `4`\""""
    right: FilterSetting = ""
    """the same on the right"""
    end_left: FilterSetting = ""
    """which tickets on the left end their link early, a table or a JMESPath; empty: none"""
    end_right: FilterSetting = ""
    """the same on the right"""


class LinkMatchSettings(Section):
    """How a counterpart that exists already is found, before one is made; it must be unique on both sides."""

    by: tuple[str, ...] = ("key",)
    """list, tried in this order: "key" (ours), or a path on each side that must be equal, "external_id = number\""""
    created_within_days: Whole = Field(default=30, ge=0, le=36_500)
    """days between the creation of two tickets that may match, 0 (any) to 36500"""


class LinkFieldSettings(Section):
    """A field that is kept in step."""

    left: Paths
    """path of the field on the left, or a list of paths whose values are joined by /; also @id, @url, @key"""
    right: Paths
    """the same on the right"""
    direction: DirectionName = "both"
    """both, left_to_right, right_to_left, create (only when the counterpart is made) or none"""
    map: str = ""
    """name of a table of words in maps; empty: texts are compared as they are"""
    compare: Literal["text", "casefold", "instant"] = "text"
    """text (runs of blanks count as one), casefold (capitals do not matter) or instant (equal within a second)"""
    max_length: Whole = Field(default=0, ge=0, le=1_000_000)
    """characters that fit on both sides, 0 (any number) to 1000000"""
    template: str = ""
    """what is written for a value, "{{ value }} ({{ left.id }})"; needs one direction"""
    on_link: PolicyName | Literal[""] = ""
    """who wins at the first comparison; empty: as the rule says"""
    on_conflict: PolicyName | Literal[""] = ""
    """who wins when both sides changed; empty: as the rule says"""
    enforce: bool = False
    """true: a change on the side that may not write is written back; false: it is left there"""


class LinkCompanionSettings(Section):
    """What is written together with a word of a field, and not compared: closing codes, reasons."""

    left: Words = Field(default_factory=dict)
    """path → word → table of what is written with it, {status = {closed = {reason = "done"}}}"""
    right: Words = Field(default_factory=dict)
    """the same on the right"""


class LinkNoteSettings(Section):
    """Which notes are copied to the other side."""

    direction: Literal["none", "both", "left_to_right", "right_to_left"] = "none"
    """none, both, left_to_right or right_to_left"""
    left: tuple[str, ...] = ()
    """list of the journals that are read on the left, comments and work_notes of ServiceNow; empty: all but work_notes,
    which stay inside"""
    right: tuple[str, ...] = ()
    """the same on the right"""
    write_left: str = ""
    """journal that copies on the left go into, comments or work_notes of ServiceNow; empty: the source's notes_field"""
    write_right: str = ""
    """the same on the right"""
    since: Literal["link", "all"] = "link"
    """link: notes written after both were joined; all: those from before, too"""
    template: str = "{{ system }} {{ ticket }} · {{ author }} · {{ at }}"
    """first line of a copy, before its code; may name system, ticket, author and at"""


class LinkLimitSettings(Section):
    """What a rule may do at most, before it waits or is held for a person."""

    writes_per_minute: Whole = Field(default=120, ge=1, le=100_000)
    """writes to one side in a minute, 1 to 100000"""
    writes_per_ticket_per_hour: Whole = Field(default=30, ge=1, le=100_000)
    """writes to one ticket in an hour, 1 to 100000"""
    creates_per_hour: Whole = Field(default=200, ge=0, le=1_000_000)
    """counterparts made in an hour, 0 to 1000000; beyond that the rule is held"""
    changes_at_once: Seconds = Field(default=0.1, ge=0, le=1)
    """share of the links, 0 to 1, that may change at once; more (and more than 50) hold the rule for a person"""
    attempts: Whole = Field(default=8, ge=1, le=100)
    """failures of one write before a person has to look, 1 to 100"""


class LinkSettings(Section):
    """Two sources whose tickets are kept in step."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    left: SourceName
    """name of the source on the left"""
    right: SourceName
    """name of the source on the right"""
    preset: str = "none"
    """the settings to begin with, `tmf656-bridge links preset` lists them; what stands here wins"""
    enabled: bool = True
    """true or false: decide and write at all"""
    mode: Literal["on", "plan"] = "on"
    """on, or plan: decide and show, send nothing"""
    create: Literal["none", "left", "right", "both"] = "none"
    """where a missing counterpart is made: none, left, right or both"""
    on_link: PolicyName = "left"
    """who wins at the first comparison of two tickets: left, right, newest or manual"""
    on_conflict: PolicyName = "newest"
    """who wins when both sides changed a field: left, right, newest or manual (a person chooses)"""
    tie: SideName = "left"
    """who wins when both changed within clock_tolerance_seconds: left or right"""
    clock_tolerance_seconds: Seconds = Field(default=2, ge=0, le=3600)
    """how far the clocks of both sides may differ, 0 to 3600"""
    on_delete: Literal["leave", "end", "recreate"] = "leave"
    """what a deleted ticket means for the other: leave (it stays as it is), end (it is cancelled, or closed) or
    recreate (it gets another counterpart)"""
    reopen: Literal["reopen", "follow_up"] = "reopen"
    """what a reopened ticket means for an ended counterpart: reopen (it is reopened, too) or follow_up (it stays ended,
    and another one is made)"""
    duplicates: Literal["report", "cancel"] = "report"
    """a second ticket with the same key: report (a person has to look) or cancel (it is cancelled, with a note)"""
    settle_days: Whole = Field(default=7, ge=0, le=36_500)
    """days after which two ended tickets are no longer looked at, 0 to 36500"""
    filter: LinkFilterSettings = LinkFilterSettings()
    """a table"""
    match: LinkMatchSettings = LinkMatchSettings()
    """a table"""
    fields: dict[str, LinkFieldSettings] = Field(default_factory=dict)
    """table of the fields that are kept in step, {title = {left = "name", right = "short_description"}}"""
    maps: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """table of lists of words: "a = b" both ways, "a > b" and "a < b" one way; the first row of a class is written"""
    companions: LinkCompanionSettings = Field(default=LinkCompanionSettings(), alias="with")
    """a table, [links.NAME.with]"""
    create_left: dict[str, Constant] = Field(default_factory=dict)
    """table of what a new ticket on the left begins with: path → value or template that may name right"""
    create_right: dict[str, Constant] = Field(default_factory=dict)
    """the same on the right; templates may name left"""
    notes: LinkNoteSettings = LinkNoteSettings()
    """a table"""
    limits: LinkLimitSettings = LinkLimitSettings()
    """a table"""

    def describe(self) -> dict[str, Any]:
        """Everything as JSON values, as the file has it."""
        plain: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        return plain

    def direction_of(self, field: LinkFieldSettings) -> Direction | None:
        """The direction of a field; None: it is not kept in step."""
        return None if field.direction == "none" else Direction(field.direction)

    def policy(self, own: str, *, linking: bool) -> Policy:
        """The policy of a field: its own, else that of the rule."""
        return Policy(own or (self.on_link if linking else self.on_conflict))
