"""The status of a service problem, in TMF656 v4's spelling, whatever the source wrote.

v4 and v5 have an enumeration of eight values; v2 and v3 write free text ("In Progress - Held"); gateways write
"IN_PROGRESS", "Submitted", "canceled" or words of their own. The raw text is always kept beside the normalised value,
and an unknown word is never a reason to refuse a problem.
"""

from enum import StrEnum


class Status(StrEnum):
    """Normalised status. `SUBMITTED` stands in v2/v3 and in v4's prose, not in v4's enumeration."""

    SUBMITTED = "submitted"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    PENDING = "pending"
    HELD = "held"
    IN_PROGRESS = "inProgress"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    UNKNOWN = "unknown"


_SEPARATORS = str.maketrans("", "", " \t_-\u2010\u2011\u2012\u2013\u2014[]()./,:")

_EXACT = {status.value: status for status in Status}

_SPELLINGS = {status.value.lower(): status for status in Status if status is not Status.UNKNOWN} | {
    "canceled": Status.CANCELLED,
    "inprogressheld": Status.HELD,
    "inprogresspending": Status.PENDING,
    "progressheld": Status.HELD,
    "progresspending": Status.PENDING,
    "onhold": Status.HELD,
}


def normalise(raw: str | None) -> Status:
    """Return the status that `raw` means: case, blanks, `_`, `-` and dashes do not matter.

    >>> normalise("In Progress \u2013 Held"), normalise("Canceled"), normalise("zzz")
    (<Status.HELD: 'held'>, <Status.CANCELLED: 'cancelled'>, <Status.UNKNOWN: 'unknown'>)
    """
    if raw is None:
        return Status.UNKNOWN
    if raw in _EXACT:
        return _EXACT[raw]
    return _SPELLINGS.get(raw.translate(_SEPARATORS).lower(), Status.UNKNOWN)
