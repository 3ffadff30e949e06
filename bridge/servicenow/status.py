"""What the states of the usual tables mean, as they are delivered. `status_map` of a source says otherwise.

A state is looked up with the field that says more (`3/1`: on hold, awaiting the caller), then alone.
"""

from collections.abc import Mapping
from typing import Final

_INCIDENT: Final = {
    "1": "acknowledged",
    "2": "inProgress",
    "3": "held",
    "3/1": "pending",
    "6": "resolved",
    "7": "closed",
    "8": "cancelled",
}
_PROBLEM: Final = {
    "101": "acknowledged",
    "102": "inProgress",
    "103": "inProgress",
    "104": "inProgress",
    "106": "resolved",
    "107": "closed",
    "107/canceled": "cancelled",
}
_CASE: Final = {
    "1": "acknowledged",
    "10": "inProgress",
    "18": "pending",
    "6": "resolved",
    "3": "closed",
    "7": "cancelled",
}
_TASK: Final = {
    "-5": "pending",
    "1": "acknowledged",
    "2": "inProgress",
    "3": "closed",
    "4": "closed",
    "7": "cancelled",
}

STATUSES: Final[Mapping[str, Mapping[str, str]]] = {
    "incident": _INCIDENT,
    "problem": _PROBLEM,
    "sn_customerservice_case": _CASE,
    "sn_sprb_mgmt_case": _CASE,
}
DETAILS: Final[Mapping[str, str]] = {"incident": "hold_reason", "problem": "resolution_code"}
"""The field that says more about a state, by table."""


def status_of(table: str, record: Mapping[str, str], status_map: Mapping[str, str]) -> str:
    """Return the TMF656 status of a record, or its state as it is where nothing says what that means."""
    state, detail = record.get("state", ""), record.get(DETAILS.get(table, ""), "")
    names = (f"{state}/{detail}", state)
    for words in (status_map, STATUSES.get(table, _TASK)):
        for name in names:
            if name in words:
                return words[name]
    return state
