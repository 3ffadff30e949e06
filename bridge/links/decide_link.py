"""What follows for one link from what both tickets say now. Pure: the caller has read everything, and applies it.

A link whose write is not settled is left alone, and so is one of whose tickets we have older news than what its system
answered to our last write: it is to be read again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from bridge.domain.link.ending import Ending
from bridge.domain.link.field import ConflictKind, FieldWrite
from bridge.domain.link.life import LinkState, settled_state
from bridge.domain.link.merge import LinkMerge, Since, merge
from bridge.domain.link.rule import LinkRule, OnDelete
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.domain.status import Status
from bridge.storage.conflict import POLICY, NewConflict
from bridge.storage.link import LinkRow
from bridge.storage.outbox import Wanted, WriteKind

_STALE_FOR = timedelta(minutes=10)
"""How long after the answer to a write older news of a ticket is not believed."""
_PERSON = "choice"
"""`decided_by` of a value that lost because a person chose the other one."""


@dataclass(slots=True)
class LinkOutcome:
    """What is to be written for one link. `link`: the row as it is from now on.

    `settled`: fields whose open conflicts are over, with whether both sides agree. `dropped`: sides to which nothing is
    to be written any more. `stale`: tickets to be read again, as side → id; nothing else is decided then. `renewed`:
    the side whose ticket gets another counterpart, by a link of its own; this one is over.
    """

    link: LinkRow
    wanted: list[Wanted] = field(default_factory=list)
    dropped: list[tuple[Side, WriteKind]] = field(default_factory=list)
    conflicts: list[NewConflict] = field(default_factory=list)
    settled: dict[str, bool] = field(default_factory=dict)
    stale: dict[Side, str] = field(default_factory=dict)
    merged: LinkMerge | None = None
    renewed: Side | None = None


Pair = Mapping[Side, SideTicket]


def decide_link(
    rule: LinkRule,
    link: LinkRow,
    pair: Pair,
    source_ids: Mapping[Side, int],
    at: datetime,
    choices: Mapping[str, Side] | None = None,
    since: Since = lambda _field, _side: None,
    endings: Mapping[Side, Ending] = MappingProxyType({}),
) -> LinkOutcome | None:
    """Decide a link of two tickets; None: there is nothing to decide now. `endings`: how a side's tickets are ended."""
    if link.intent is not None or link.state not in (LinkState.LINKED, LinkState.ENDED, LinkState.ORPHANED):
        return None
    stale = {side: ticket.id for side, ticket in pair.items() if _is_older(ticket, link.mark(side), at)}
    if stale:
        return LinkOutcome(link, stale=stale)
    state, reason = _state(rule, link, pair, at)
    decided = replace(
        link,
        state=state,
        state_reason=reason,
        left_revision=pair[Side.LEFT].revision,
        right_revision=pair[Side.RIGHT].revision,
        checked_at=at,
    )
    if state is LinkState.ORPHANED:
        return _after_deletion(rule, decided, pair, source_ids, at, endings)
    if state is not LinkState.LINKED:
        return LinkOutcome(replace(decided, behind_since=None), dropped=[(side, WriteKind.UPDATE) for side in Side])
    found = merge(rule, pair, link.base, choices, since)
    if rule.follows_up and (side := _reopened(rule, pair, link.base, found, endings)) is not None:
        return _renewed(decided, side, f"reopened at {pair[side].source}; it gets another counterpart")
    outcome = LinkOutcome(replace(decided, base=found.base), merged=found)
    _add_writes(outcome, pair, source_ids)
    _add_conflicts(outcome, pair, link.base, choices or {})
    behind = (link.behind_since or at) if outcome.wanted else None
    outcome.link = replace(outcome.link, behind_since=behind)
    return outcome


def cause_of(ticket: SideTicket) -> dict[str, Any]:
    """Return the observation that a write follows from, for people."""
    changed_at = ticket.updated_at or ticket.observed_at
    return {
        "source": ticket.source,
        "id": ticket.id,
        "revision": ticket.revision,
        "via": ticket.via,
        "changed_at": None if changed_at is None else changed_at.isoformat(),
        "observed_at": None if ticket.observed_at is None else ticket.observed_at.isoformat(),
    }


def _after_deletion(
    rule: LinkRule,
    link: LinkRow,
    pair: Pair,
    source_ids: Mapping[Side, int],
    at: datetime,
    endings: Mapping[Side, Ending],
) -> LinkOutcome:
    """What follows where a ticket was deleted, for the one that is left.

    A deleted ticket says nothing: the base of an end that was written has an empty text of it. So it is written once,
    whatever the target makes of it, and a ticket that comes back is a change.
    """
    outcome = LinkOutcome(replace(link, behind_since=None), dropped=[(side, WriteKind.UPDATE) for side in Side])
    left = [side for side in Side if not pair[side].deleted]
    if len(left) != 1 or rule.on_delete is OnDelete.LEAVE:
        return outcome
    side, ticket = left[0], pair[left[0]]
    if rule.on_delete is OnDelete.RECREATE:
        recreates = rule.wants_counterpart(side, ticket)
        return _renewed(link, side, f"{link.state_reason}; it gets another one") if recreates else outcome
    ending = endings.get(side)
    if ending is None or not ending.writable or ticket.ended:
        return outcome
    mapped = rule.mapped_field(ending.field)
    says, known = mapped.says(side, ticket), link.base.get(ending.field)
    if known is not None:
        base = {Side.LEFT: known[0], Side.RIGHT: known[1]}
        meaning = mapped.rule.comparison.class_of
        if not base[side.other] and meaning(side, base[side]) == meaning(side, says):
            return outcome  # written before, and this is what the target made of it
    merged = LinkMerge(dict(link.base), before={ending.field: {side: says, side.other: ""}})
    merged.writes[side][ending.field] = FieldWrite(side, ending.word, "")
    outcome.merged, outcome.dropped = merged, []
    _add_writes(outcome, pair, source_ids, ends=True)
    outcome.link = replace(outcome.link, behind_since=link.behind_since or at)
    return outcome


def _reopened(
    rule: LinkRule,
    pair: Pair,
    base: Mapping[str, tuple[str, str]],
    found: LinkMerge,
    endings: Mapping[Side, Ending],
) -> Side | None:
    """The side whose ticket was reopened, where the other one would have to be, and may stay as it is instead. One that
    is resolved, and not closed yet, is reopened by anybody.
    """
    for side, ending in endings.items():
        moved, known = endings.get(side.other), base.get(ending.field)
        if moved is None or known is None or ending.field not in found.writes[side] or ending.field in found.conflicts:
            continue
        stays = pair[side].ended and pair[side].status != Status.RESOLVED
        had_ended = known[0 if side is Side.RIGHT else 1] in moved.words and stays
        if had_ended and rule.wants_counterpart(side.other, pair[side.other]):
            return side.other
    return None


def _renewed(link: LinkRow, side: Side, why: str) -> LinkOutcome:
    return LinkOutcome(replace(link, state=LinkState.UNLINKED, state_reason=why, behind_since=None), renewed=side)


def _state(rule: LinkRule, link: LinkRow, pair: Pair, at: datetime) -> tuple[LinkState, str | None]:
    gone = [ticket for ticket in pair.values() if ticket.deleted]
    ended_early = [side for side, end in rule.ends.items() if end.met(pair[side])]
    last = max((moved for ticket in pair.values() if (moved := _moved_at(ticket)) is not None), default=None)
    state = settled_state(
        link.state,
        deleted=bool(gone),
        ended=all(ticket.ended for ticket in pair.values()) or bool(ended_early),
        quiet=bool(ended_early) or (last is not None and last + rule.settle <= at),
    )
    if state is LinkState.ORPHANED:
        pruned = " (not known any more)" if any(ticket.observed_at is None for ticket in gone) else ""
        return state, f"deleted at {' and '.join(ticket.source for ticket in gone)}{pruned}"
    if state is LinkState.ENDED and ended_early:
        return state, f"filter.end_{ended_early[0].value} is met"
    return state, None


def _moved_at(ticket: SideTicket) -> datetime | None:
    return ticket.status_changed_at or ticket.updated_at or ticket.observed_at


def _is_older(ticket: SideTicket, mark: Mapping[str, Any] | None, at: datetime) -> bool:
    """Is what we know of the ticket from before the answer to our last write? A system whose clock was set back after
    it is believed in the end.
    """
    if mark is None or mark.get("updated_at") is None or ticket.updated_at is None or ticket.deleted:
        return False
    answered_at = datetime.fromisoformat(mark["answered_at"])
    return ticket.updated_at < datetime.fromisoformat(mark["updated_at"]) and at < answered_at + _STALE_FOR


def _add_writes(outcome: LinkOutcome, pair: Pair, source_ids: Mapping[Side, int], *, ends: bool = False) -> None:
    found, link = outcome.merged, outcome.link
    assert found is not None  # noqa: S101 -- the caller has merged
    for side, writes in found.writes.items():
        if not writes:
            outcome.dropped.append((side, WriteKind.UPDATE))
            continue
        fields = {name: {"from": found.before[name][side], "to": write.text} for name, write in sorted(writes.items())}
        outcome.wanted.append(
            Wanted(
                link.id,
                link.rule_id,
                source_ids[side],
                side,
                WriteKind.UPDATE,
                ends_ticket=ends or (pair[side.other].ended and not pair[side].ended),
                fields=fields,
                cause=cause_of(pair[side.other]),
            )
        )


def _add_conflicts(
    outcome: LinkOutcome, pair: Pair, base: Mapping[str, tuple[str, str]], choices: Mapping[str, Side]
) -> None:
    found = outcome.merged
    assert found is not None  # noqa: S101 -- as above
    for name, pair_of_texts in found.base.items():
        written = any(name in writes for writes in found.writes.values())
        if name in found.agreed or (not written and pair_of_texts != base.get(name)):
            outcome.settled[name] = name in found.agreed
    for name, conflict in found.conflicts.items():
        known = base.get(name, (None, None))
        lost = conflict.kind is ConflictKind.OVERRULED
        outcome.conflicts.append(
            NewConflict(
                outcome.link.id,
                name,
                conflict.kind,
                conflict.left,
                conflict.right,
                known[0],
                known[1],
                pair[Side.LEFT].updated_at,
                pair[Side.RIGHT].updated_at,
                winner=found.winners.get(name) if lost else None,
                decided_by=_PERSON if name in choices else POLICY,
            )
        )
