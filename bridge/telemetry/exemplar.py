"""Exemplars: an example notification for each bucket of a histogram, for a scrape that asks for OpenMetrics.

Off unless `http.metrics_exemplars` is set, because they show ids of problems to every reader of /metrics. A histogram
keeps one exemplar per bucket, the latest. It contains the id of the problem and, where the sender or a proxy records a
trace of the request (W3C Trace Context, flag *sampled*), the id of that trace.

The header is stored in a context variable where the request is read, and read where the notification is counted, in the
same task: no function in between has a parameter for it.
"""

import re
from contextvars import ContextVar

_MOST = 128
"""Characters of all names and values together (OpenMetrics 1.0, Exemplars)."""
_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1

_trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)


def note(traceparent: str | None) -> None:
    """Note the trace of this task's request; None, or a trace that is not recorded, clears it."""
    _trace_id.set(_kept(traceparent) if traceparent else None)


def exemplar(problem_id: str | None) -> dict[str, str]:
    """Return the labels for an observation; an id that is too long or would need escaping is left out."""
    trace_id = _trace_id.get()
    labels = {"trace_id": trace_id} if trace_id else {}
    room = _MOST - sum(len(name) + len(value) for name, value in labels.items())
    if problem_id and len("problem_id") + len(problem_id) <= room and _is_plain(problem_id):
        labels["problem_id"] = problem_id
    return labels


def _is_plain(text: str) -> bool:
    """Whether the text needs no escaping: not every OpenMetrics parser accepts escapes here (Python's fails)."""
    return text.isprintable() and '"' not in text and "\\" not in text


def _kept(traceparent: str) -> str | None:
    """Return the id of a recorded trace. Later versions of the header may have more fields, version 00 may not."""
    found = _PARENT.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace_id, flags, more = found.groups()
    return trace_id if int(flags, 16) & _SAMPLED and not (version == "00" and more) else None
