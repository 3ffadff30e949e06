"""Links of a rule that is not configured any more go to another one between the same two sources, whole: with what both
sides said, the writes that are open, the conflicts and the notes. So no ticket gets a second counterpart because its
rule has another name, or its sides were exchanged.
"""

from collections.abc import Collection, Mapping, Sequence

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.storage import link as link_table
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.queries import queries

LeftBehind = Mapping[int, bool]
"""Rule that is not configured any more → are its sides the other way round?"""


async def retire(connection: Connection, name: str, sources: tuple[int, int]) -> str | None:
    """Make another rule, which is gone, of what the rule of this name has joined between other sources than these;
    return the name of that.
    """
    former: str | None = await connection.fetchval(queries("link_move")["retire"], name, *sources)
    return former


async def left_behind(
    connection: Connection, sources: tuple[int, int], configured: Collection[str], name: str
) -> dict[int, bool]:
    """Return the rules between these sources whose links nobody decides, for a rule of a name to take over."""
    rows = await connection.fetch(queries("link_move")["left_behind"], *sources, list(configured), name)
    return {row["id"]: row["exchanged"] for row in rows}


async def of_tickets(
    connection: Connection, rules: LeftBehind, tickets: Mapping[Side, Sequence[str]]
) -> dict[int, LinkRow]:
    """Return links of these rules with one of these tickets, on the sides as the other rule has them: those that a
    person separated last, else the latest first.
    """
    found: list[int] = []
    for rule_id, exchanged in rules.items():
        left, right = (tickets.get(side.other if exchanged else side, ()) for side in (Side.LEFT, Side.RIGHT))
        found += await link_table.of_tickets(connection, rule_id, left, right)
    rows = (await link_table.read(connection, found)).values() if found else ()
    return {row.id: row for row in sorted(rows, key=_age)}


def _age(row: LinkRow) -> tuple[bool, float, int]:
    linked_at = 0.0 if row.linked_at is None else row.linked_at.timestamp()
    return row.state is LinkState.UNLINKED, -linked_at, -row.id


async def move(connection: Connection, link_ids: Sequence[int], rule_id: int, rules: LeftBehind) -> list[int]:
    """Give links to a rule, the first of those that share a ticket; return those that it has now. The caller holds
    nothing of another rule.
    """
    rows = await link_table.lock_more(connection, link_ids)
    moved: dict[bool, list[int]] = {True: [], False: []}
    for number in link_ids:
        row = rows.get(number)
        if row is None or row.rule_id not in rules:
            continue
        exchanged = rules[row.rule_id]
        if await connection.fetchval(queries("link_move")["move"], number, rule_id, exchanged) is not None:
            moved[exchanged].append(number)
    for exchanged, numbers in moved.items():
        if numbers:
            await connection.execute(queries("link_move")["move_outbox"], numbers, rule_id, exchanged)
    if moved[True]:
        for name in ("exchange_conflicts", "mark_notes", "unmark_notes"):
            await connection.execute(queries("link_move")[name], moved[True])
    return moved[False] + moved[True]
