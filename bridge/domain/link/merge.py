"""One link: all mapped fields of its two tickets, each decided by itself (`bridge.domain.link.field`). Pure.

What comes out is applied in one transaction: the base of fields that are settled, what is to be written to each side,
and the values to keep. Decided again on the same tickets with that base, nothing comes out but the writes that are
still missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.domain.link.field import (
    Base,
    ConflictKind,
    Direction,
    FieldConflict,
    FieldWrite,
    Policy,
    Value,
    Verdict,
    decide,
)
from bridge.domain.link.rule import LinkRule, MappedField, Tickets
from bridge.domain.link.word_map import Side

Bases = Mapping[str, tuple[str, str]]
"""Field → what left and right said when it was last settled."""
Since = Callable[[MappedField, Side], datetime | None]
"""Since when a field has its present meaning on a side."""


@dataclass(slots=True)
class LinkMerge:
    """What follows for a link. `base`: of all fields, from now on. `agreed`: fields that mean the same on both sides.

    `winners`: of the conflicts that a policy or a person decided.
    """

    base: dict[str, tuple[str, str]]
    writes: dict[Side, dict[str, FieldWrite]] = field(default_factory=lambda: {side: {} for side in Side})
    before: dict[str, dict[Side, str]] = field(default_factory=dict)
    conflicts: dict[str, FieldConflict] = field(default_factory=dict)
    winners: dict[str, Side] = field(default_factory=dict)
    agreed: set[str] = field(default_factory=set)


def merge(
    rule: LinkRule,
    tickets: Tickets,
    base: Bases,
    choices: Mapping[str, Side] | None = None,
    since: Since = lambda _field, _side: None,
) -> LinkMerge:
    """Decide every field of a link. `choices`: sides that a person chose; `since` is asked only where it matters.

    The base of a field that is no longer mapped is dropped, so that it begins as at the first comparison when it is
    mapped again.
    """
    mapped_names = {mapped.name for mapped in rule.fields}
    result = LinkMerge({name: pair for name, pair in base.items() if name in mapped_names})
    for mapped in rule.fields:
        _merge_field(mapped, tickets, result, (choices or {}).get(mapped.name), since)
    return result


def _merge_field(mapped: MappedField, tickets: Tickets, result: LinkMerge, choice: Side | None, since: Since) -> None:
    name, rule = mapped.name, mapped.rule_for(tickets)
    says = {side: mapped.says(side, ticket) for side, ticket in tickets.items()}
    known = result.base.get(name)
    base: Base | None = None if known is None else {Side.LEFT: known[0], Side.RIGHT: known[1]}
    result.before[name] = says
    values = {side: Value(text) for side, text in says.items()}
    verdict = decide(rule, values, base, choice)
    newest = rule.direction is Direction.BOTH and Policy.NEWEST in (rule.on_conflict, rule.on_link)
    if newest and choice is None and verdict.conflict is not None and verdict.conflict.kind is ConflictKind.OVERRULED:
        values = {side: Value(text, since(mapped, side)) for side, text in says.items()}
        verdict = decide(rule, values, base, choice)
    if base is None and choice is None and verdict.write is not None and not verdict.write.text:
        verdict = Verdict(base=dict(says))  # at the first comparison nothing is erased
    if base is None and choice is None and verdict.write is not None and not says[verdict.write.side]:
        verdict = replace(verdict, conflict=None)  # nor is there anything to keep of an empty text
    if verdict.base is not None:
        result.base[name] = (verdict.base[Side.LEFT], verdict.base[Side.RIGHT])
    if verdict.agreed:
        result.agreed.add(name)
    if verdict.write is not None:
        result.writes[verdict.write.side][name] = verdict.write
    if verdict.conflict is not None:
        result.conflicts[name] = verdict.conflict
        if verdict.write is not None:
            result.winners[name] = verdict.write.side.other
