"""What needs a person at a source, in sentences: shown by `status` and by the console. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bridge.domain.service_problem import Unmapped
from bridge.sources.unmapped_remark import describe, remedy
from bridge.storage.source_move import SourceMove


def remarks(row: Mapping[str, Any], now: datetime, *, running: bool) -> Iterator[str]:
    """Say what is not as it should be, and what to do about it. `row`: as `bridge.storage.source.status` has it, with
    `configured`, `unmapped` and `miss_ratio_24h` (None: not known).
    """

    def age(at: datetime) -> str:
        return span((now - at).total_seconds())

    if not row["configured"]:
        yield f"is not in this configuration; `tmf656-bridge forget {row['name']}` removes it"
    if running and row["mode"] == "fallback":
        reason = row["fallback_reason"] or "not registered at its hub"
        yield f"{reason}; it is polled instead, for {age(row['mode_since'])} now"
    if row["reconcile_gap"]:
        since = row["reconcile_complete_at"]
        never = "never was" if since is None else f"was last {age(since)} ago"
        yield f"its list was not read completely ({row['reconcile_gap']}), {never}: deletions are not found"
    if row["poll_gap"] and row["poll_gap"] != row["reconcile_gap"]:
        yield f"the last poll was not complete: {row['poll_gap']}"
    if row.get("filtered"):  # the console's row has none
        yield f"its filter is {row['filtered']}"
    if row["moved_at"] is not None:
        yield SourceMove(row["moved_at"], row["passes_since_move"]).reason(row["name"])
    elif row["held_back"]:
        yield f"{row['held_back']:,} problems are missing but not recorded as deleted: {row['held_back_reason']}"
    if row["unmapped"]:
        values = [Unmapped(each["attribute"], each["example"]) for each in row["unmapped"]]
        yield f"values that cannot be read: {describe(values)}; {remedy(row['name'], values)}"
    yield from _counts(row)
    for job, failure in row["failing_jobs"].items():
        times = counted(failure["failures"], "time")
        yield f"the job {job} failed {times} in a row: {failure['error']}"
    if row["last_error"] and row["last_error"] not in [failure["error"] for failure in row["failing_jobs"].values()]:
        yield f"{age(row['last_error_at'])} ago: {row['last_error']}"


def _counts(row: Mapping[str, Any]) -> Iterator[str]:
    if row["missed_24h"]:
        changes = counted(row["missed_24h"], "change")
        ratio = row["miss_ratio_24h"]
        share = "" if ratio is None else f", {ratio:.1%}"
        yield f"push missed {changes} within 24 h{share}; polls found them"
    if row["refetch_waiting"]:
        wait = "waits" if row["refetch_waiting"] == 1 else "wait"
        yield f"{counted(row['refetch_waiting'], 'problem')} {wait} to be fetched by id"
    if row["dead_letters"]:
        yield f"{counted(row['dead_letters'], 'dead letter')}: see `tmf656-bridge dead-letters list`"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "problem"), counted(1200, "problem")
    ('1 problem', '1,200 problems')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """Write a length of time in one unit.

    >>> span(59), span(7200), span(-1)
    ('59 s', '2 h', '0 s')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
