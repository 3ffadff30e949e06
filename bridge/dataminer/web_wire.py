"""A ticket of legacy Ticketing (DMATicket) ↔ its record and a version 4 service problem; no I/O.

The record has the ticket's fields by their names, and what every ticket has: `DataMinerID`, `ID`, `UID`,
`TicketTypeID`, `TimeCreatedUTC`, `IsClosed`. A ticket is known by `DataMinerID/ID`, as DataMiner writes it; no time of
its last change exists.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from bridge.dataminer.field_values import STATE, read_values
from bridge.domain.ticket_system import Record, characteristics_of

KEY_OWNER: Final = "tmf656-bridge"

_HEAD: Final = ("DataMinerID", "ID", "UID", "TicketTypeID", "TimeCreatedUTC", "IsClosed")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class FieldNames(Struct, frozen=True):
    """Which fields of the ticket type stand for what; "": none."""

    name: str
    description: str
    priority: str
    owner: str
    key: str


class TicketNumber(Struct, frozen=True):
    """What a ticket is known by."""

    agent: int
    number: int

    def __str__(self) -> str:
        """Write it as DataMiner does.

        >>> str(TicketNumber(101, 7))
        '101/7'
        """
        return f"{self.agent}/{self.number}"


def number_of(text: str) -> TicketNumber | None:
    """Read `DataMinerID/ID`; None for any other text."""
    agent, _, number = text.partition("/")
    usable = all(part.isascii() and part.isdigit() and len(part) < 12 for part in (agent, number))
    return TicketNumber(int(agent), int(number)) if usable else None


def number_in(ticket: Mapping[str, Any]) -> TicketNumber | None:
    """Return the number of a DMATicket; None where it has none."""
    agent, number = ticket.get("DataMinerID"), ticket.get("ID")
    return TicketNumber(agent, number) if type(agent) is int and type(number) is int else None


def record_in(ticket: Mapping[str, Any]) -> Record:
    """Return the fields of a ticket, those of its type first: one that has the name of a general one is kept."""
    return {name: ticket[name] for name in _HEAD if name in ticket} | read_values(ticket.get("Fields"))


def item_of(ticket: Mapping[str, Any], names: FieldNames) -> dict[str, Any]:
    """Return a ticket as a version 4 service problem; words stay as they are."""
    record = record_in(ticket)
    number = number_in(ticket)
    item: dict[str, Any] = {} if number is None else {"id": str(number)}
    for ours, theirs in (("name", names.name), ("description", names.description), ("priority", names.priority)):
        if record.get(theirs) not in (None, ""):
            item[ours] = record[theirs]
    item["status"] = state_in(ticket)
    if created := created_at(ticket):
        item["creationDate"] = created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if owner := record.get(names.owner):
        item["responsibleParty"] = {"name": owner, "role": "owner"}
    if key := record.get(names.key):
        item["externalIdentifier"] = [{"id": key, "owner": KEY_OWNER, "externalIdentifierType": "link"}]
    item["characteristic"] = characteristics_of(record)
    return item


def state_in(ticket: Mapping[str, Any]) -> str | None:
    """Return the word of the field that is of type State; None where there is none."""
    fields = ticket.get("Fields")
    for each in fields if isinstance(fields, list) else []:
        if isinstance(each, dict) and each.get("Type") == STATE:
            shown = each.get("DisplayValue")
            return str(shown) if shown else None
    return None


def created_at(ticket: Mapping[str, Any]) -> datetime | None:
    """Return when a ticket was created."""
    milliseconds = ticket.get("TimeCreatedUTC")
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool):
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def tickets_in(page: Mapping[str, Any]) -> list[Any] | None:
    """Return the list of a DMATicketsPage, whose name is not documented: the only list that it has, else the one with
    tickets. None: there is none, or no telling.
    """
    lists = [value for value in page.values() if isinstance(value, list)]
    if len(lists) > 1:
        lists = [each for each in lists if each and all(isinstance(one, dict) and "Fields" in one for one in each)]
    return lists[0] if len(lists) == 1 else None
