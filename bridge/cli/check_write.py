"""`check --write SOURCE`: one probe ticket is made, found, changed, moved, noted and ended.

What is found out is what no document says of this system: whether an update keeps the fields that it does not name,
whether versions are counted, whether notes are added or replace those there, which status ends a ticket. The probe is
ended whatever happens after it was made; where that fails, or the answer to its creation was lost, the report says
what was left there, with its id or its key.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from bridge.bootstrap import client_for, reader_for, writer_for
from bridge.cli.finding import Finding
from bridge.domain.link.key import link_key
from bridge.domain.ticket_system import OutcomeUnknownError, Ticket, TicketWriter
from bridge.errors import BridgeError
from bridge.settings import DataminerSettings, ServiceNowSettings, SourceSettings, Tmf656Settings
from bridge.sources.client import SourceClient
from bridge.sources.state import SourceState
from bridge.telemetry.metrics import Metrics

_NAME: Final = "Probe of tmf656-bridge, may be deleted"
_TEXT: Final = "Made by `tmf656-bridge check --write` to see how tickets are written here; it ends by itself."
_CHANGED: Final = f"{_TEXT} Changed once."
_NOTES: Final = ("First note of the probe.", "Second note of the probe.")


@dataclass(frozen=True, slots=True)
class _ProbeFields:
    """How the probe is written in one kind of system. `ends`: changes that end it, tried in this order."""

    name: str
    description: str
    status: str
    values: Mapping[str, Any]
    moved: str
    ends: tuple[Mapping[str, Any], ...]


async def check_write(name: str, settings: SourceSettings) -> list[Finding]:
    """Write one probe ticket to a source and end it; refused without `write = true`."""
    if not settings.write:
        return [
            Finding(name, "write", False, "write = false: nothing is sent", f"set sources.{name}.write = true to try")
        ]
    if isinstance(settings, DataminerSettings):  # to see what an update does with fields that it does not name
        settings = settings.model_copy(update={"update_sends": "changed"})
    try:
        async with client_for(name, settings, Metrics()) as client:
            source = SourceState(name, 0, settings, client, reader_for(settings), callback="", secrets=())
            source.version = await _version(source, client)
            key = link_key("check --write", name, secrets.token_hex(8), 0)
            probe = _Probe(name, settings, writer_for(source), _fields(settings, source.version), key)
            await probe.run()
            return probe.findings
    except BridgeError as error:
        return [Finding(name, "write", False, str(error))]


async def _version(source: SourceState, client: SourceClient) -> str | None:
    """The version of the model that the first ticket of the list looks like."""
    async for page in client.pages():
        if page.items:
            return source.reader.detect_version(page.items[0].read())
    return None


def _fields(settings: SourceSettings, version: str | None) -> _ProbeFields:
    values: dict[str, Any]
    ends: tuple[Mapping[str, Any], ...]
    match settings:
        case Tmf656Settings():
            values = {"description": _TEXT, "category": "serviceProvider.declarer", "priority": 5, "reason": _NAME}
            if version == "2":
                values["originatingSystem"] = "tmf656-bridge"
            else:
                party = {"id": "tmf656-bridge", "role": "originator", "@referredType": "Organization"}
                values["originatorParty"] = party
            ends = ({"status": "cancelled"}, {"status": "closed"}, {"status": "resolved"})
            return _ProbeFields("reason", "description", "status", values, "inProgress", ends)
        case ServiceNowSettings():
            values = {"short_description": _NAME, "description": _TEXT, "impact": "3", "urgency": "3"}
            closing = {"close_code": "Solution provided", "close_notes": _NAME}
            if settings.table == "problem":
                closing = {"resolution_code": "canceled", "close_notes": _NAME}
                ends = ({"state": "107"} | closing, {"active": "false"})
                return _ProbeFields("short_description", "description", "state", values, "102", ends)
            ends = ({"state": "8"}, {"state": "8"} | closing, {"state": "7"} | closing, {"state": "6"} | closing)
            return _ProbeFields("short_description", "description", "state", values, "2", ends)
        case DataminerSettings():
            texts = settings.name_field, settings.description_field
            values = {field: text for field, text in zip(texts, (_NAME, _TEXT), strict=True) if field}
            ends = ({"State": "Closed"}, {"State": "Solved"})
            return _ProbeFields(*texts, "State", values, "In Progress", ends)
        case _:
            values = {"name": _NAME, "description": _TEXT, "priority": "Low", "type": "Incident Report"}
            ends = ({"state": "Cancelled"}, {"state": "Closed"}, {"state": "Resolved"})
            return _ProbeFields("name", "description", "state", values, "In Progress", ends)


@dataclass(slots=True)
class _Probe:
    """One ticket on its way. `findings` grow as it goes."""

    source: str
    settings: SourceSettings
    writer: TicketWriter
    fields: _ProbeFields
    key: str
    findings: list[Finding] = field(default_factory=list)

    async def run(self) -> None:
        """Make the probe, try everything, and end it whatever happened."""
        ticket = await self._made()
        if ticket is None:
            return
        try:
            for step in (self._find, self._change, self._move, self._note):
                await self._tried(step, ticket)
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(ticket)

    async def _made(self) -> Ticket | None:
        try:
            ticket = await self.writer.create(self.fields.values, self.key)
        except OutcomeUnknownError as error:
            return await self._lost(error)
        except BridgeError as error:
            remedy = "set what it asks for in create_left or create_right of the rule, or give the account the right"
            self._say("create", works=False, found=str(error), remedy=remedy)
            return None
        self._say("create", works=True, found=f"ticket {ticket.id} was made")
        return ticket

    async def _lost(self, error: OutcomeUnknownError) -> Ticket | None:
        """The answer was lost: is it there?"""
        self._say("create", works=False, found=f"not answered: {error}")
        try:
            found = await self.writer.find(self.key)
        except BridgeError as failure:
            found = []
            self._say("find", works=False, found=str(failure))
        if found:
            return found[0]
        remedy = f"it may be carried out late: look for {self.key} there in a few minutes, and end it by hand"
        self._say("left open", works=None, found=f"perhaps a ticket with the key {self.key}", remedy=remedy)
        return None

    async def _tried(self, step: Callable[[Ticket], Awaitable[None]], ticket: Ticket) -> None:
        """Take one step; what fails is a finding and ends no other step."""
        try:
            await step(ticket)
        except BridgeError as error:
            self._say(step.__name__.strip("_"), works=False, found=str(error))

    async def _find(self, ticket: Ticket) -> None:
        """By its key a ticket is found again after a lost answer."""
        found = [one.id for one in await self.writer.find(self.key)]
        if found == [ticket.id]:
            self._say("find", works=True, found="found by its key")
        else:
            shown = ", ".join(found) or "nothing"
            remedy = (
                "without it a lost answer cannot be settled: look at key_field, and whether the account may read it"
            )
            self._say("find", works=False, found=f"a search for its key gives {shown}", remedy=remedy)

    async def _change(self, ticket: Ticket) -> None:
        before = await self.writer.fetch(ticket.id)
        names = self.fields
        if not names.description:
            return
        after = await self.writer.change(ticket.id, {names.description: _CHANGED}, version=before.version)
        kept, changed = after.record.get(names.name), after.record.get(names.description)
        if changed != _CHANGED:
            remedy = "fields that it rewrites end as conflicts of kind refused: see compare and max_length"
            self._say("change", works=False, found=f"{names.description} says {changed!r} afterwards", remedy=remedy)
        elif kept != before.record.get(names.name):
            remedy = f'keep sources.{self.source}.update_sends = "whole"' if self._is_legacy else "do not write to it"
            await self.writer.change(ticket.id, {names.name: _NAME, names.description: _CHANGED})
            self._say("change", works=None, found="an update erases the fields that it does not name", remedy=remedy)
        else:
            remedy = f'sources.{self.source}.update_sends = "changed" would do' if self._is_legacy else ""
            self._say("change", works=True, found="an update keeps the fields that it does not name", remedy=remedy)
        self._versions(before, after)

    def _versions(self, before: Ticket, after: Ticket) -> None:
        if self.writer.capabilities.compare_and_set:
            self._say("versions", works=True, found="compared before each change: nobody is overwritten")
        elif after.version is None or after.version == before.version:
            self._say("versions", works=None, found="not counted: a change in the moment of our write is not noticed")
        else:
            self._say("versions", works=True, found=f"{before.version} became {after.version} by one change")

    async def _move(self, ticket: Ticket) -> None:
        after = await self.writer.change(ticket.id, {self.fields.status: self.fields.moved})
        says = after.record.get(self.fields.status)
        works = str(says) == self.fields.moved
        remedy = "" if works else "look at the map of the rule, and at what its workflow asks for (`with`)"
        self._say("status", works=works, found=f"{self.fields.moved} was written, it says {says}", remedy=remedy)

    async def _note(self, ticket: Ticket) -> None:
        if self.writer.capabilities.notes == "none":
            self._say(
                "notes", works=None, found="tickets have none here", remedy='set notes.direction = "none" in rules'
            )
            return
        for text in _NOTES:
            code = secrets.token_hex(4)
            await self.writer.add_note(ticket.id, f"[{code}]\n{text}", code=code)
        found = [note.text for note in await self.writer.notes(ticket.id)]
        times = [sum(text in one for one in found) for text in _NOTES]
        remedy = "look at `journals` and the rights of the account" if not any(times) else ""
        says = {
            (1, 1): "each note stands once beside the others",
            (0, 1): "a note replaces those before it",
            (0, 0): "notes are taken, and cannot be read back",
        }.get((times[0], times[1]), f"the first note stands {times[0]} times, the second {times[1]} times")
        self._say("notes", works=times == [1, 1], found=says, remedy=remedy)

    async def _end(self, ticket: Ticket) -> None:
        refused = ""
        for changes in self.fields.ends:
            try:
                after = await self.writer.change(ticket.id, changes)
            except BridgeError as error:
                refused = str(error)
                continue
            if self.fields.status not in changes or after.record.get(self.fields.status) == changes[self.fields.status]:
                self._say("end", works=True, found=f"ticket {ticket.id} has ended: {_shown(changes)}")
                return
        remedy = f"end ticket {ticket.id} by hand: {_NAME!r}"
        self._say("left open", works=False, found=f"ticket {ticket.id} could not be ended: {refused}", remedy=remedy)

    @property
    def _is_legacy(self) -> bool:
        return isinstance(self.settings, DataminerSettings)

    def _say(self, aspect: str, *, works: bool | None, found: str, remedy: str = "") -> None:
        self.findings.append(Finding(self.source, aspect, works, found, remedy))


def _shown(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in changes.items())
