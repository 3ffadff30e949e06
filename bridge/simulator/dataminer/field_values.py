"""Tickets of Web Services v1 as JSON: fields are a list of {Name, DisplayName, Value, DisplayValue, Type}.

`Value` is an integer for states, choices, integers, yes/no and times (milliseconds UTC); a text stands in
`DisplayValue` alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bridge.simulator.dataminer.ticket_store import StoredTicket

Json = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS: Final = frozenset({"Text", "Email", "Url", "User", "DataMiner Object"})


class FieldValueError(ValueError):
    """A field value that the ticket type does not have, or not like this."""


@dataclass(frozen=True, slots=True)
class FieldKind:
    """A field of the ticket type. `choices`: what a state or a drop-down can be, with the numbers in the database."""

    name: str
    type: str
    choices: Mapping[str, int] | None = None
    required: bool = False

    def said(self, value: Any) -> Json:
        """Return a value as a DMATicketFieldValueDisplay."""
        number, shown = None, str(value)
        if self.choices is not None:
            number = value
            shown = next((word for word, known in self.choices.items() if known == value), "")
        elif self.type == "Boolean":
            number, shown = int(value), "Yes" if value else "No"
        elif self.type == "DateTime":
            number = value
            shown = (_EPOCH + timedelta(milliseconds=value)).strftime("%Y-%m-%d %H:%M:%S")
        elif self.type == "Integer":
            number = value
        return {
            "__type": "Skyline.DataMiner.Web.Common.v1.DMATicketFieldValueDisplay",
            "Name": self.name,
            "DisplayName": self.name,
            "Type": self.type,
            "Value": number,
            "DisplayValue": shown,
        }

    def read(self, stated: Mapping[str, Any]) -> Any:
        """Return the value that a caller states, None for none. Raises FieldValueError."""
        number, shown = stated.get("Value"), stated.get("DisplayValue")
        if number is None and shown in (None, ""):
            return None
        if self.choices is not None:
            if number is None:
                number = self.choices.get(str(shown))
            if number not in self.choices.values():
                raise FieldValueError(f"Field {self.name} has no value {shown if number is None else number}.")
            return number
        if self.type in _TEXTS:
            if not isinstance(shown, str):
                raise FieldValueError(f"Field {self.name} needs a DisplayValue.")
            return shown
        if type(number) is not int:
            raise FieldValueError(f"Field {self.name} needs a Value.")
        return bool(number) if self.type == "Boolean" else number

    def described(self) -> Json:
        """Return the field as a DMATicketField."""
        return {
            "Name": self.name,
            "DisplayName": self.name,
            "Type": self.type,
            "IsRequired": self.required,
            "PossibleValues": [{"Display": word, "Value": number} for word, number in (self.choices or {}).items()],
            "DefaultValue": None,
            "ExternalFieldName": None,
            "IsExternalMaster": False,
        }


STATES: Final = {"New": 1, "Assigned": 2, "In Progress": 3, "On Hold": 4, "Solved": 5, "Closed": 6}
CLOSED: Final = 6
FIELDS: Final = (
    FieldKind("Name", "Text", required=True),
    FieldKind("Description", "Text"),
    FieldKind("State", "State", STATES, required=True),
    FieldKind("Priority", "DropDown", {"Critical": 1, "High": 2, "Medium": 3, "Low": 4}),
    FieldKind("Severity", "DropDown", {"Critical": 10, "Major": 20, "Minor": 30}),
    FieldKind("Owner", "User"),
    FieldKind("Due", "DateTime"),
    FieldKind("Customer Informed", "Boolean"),
    FieldKind("Affected Services", "Integer"),
    FieldKind("Incident Number", "Text"),
    FieldKind("Incident Link", "Url"),
    FieldKind("Bridge Key", "Text"),
)


class TicketKind:
    """A ticket type, or domain: its fields by name."""

    def __init__(self, name: str, type_id: str, fields: Sequence[FieldKind] = FIELDS) -> None:
        """Take the fields, one of which has the type State."""
        self.name = name
        self.id = type_id
        self.fields = {field.name: field for field in fields}

    def read(self, stated: object) -> dict[str, Any]:
        """Return the values that a caller's list of fields states; None: to be empty. Raises FieldValueError."""
        if not isinstance(stated, list):
            raise FieldValueError("Fields must be a list.")
        values = {}
        for each in stated:
            name = each.get("Name") if isinstance(each, dict) else None
            field = self.fields.get(name) if isinstance(name, str) else None
            if field is None:
                raise FieldValueError(f"There is no field {name}.")
            values[field.name] = field.read(each)
        return values

    def said(self, ticket: StoredTicket, agent: int) -> Json:
        """Return a ticket as a DMATicket; `agent`: the DataMiner ID that it belongs to."""
        return {
            "__type": "Skyline.DataMiner.Web.Common.v1.DMATicket",
            "DataMinerID": agent,
            "ID": ticket.number,
            "UID": ticket.guid,
            "TicketTypeID": self.id,
            "TimeCreatedUTC": (ticket.created_at - _EPOCH) // timedelta(milliseconds=1),
            "StateColor": "",
            "IsClosed": ticket.values.get("State") == CLOSED,
            "Fields": [self.fields[name].said(value) for name, value in ticket.values.items() if value is not None],
            "LinkFields": [],
        }

    def matches(self, ticket: StoredTicket, wanted: object) -> bool:
        """Tell whether a ticket has the values of a filter's list."""
        said = {each["Name"]: each for each in self.said(ticket, 0)["Fields"]}
        for each in wanted if isinstance(wanted, list) else []:
            found = said.get(each.get("Name"))
            if found is None:
                return False
            if each.get("Value") is not None and each["Value"] != found["Value"]:
                return False
            if each.get("DisplayValue") not in (None, "", found["DisplayValue"]):
                return False
        return True

    def described(self) -> Json:
        """Return the type as a DMATicketType."""
        return {"Name": self.name, "ID": self.id, "IsMasked": False, "UsedExternal": False}
