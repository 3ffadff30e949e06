"""Field values of Web Services v1 ↔ plain values by the name of the field; no I/O.

There a ticket is a list of {Name, Value, DisplayValue, Type}. `Value` is an integer: the number of a state or a choice,
a whole number, 0 or 1, milliseconds since 1970; a text stands in `DisplayValue`. Here states and choices are their
words, yes and no are true and false, and times are ISO 8601 in UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from bridge.domain.ticket_system import WriteRefusedError

STATE: Final = "State"
"""The type of the field that each ticket must have, and its usual name."""

_CHOICES: Final = frozenset({STATE, "DropDown"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YES: Final = frozenset({"true", "yes", "1"})


class TicketField(Struct, frozen=True):
    """A field of a ticket type. `choices`: the numbers of its words."""

    name: str
    type: str
    choices: Mapping[str, int]


def fields_in(document: object) -> dict[str, TicketField]:
    """Return the fields that GetTicketFields answers, by name: those of DataMiner and of the third party, whatever the
    two sets are called.
    """
    found: dict[str, TicketField] = {}
    waiting = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            name, kind = each.get("Name"), each.get("Type")
            if isinstance(name, str) and isinstance(kind, str):
                found.setdefault(name, TicketField(name, kind, _choices(each.get("PossibleValues"))))
            else:
                waiting += each.values()
    return found


def read_values(fields: object) -> dict[str, Any]:
    """Return the values of a ticket's fields by name; what is no field value is left out."""
    listed = fields if isinstance(fields, list) else []
    return {
        each["Name"]: _value(each) for each in listed if isinstance(each, dict) and isinstance(each.get("Name"), str)
    }


def written(values: Mapping[str, Any], fields: Mapping[str, TicketField]) -> list[dict[str, Any]]:
    """Return values as CreateTicket and UpdateTicket take them. WriteRefusedError for a field that there is not, or a
    value that it cannot have.
    """
    if unknown := sorted(set(values) - set(fields)):
        raise WriteRefusedError(
            f"the ticket type has no field {', '.join(unknown)} (it has: {', '.join(sorted(fields))})"
        )
    return [_written(fields[name], value) for name, value in values.items()]


def as_written(ticket: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of a ticket that was read as UpdateTicket takes them, with the values that they have."""
    fields = ticket.get("Fields")
    named = [each for each in fields if isinstance(each, dict) and "Name" in each] if isinstance(fields, list) else []
    return [{name: each.get(name) for name in ("Name", "Type", "Value", "DisplayValue")} for each in named]


def _value(field: Mapping[str, Any]) -> Any:
    number, shown, kind = field.get("Value"), field.get("DisplayValue"), field.get("Type")
    if kind == "Boolean":
        return bool(number) if isinstance(number, int) else str(shown).casefold() in _YES
    if kind == "Integer" and isinstance(number, int):
        return number
    if kind == "DateTime" and isinstance(number, int):
        return _instant(number) or shown
    if kind == "Double":
        return _decimal(shown, number)
    return number if shown in (None, "") else shown


def _written(field: TicketField, value: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"Name": field.name, "Type": field.type, "Value": None, "DisplayValue": ""}
    if value is None or value == "":
        return said
    if field.type in _CHOICES:
        number = field.choices.get(str(value))
        if number is None:
            raise WriteRefusedError(f"field {field.name} has no value {value!r} (it has: {', '.join(field.choices)})")
        return said | {"Value": number, "DisplayValue": str(value)}
    if field.type == "Boolean":
        yes = value if isinstance(value, bool) else str(value).casefold() in _YES
        return said | {"Value": int(yes), "DisplayValue": "Yes" if yes else "No"}
    if field.type == "Integer":
        return said | {"Value": _whole(field, value), "DisplayValue": str(value)}
    if field.type == "DateTime":
        return said | {"Value": _milliseconds(field, value), "DisplayValue": str(value)}
    return said | {"DisplayValue": str(value)}


def _choices(listed: object) -> dict[str, int]:
    elements = listed if isinstance(listed, list) else []
    return {
        each["Display"]: each["Value"]
        for each in elements
        if isinstance(each, dict) and isinstance(each.get("Display"), str) and isinstance(each.get("Value"), int)
    }


def _instant(milliseconds: int) -> str | None:
    try:
        at = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _decimal(shown: object, number: object) -> Any:
    try:
        return float(str(shown).replace(",", "."))
    except ValueError:
        return number


def _whole(field: TicketField, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise WriteRefusedError(f"field {field.name} takes a whole number, not {value!r}") from error


def _milliseconds(field: TicketField, value: Any) -> int:
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return (at - _EPOCH) // timedelta(milliseconds=1)
    except (TypeError, ValueError, OverflowError) as error:
        raise WriteRefusedError(f"field {field.name} takes a time, 2026-01-31T12:00:00Z, not {value!r}") from error
