"""A ticket whose counterpart is gone, or stays ended, gets another one: by a new link, in the transaction that ends the
old one. So a crash leaves both or neither.

The old link stays as `unlinked`, with the reason: its tickets are not joined again, and what was written for them can
still be looked up. The new one has a key of its own (generation + 1), and waits like any ticket without a counterpart
(`bridge.links.pairing`): what exists is matched first, the limits of the rule hold.
"""

from collections.abc import Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.rule_run import RuleRun
from bridge.storage import conflict, outbox
from bridge.storage import link as link_table
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow, NewLink

log = structlog.get_logger(__name__)

_MOST_GENERATIONS: Final = 10
"""Keys that are tried: that of a generation may be taken, where a person joined and separated tickets."""


async def add_links(connection: Connection, run: RuleRun, links: Sequence[NewLink]) -> dict[str, int]:
    """Add links and return their numbers by key. A key may be taken by a link of a rule that had the same name: those
    of the next generations are tried then.
    """
    made = await link_table.add(connection, links)
    for _ in range(_MOST_GENERATIONS):
        missing = [new for new in links if new.key not in made]
        taken = await link_table.keys(connection, [new.key for new in missing]) if missing else set()
        links = [_next_generation(run, new) for new in missing if new.key in taken]
        if not links:
            break
        made |= await link_table.add(connection, links)
    return made


def _next_generation(run: RuleRun, new: NewLink) -> NewLink:
    side = Side.RIGHT if new.left_id is None else Side.LEFT
    generation = new.generation + 1
    ticket_id = new.right_id if side is Side.RIGHT else new.left_id
    return replace(new, generation=generation, key=run.key_of(side, ticket_id or "", generation))


async def renew(connection: Connection, run: RuleRun, ended: Sequence[tuple[LinkRow, Side]]) -> None:
    """Begin a new link for the ticket of a side of each of these links, which are saved as `unlinked`."""
    if not ended:
        return
    await outbox.drop_all(connection, [link.id for link, _ in ended])
    await conflict.dismiss(connection, [link.id for link, _ in ended], conflict.POLICY)
    for link, side in ended:
        ticket_id = link.ticket(side)
        if ticket_id is None:
            continue
        log.info(
            "another counterpart wanted", rule=run.rule.name, link=link.id, ticket=ticket_id, why=link.state_reason
        )
        for generation in range(link.generation + 1, link.generation + _MOST_GENERATIONS):
            ids: dict[Side, str | None] = {side: ticket_id, side.other: None}
            key = run.key_of(side, ticket_id, generation)
            new = NewLink(
                run.rule_id, key, side.value, LinkState.WANTED, ids[Side.LEFT], ids[Side.RIGHT], generation=generation
            )
            if await link_table.add(connection, [new]):
                break
