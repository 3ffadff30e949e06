"""What both tickets of a link say, field by field, beside what they said when they last agreed. For people; pure."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.link.merge import Bases, LinkMerge, merge
from bridge.domain.link.rule import LinkRule
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side


class FieldView(Struct, frozen=True):
    """A field; None: that ticket is not known, or the field was not settled yet. `verdict`: what follows, in words; ""
    while one ticket is not known.
    """

    field: str
    left: str | None
    right: str | None
    left_base: str | None
    right_base: str | None
    verdict: str


def field_views(rule: LinkRule, key: str, tickets: Mapping[Side, SideTicket], base: Bases) -> list[FieldView]:
    """Return all mapped fields; `tickets`: those that are known, `key` and `base`: of their link."""
    pair = {side: replace(ticket, key=key) for side, ticket in tickets.items()}
    merged = merge(rule, pair, base) if len(pair) == len(Side) else None
    views = []
    for mapped in rule.fields:
        says = {side: mapped.says(side, ticket) for side, ticket in pair.items()}
        left, right = base.get(mapped.name, (None, None))
        verdict = "" if merged is None else _verdict(merged, mapped.name)
        views.append(FieldView(mapped.name, says.get(Side.LEFT), says.get(Side.RIGHT), left, right, verdict))
    return views


def _verdict(merged: LinkMerge, name: str) -> str:
    for side, writes in merged.writes.items():
        if name in writes:
            return f"to be written to the {side.value}"
    if name in merged.agreed:
        return "same"
    if name in merged.conflicts:
        return f"conflict: {merged.conflicts[name].kind.value}"
    return "differs, as agreed"
