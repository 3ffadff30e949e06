"""The status of a service problem, in TMF656 v4's spelling, whatever the source wrote.

v4 and v5 have an enumeration of eight values; v2 and v3 write free text ("In Progress - Held"); gateways write the
words of the ticket system behind them (ServiceNow, Remedy, Jira, OTRS, TMF621). The raw text is always kept beside the
normalised value, and an unknown word is never a reason to refuse a problem.
"""

from enum import StrEnum

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
        submitted new newticket created registered logged reported raised recorded received receivedbygateway incoming
        todo backlog unassigned initial initiated draft requested notstarted
    """,
    Status.ACKNOWLEDGED: """
        acknowledged acknowledge ack acked open opened accepted assigned confirmed triaged triage queued qualified
        classified validated dispatched senttosupplier scheduled planned
    """,
    Status.IN_PROGRESS: """
        inprogress workinprogress wip progress progressing ongoing underway active started working workedon
        beingworkedon beingworked inprocess processing inprocessing inwork underinvestigation investigating
        ininvestigation investigation analyzing analysing inanalysis underanalysis analysis assess assessment
        assessing diagnosing diagnosis rootcauseanalysis fixinprogress fixing implementing implementation
        indevelopment inreview underreview review reviewing testing intesting verification verifying reopened reopen
        reactivated escalated identified inrepair repairing
    """,
    Status.HELD: """
        held hold onhold inprogressheld progressheld suspended paused deferred stalled blocked parked postponed
        delayed frozen stopped
    """,
    Status.PENDING: """
        pending inprogresspending progresspending awaiting waiting customerpending vendorpending customeraction
        informationrequired inforequired needinfo needmoreinfo moreinforequired feedbackrequired feedback
    """,
    Status.RESOLVED: """
        resolved solved fixed cleared restored repaired recovered mitigated pendingautoclose pendingautoclosesuccessful
        pendingautocloseunsuccessful pendingclosure pendingclose awaitingclosure workdone resolvedpendingclosure
    """,
    Status.CLOSED: """
        closed close complete completed done finished finalized finalised ended archived terminated merged duplicate
        duplicated released
    """,
    Status.CANCELLED: """
        cancelled canceled cancel withdrawn aborted abandoned voided void obsolete discarded wontdo closedcancelled
        closedcanceled closedwithdrawn closedaborted deleted removed revoked
    """,
    Status.REJECTED: """
        rejected reject declined refused denied invalid wontfix notaproblem notabug closedrejected closedinvalid
        closeddeclined failedtosend
    """,
}
"""What ticket systems write, folded. A hold is the handler's, a pending problem waits for somebody else."""

_SPELLINGS = {word: status for status, words in _WORDS.items() for word in words.split()}

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
    return next((status for beginning, status in _BEGINNINGS if word.startswith(beginning)), Status.UNKNOWN)


def fold(raw: str) -> str:
    """Return the letters and digits of a word in lower case.

    >>> fold("Work In-Progress"), fold("workInProgress")
    ('workinprogress', 'workinprogress')
    """
    return "".join(one for one in raw[:_LONGEST_WORD].casefold() if one.isalnum())
