"""A ticket that begins to be linked may be in a link already: of a rule between the same two sources that is not
configured any more. That link goes to the rule that meets the ticket, so that a rule may get another name, or have its
sides exchanged, and no ticket gets a second counterpart.
"""

from collections.abc import Collection, Iterable
from typing import Any

import structlog
from msgspec.structs import replace

from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.rule_run import RuleRun
from bridge.storage import link_move
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow

log = structlog.get_logger(__name__)


async def find_left_behind(connection: Connection, run: RuleRun, configured: Collection[str]) -> None:
    """Have a rule know those whose links it takes over. `configured`: the names of all rules."""
    sources = run.source_ids[Side.LEFT], run.source_ids[Side.RIGHT]
    run.left_behind = await link_move.left_behind(connection, sources, configured, run.rule.name)


async def take_over(connection: Connection, run: RuleRun, alone: Iterable[tuple[Side, SideTicket]]) -> list[int]:
    """Give the rule the links that these tickets are in, which it has not linked; return them."""
    found = await link_move.of_tickets(connection, run.left_behind, _ids(run, alone))
    moved = await link_move.move(connection, list(found), run.rule_id, run.left_behind) if found else []
    if moved:
        log.info("links taken over from a rule that is gone", rule=run.rule.name, links=len(moved))
    return moved


async def links_to_take_over(
    connection: Connection, run: RuleRun, alone: Iterable[tuple[Side, SideTicket]]
) -> dict[int, LinkRow]:
    """The same links as they would be; nothing is written."""
    found = await link_move.of_tickets(connection, run.left_behind, _ids(run, alone))
    return {number: _exchanged(row) if run.left_behind[row.rule_id] else row for number, row in found.items()}


def _ids(run: RuleRun, alone: Iterable[tuple[Side, SideTicket]]) -> dict[Side, list[str]]:
    ids: dict[Side, list[str]] = {side: [] for side in Side}
    for side, ticket in alone:
        if not ticket.deleted and run.rule.filter(side).met(ticket):
            ids[side].append(ticket.id)
    return ids


def _exchanged(row: LinkRow) -> LinkRow:
    """A link with its sides exchanged, as `link_move.sql` writes it."""
    names = ("id", "revision", "mark")
    sides: dict[str, Any] = {f"{side}_{name}": getattr(row, f"{side.other}_{name}") for side in Side for name in names}
    return replace(row, **sides, base={name: (right, left) for name, (left, right) in row.base.items()})
