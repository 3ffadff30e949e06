"""Tickets that carry the key of a link which has another ticket in that place: copied there by a person ("insert and
stay"), or made by a request that was carried out much too late.
"""

from collections.abc import Mapping, Sequence

import structlog

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.word_map import Side
from bridge.storage import conflict
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow

log = structlog.get_logger(__name__)


async def keep_duplicates(
    connection: Connection, links: Mapping[int, LinkRow], found: Mapping[int, Sequence[tuple[Side, str]]]
) -> int:
    """Have a person look at them, once: by link, the side and id of each. Return how many were not known yet."""
    kept = await conflict.of_links(connection, found)
    new = 0
    for number, tickets in sorted(found.items()):
        known = {
            (row.left_value, row.right_value) for row in kept.get(number, ()) if row.kind is ConflictKind.DUPLICATE
        }
        for side, ticket_id in sorted(tickets):
            names = f"{links[number].ticket(side)}, {ticket_id}"
            values = (names, None) if side is Side.LEFT else (None, names)
            if values in known:
                continue
            log.warning("several tickets carry one key", link=number, kept=links[number].ticket(side), other=ticket_id)
            await conflict.keep(connection, [NewConflict(number, "", ConflictKind.DUPLICATE, *values)])
            new += 1
    return new
