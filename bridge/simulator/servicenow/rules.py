"""What an instance does by itself when a ticket is written, and what it refuses: business rules and data policies."""

from collections.abc import Mapping

from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.tables import ENDED, TABLES

_PRIORITY = {("1", "1"): "1", ("1", "2"): "2", ("2", "1"): "2", ("2", "2"): "3", ("1", "3"): "3", ("3", "1"): "3"}
_PRIORITY |= {("2", "3"): "4", ("3", "2"): "4", ("3", "3"): "5"}
_RESOLVED = {"incident": "6", "problem": "106", "sn_sprb_mgmt_case": "6"}
_CLOSED = {"incident": "7", "problem": "107", "sn_sprb_mgmt_case": "3"}
_MANDATORY: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("incident", "6"): (("close_code", "Resolution code"), ("close_notes", "Resolution notes")),
    ("incident", "7"): (("close_code", "Resolution code"), ("close_notes", "Resolution notes")),
    ("incident", "3"): (("hold_reason", "On hold reason"),),
    ("problem", "102"): (("assigned_to", "Assigned to"),),
    ("problem", "103"): (("assigned_to", "Assigned to"),),
    ("problem", "104"): (("cause_notes", "Cause notes"), ("fix_notes", "Fix notes")),
    ("problem", "106"): (("resolution_code", "Resolution code"),),
}
"""What has to be filled in a state, by table."""


class RuleError(Exception):
    """A write is refused: message and detail as the platform says them."""

    def __init__(self, message: str, detail: str, status: int = 403) -> None:
        """Keep what is answered."""
        super().__init__(detail)
        self.message, self.detail, self.status = message, detail, status


def check(
    table: str, before: Mapping[str, str], after: Mapping[str, str], given: Mapping[str, str], faults: ServiceNowFaults
) -> None:
    """Refuse what rules and policies of the instance do not allow."""
    if faults.read_only:
        raise RuleError("Operation Failed", "ACL Exception Update Failed due to security constraints")
    if faults.refuse_ended and before.get("state") in ENDED.get(table, ()):
        raise _aborted(table, "Closed tickets are read-only")
    if faults.refused_text and any(faults.refused_text in value for value in given.values()):
        raise _aborted(table, "Refused texts")
    missing = [label for column, label in _MANDATORY.get((table, after.get("state", "")), ()) if not after.get(column)]
    waits_for_caller = table == "incident" and after.get("state") == "3" and after.get("hold_reason") == "1"
    if waits_for_caller and after != before and before.get("state") != "3" and not given.get("comments"):
        missing.append("Additional comments")
    if missing:
        raise RuleError(
            "Operation Failed", f"Data Policy Exception: The following fields are mandatory: {', '.join(missing)}"
        )


def work_out(table: str, before: Mapping[str, str], after: dict[str, str], now: str) -> None:
    """Set what follows from the other columns."""
    columns = TABLES[table]
    state = after.get("state", "")
    if "impact" in columns:
        pair = after.get("impact", "3"), after.get("urgency", "3")
        after["priority"] = _PRIORITY.get(pair, "5")
    if state != "3" and table == "incident":
        after["hold_reason"] = ""
    if state != before.get("state"):
        after["active"] = "false" if state in ENDED.get(table, ()) else "true"
        if state == _RESOLVED.get(table):
            after["resolved_at"] = now
        if state == _CLOSED.get(table):
            after["closed_at"] = now
        if before.get("state") == _RESOLVED.get(table) and after["active"] == "true":
            after["resolved_at"] = ""


def _aborted(table: str, rule: str) -> RuleError:
    return RuleError(
        "Operation Failed",
        f"Operation against file '{table}' was aborted by Business Rule '{rule}^a1b2c3d4e5f60718293a4b5c6d7e8f90'. "
        "Business Rule Stack:" + rule,
    )
