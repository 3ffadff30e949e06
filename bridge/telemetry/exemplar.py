"""Exemplars: which notification stands behind a bar of a histogram, for a scrape that asks for OpenMetrics.

Off unless `http.metrics_exemplars` is set: whoever may read /metrics would see ids of problems. A histogram keeps the
last one of each bucket, so that there are never many. It carries the problem, to look it up, and the trace where the
sender, or a proxy before us, says that it keeps one (W3C Trace Context); a trace that nobody keeps leads nowhere.

The header is noted where the request is read and looked up where its event is counted, in the same task: nothing in
between has to know of it.
"""

import re
from contextvars import ContextVar

_MOST = 128
"""Characters of all names and values together (OpenMetrics 1.0, Exemplars)."""
_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1

_trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)


def note(traceparent: str | None) -> None:
    """Note the trace of the request that this task works on; with None, or what is no kept trace, that it has none."""
    _trace_id.set(_kept(traceparent) if traceparent else None)


def exemplar(problem_id: str | None) -> dict[str, str]:
    """Return the labels for what is counted now; a problem whose id is too long or too odd is left out."""
    trace_id = _trace_id.get()
    labels = {"trace_id": trace_id} if trace_id else {}
    room = _MOST - sum(len(name) + len(value) for name, value in labels.items())
    if problem_id and len("problem_id") + len(problem_id) <= room and _is_plain(problem_id):
        labels["problem_id"] = problem_id
    return labels


def _is_plain(text: str) -> bool:
    """Whether nothing in it has to be escaped: not all readers of OpenMetrics take escapes here (Python's fails)."""
    return text.isprintable() and '"' not in text and "\\" not in text


def _kept(traceparent: str) -> str | None:
    """The id of a trace that is recorded. Later versions of the header may say more at its end, version 00 may not."""
    found = _PARENT.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace_id, flags, more = found.groups()
    return trace_id if int(flags, 16) & _SAMPLED and not (version == "00" and more) else None
