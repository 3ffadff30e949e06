"""Observations of one problem, SP-1, at minutes after noon, and what they come to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from bridge.domain.decision import decide_observation
from bridge.domain.fact import canonical, hash_of
from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.problem_history import Outcome, ProblemHistory
from bridge.domain.service_problem import columns_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CHANGED = "ServiceProblemAttributeValueChangeEvent"
STATUSES = ("acknowledged", "inProgress", "held", "resolved", "closed")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def stated(body: dict[str, Any], *, received: float, event: float | None = None, **more: Any) -> Observation:
    """What the wire makes of a payload; minutes after noon."""
    columns = columns_of(body)
    event_at = None if event is None else at(event)
    effective_at = columns.updated_at or event_at
    values: dict[str, Any] = {
        "problem_id": "SP-1",
        "kind": Kind.FULL,
        "via": Via.PUSH,
        "observed_at": at(received),
        "effective_at": effective_at or at(received),
        "stamped": effective_at is not None,
        "body": canonical(body),
        "content_hash": hash_of(canonical(body)),
        "status": columns.status if columns.status_raw else None,
        "status_raw": columns.status_raw,
        "status_at": columns.status_at,
        "created_at": columns.created_at,
        "updated_at": columns.updated_at,
        "event_type": CHANGED,
        "event_at": event_at,
    }
    return Observation(**(values | more))


def whole(status: str, update: float | str | None, **more: Any) -> dict[str, Any]:
    stamp = at(update).isoformat() if isinstance(update, int | float) else update
    return {"id": "SP-1", "status": status, **({"lastUpdate": stamp} if stamp else {}), **more}


def deletion(event: float, received: float, last: Observation | None = None) -> Observation:
    seen = stated({}, received=received, event=event, kind=Kind.TOMBSTONE)
    return replace(seen, body=b"{}", content_hash=TOMBSTONE_HASH, last=last)


def answer(body: dict[str, Any], *, asked: float, via: Via = Via.POLL, kind: Kind = Kind.FULL) -> Observation:
    return stated(body, received=asked, via=via, kind=kind, event_type=None)


def observed(*observations: Observation) -> tuple[ProblemHistory, list[Outcome]]:
    """Decide them in this order, of an unknown problem; return its history and what each did."""
    history = ProblemHistory("SP-1")
    return history, [decide_observation(history, seen) for seen in observations]


def timeline(history: ProblemHistory) -> list[tuple[datetime, str]]:
    """Since when which status was stated, by whole statements and deletions."""
    facts = sorted(history.facts.values(), key=lambda fact: fact.rank)
    return [(fact.effective_at, "-" if fact.kind is Kind.TOMBSTONE else fact.status) for fact in facts]
