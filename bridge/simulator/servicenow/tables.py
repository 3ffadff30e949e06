"""The tables of the simulated instance: their columns, choices and references, a part of what is delivered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["string", "integer", "boolean", "datetime", "reference", "journal", "sys_id"]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: its type, the labels of its choices, and the table that it refers to."""

    type: ColumnType = "string"
    choices: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""


_TEXT, _WHOLE, _TIME, _TRUTH = TableColumn(), TableColumn("integer"), TableColumn("datetime"), TableColumn("boolean")
_USER, _GROUP = TableColumn("reference", reference="sys_user"), TableColumn("reference", reference="sys_user_group")
_SYSTEM = {
    "sys_id": TableColumn("sys_id"),
    "sys_created_on": _TIME,
    "sys_created_by": _TEXT,
    "sys_updated_on": _TIME,
    "sys_updated_by": _TEXT,
    "sys_mod_count": _WHOLE,
}
_SCALE = {"1": "1 - High", "2": "2 - Medium", "3": "3 - Low"}
_PRIORITIES = {"1": "1 - Critical", "2": "2 - High", "3": "3 - Moderate", "4": "4 - Low", "5": "5 - Planning"}
_TASK = _SYSTEM | {
    "number": _TEXT,
    "short_description": _TEXT,
    "description": _TEXT,
    "impact": TableColumn("integer", _SCALE),
    "urgency": TableColumn("integer", _SCALE),
    "priority": TableColumn("integer", _PRIORITIES),
    "active": _TRUTH,
    "opened_at": _TIME,
    "opened_by": _USER,
    "closed_at": _TIME,
    "assigned_to": _USER,
    "assignment_group": _GROUP,
    "correlation_id": _TEXT,
    "correlation_display": _TEXT,
    "close_notes": _TEXT,
    "comments": TableColumn("journal"),
    "work_notes": TableColumn("journal"),
}
_INCIDENT_STATES = {
    "1": "New",
    "2": "In Progress",
    "3": "On Hold",
    "6": "Resolved",
    "7": "Closed",
    "8": "Canceled",
}
_HOLDS = {"1": "Awaiting Caller", "3": "Awaiting Problem", "4": "Awaiting Vendor", "5": "Awaiting Change"}
_PROBLEM_STATES = {
    "101": "New",
    "102": "Assess",
    "103": "Root Cause Analysis",
    "104": "Fix in Progress",
    "106": "Resolved",
    "107": "Closed",
}
_CASE_STATES = {
    "1": "New",
    "10": "Open",
    "18": "Awaiting Info",
    "6": "Resolved",
    "3": "Closed",
    "7": "Cancelled",
}

TABLES: Mapping[str, Mapping[str, TableColumn]] = {
    "incident": _TASK
    | {
        "state": TableColumn("integer", _INCIDENT_STATES),
        "hold_reason": TableColumn("integer", _HOLDS),
        "category": TableColumn(choices={"network": "Network", "hardware": "Hardware", "inquiry": "Inquiry / Help"}),
        "caller_id": _USER,
        "close_code": _TEXT,
        "resolved_at": _TIME,
        "u_source": _TEXT,
        "u_external_id": _TEXT,
    },
    "problem": _TASK
    | {
        "state": TableColumn("integer", _PROBLEM_STATES),
        "category": _TEXT,
        "resolution_code": _TEXT,
        "cause_notes": _TEXT,
        "fix_notes": _TEXT,
        "resolved_at": _TIME,
    },
    "sn_sprb_mgmt_case": _TASK
    | {
        "state": TableColumn("integer", _CASE_STATES),
        "category": _TEXT,
        "resolution_code": _TEXT,
        "resolved_at": _TIME,
    },
    "sys_user": _SYSTEM | {"user_name": _TEXT, "name": _TEXT, "active": _TRUTH},
    "sys_user_group": _SYSTEM | {"name": _TEXT, "active": _TRUTH},
    "sys_journal_field": _SYSTEM | {"element_id": _TEXT, "element": _TEXT, "name": _TEXT, "value": _TEXT},
}
PREFIXES: Mapping[str, str] = {"incident": "INC", "problem": "PRB", "sn_sprb_mgmt_case": "SPC"}
"""How numbers begin; only tables of tickets have them."""
TICKETS = frozenset(PREFIXES)
ENDED: Mapping[str, frozenset[str]] = {
    "incident": frozenset({"7", "8"}),
    "problem": frozenset({"107"}),
    "sn_sprb_mgmt_case": frozenset({"3", "7"}),
}
"""States in which a ticket is not active any more."""
FIRST_STATE: Mapping[str, str] = {"incident": "1", "problem": "101", "sn_sprb_mgmt_case": "1"}
