"""A link whose counterpart is to be made, with the row of the outbox that has it made."""

from datetime import datetime

from msgspec.structs import replace

from bridge.domain.link.life import LinkState
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.decide_link import LinkOutcome, cause_of
from bridge.links.rule_run import RuleRun
from bridge.storage.link import LinkRow
from bridge.storage.outbox import Wanted, WriteKind


def creating(run: RuleRun, side: Side, ticket: SideTicket, link: LinkRow, at: datetime) -> LinkOutcome:
    """Return the link of a ticket of `side`, whose counterpart is to be made on the other one."""
    _, writes = run.rule.draft(side.other, replace(ticket, key=link.key))
    wanted = Wanted(
        link.id,
        link.rule_id,
        run.source_ids[side.other],
        side.other,
        WriteKind.CREATE,
        fields={name: {"from": None, "to": write.text} for name, write in sorted(writes.items())},
        cause=cause_of(ticket),
    )
    made = replace(
        link, state=LinkState.CREATING, state_reason=None, checked_at=at, behind_since=link.behind_since or at
    )
    return LinkOutcome(made, wanted=[wanted])
