"""The status of a service problem, in TMF656 v4's spelling, whatever the source wrote.

v4 and v5 have an enumeration of eight values; v2 and v3 write free text ("In Progress - Held"); gateways write the
words of the ticket system behind them (ServiceNow, Remedy, Jira, OTRS, TMF621). The raw text is always kept beside the
normalised value, and an unknown word is never a reason to refuse a problem.
"""

import re
from enum import StrEnum
from unicodedata import normalize

from bridge.domain.foreign_words import STATUS_WORDS, spelt

_LONGEST_WORD = 100


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


_EXACT = {status.value: status for status in Status}

_WORDS = {
    Status.SUBMITTED: """
        submitted new newticket created registered logged reported raised recorded received receivedbygateway
        incoming todo backlog unassigned initial initiated draft requested notstarted
    """,
    Status.ACKNOWLEDGED: """
        acknowledged acknowledge ack acked open opened accepted assigned confirmed triaged triage queued
        qualified classified validated dispatched senttosupplier scheduled planned reassigned
    """,
    Status.IN_PROGRESS: """
        inprogress workinprogress wip progress progressing ongoing underway active started working workedon
        beingworkedon beingworked inprocess processing inprocessing inwork underinvestigation investigating
        ininvestigation investigation analyzing analysing inanalysis underanalysis analysis assess assessment
        assessing diagnosing diagnosis rootcauseanalysis fixinprogress fixing implementing implementation
        enroute onsite indevelopment inreview underreview review reviewing testing intesting verification
        verifying reopened reopen reactivated escalated identified inrepair repairing
    """,
    Status.HELD: """
        held hold onhold inprogressheld progressheld suspended paused deferred stalled blocked parked postponed
        delayed frozen stopped
    """,
    Status.PENDING: """
        pending inprogresspending progresspending awaiting waiting customerpending vendorpending customeraction
        informationrequired inforequired needinfo needmoreinfo moreinforequired testpending feedbackrequired
        feedback
    """,
    Status.RESOLVED: """
        resolved solved fixed cleared restored repaired recovered mitigated pendingautoclose
        pendingautoclosesuccessful pendingautocloseunsuccessful pendingclosure pendingclose awaitingclosure
        workdone workcomplete workcompleted clear resolvedpendingclosure
    """,
    Status.CLOSED: """
        closed close complete completed done finished finalized finalised ended archived terminated merged
        duplicate duplicated released
    """,
    Status.CANCELLED: """
        cancelled canceled cancel withdrawn aborted abandoned voided void obsolete discarded wontdo
        closedcancelled closedcanceled closedwithdrawn closedaborted deleted removed revoked
    """,
    Status.REJECTED: """
        rejected reject declined refused denied invalid wontfix notaproblem notabug closedrejected
        closedinvalid closeddeclined failedtosend
    """,
}
"""What ticket systems write, folded. A hold is the handler's, a pending problem waits for somebody else."""

_SPELLINGS = {word: Status(status) for status, words in STATUS_WORDS.items() for word in spelt(words)} | {
    word: status for status, words in _WORDS.items() for word in words.split()
}

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MARKUP = re.compile(r"<[^<>]{0,60}>")
_LABELS = frozenset(
    {"status", "state", "st", "ticket", "tickets", "ticketstatus", "ticketstate", "problem", "problemstatus"}
    | {"incident", "incidentstatus", "case", "issue", "workflow", "step", "phase", "stage", "is", "has", "was", "been"}
)
"""Words before a status that say nothing about it: `Status: Closed`, `TICKET_CLOSED`, `TicketStatus.CLOSED`."""
_HOW = frozenset(
    {"auto", "automatically", "autoclose", "manually", "system", "force", "forced", "forcibly", "permanently", "fully"}
    | {"finally", "service", "customer", "user", "vendor", "technically", "administratively"}
)
"""Words before a status that say how it came about: `Auto-closed`, `Permanently resolved`, `Service restored`."""

_PARTING = re.compile(r"\s+[-\u2013\u2014]+\s+|[:/,;|>\u2192]+")
_ENDS = frozenset({Status.RESOLVED, Status.CLOSED, Status.CANCELLED, Status.REJECTED})

_BEGINNINGS = (
    ("workinprogress", Status.IN_PROGRESS),
    ("inprogress", Status.IN_PROGRESS),
    ("closed", Status.CLOSED),
    ("cancel", Status.CANCELLED),
    ("resolved", Status.RESOLVED),
    ("rejected", Status.REJECTED),
    ("onhold", Status.HELD),
    ("awaiting", Status.PENDING),
    ("waitingfor", Status.PENDING),
    ("waitingon", Status.PENDING),
    ("pending", Status.PENDING),
    ("acknowledged", Status.ACKNOWLEDGED),
    ("assignedto", Status.ACKNOWLEDGED),
    ("reopened", Status.IN_PROGRESS),
    ("dispatchedto", Status.ACKNOWLEDGED),
    ("fixedin", Status.RESOLVED),
    ("completed", Status.CLOSED),
    ("wartetauf", Status.PENDING),
    ("wartenauf", Status.PENDING),
    ("enattentede", Status.PENDING),
    ("enesperade", Status.PENDING),
    ("pendientede", Status.PENDING),
    ("aguardando", Status.PENDING),
    ("inattesadi", Status.PENDING),
    ("wachtop", Status.PENDING),
    ("wachtenop", Status.PENDING),
    ("ожидает", Status.PENDING),
    ("ожидание", Status.PENDING),
)
"""`Closed Complete`, `Awaiting vendor`, `Pending - customer`: the first word decides, the rest says why."""


def normalise(raw: str | None) -> Status:
    """Return the status that `raw` means: case, blanks, hyphens, dashes, brackets and camelCase do not matter.

    >>> normalise("In Progress \\u2013 Held"), normalise("Awaiting vendor"), normalise("zzz")
    (<Status.HELD: 'held'>, <Status.PENDING: 'pending'>, <Status.UNKNOWN: 'unknown'>)
    """
    if raw is None:
        return Status.UNKNOWN
    if raw in _EXACT:
        return _EXACT[raw]
    word = fold(raw)
    if word in _SPELLINGS:
        return _SPELLINGS[word]
    found = _by_beginning(word)
    return found if found is not Status.UNKNOWN else _undressed(raw[:_LONGEST_WORD])


def _by_beginning(word: str) -> Status:
    return next((status for beginning, status in _BEGINNINGS if word.startswith(beginning)), Status.UNKNOWN)


def _undressed(raw: str) -> Status:
    """Read a word again without what stands around it: a number (`7 - Closed`), labels, how it came about, markup, a
    remark in brackets, wide letters. What is left of it has to be known.
    """
    text = _CAMEL.sub(" ", _MARKUP.sub(" ", normalize("NFKC", raw)))
    words = [word.casefold() for word in _WORD.findall(text)]
    while len(words) > 1 and (words[0].isdigit() or words[0] in _LABELS):
        del words[0]
    if len(words) > 1 and words[0] in _HOW:
        del words[0]
    word = "".join(words)
    if word in _SPELLINGS:
        return _SPELLINGS[word]
    before, bracket, _ = text.partition("(")
    shorter = fold(before) if bracket else ""
    if shorter in _SPELLINGS:
        return _SPELLINGS[shorter]
    found = _by_beginning(word)
    return found if found is not Status.UNKNOWN else _by_parts(text)


def _by_parts(text: str) -> Status:
    """Read `Open - In Progress`, `NEW: unassigned`: the first part has to be known; a last one that is known, too, says
    more, unless the first one is an end.
    """
    if text.lstrip().startswith(("{", "[", '"')):  # JSON of a form that is not known
        return Status.UNKNOWN
    parts = [word for part in _PARTING.split(text) if (word := fold(part))]
    if len(parts) < 2 or parts[0] not in _SPELLINGS:
        return Status.UNKNOWN
    first = _SPELLINGS[parts[0]]
    return first if first in _ENDS else _SPELLINGS.get(parts[-1], first)


def fold(raw: str) -> str:
    """Return the letters and digits of a word in lower case.

    >>> fold("Work In-Progress"), fold("workInProgress")
    ('workinprogress', 'workinprogress')
    """
    return "".join(one for one in raw[:_LONGEST_WORD].casefold() if one.isalnum())
