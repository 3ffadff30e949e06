"""What people do with rules and links: pause, release, retry, separate, join, and choose.

Each function works in the caller's transaction and locks the link that it changes. A link with a write under way is
not separated: its outcome has to be known first. What is chosen takes effect when the process that leads decides next,
which is within a second.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from bridge.domain.link.key import link_key
from bridge.domain.link.life import RULE_ON, LinkState
from bridge.domain.link.word_map import Side
from bridge.errors import PermanentError
from bridge.links.conclude import given_up
from bridge.schedule import now
from bridge.storage import conflict, link_rule, link_ticket, outbox
from bridge.storage import link as link_table
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow, NewLink
from bridge.storage.link_rule import LinkRuleRow

_RUNS = (RULE_ON, "held")
_SETTLES_ITSELF: Final = timedelta(minutes=5)
"""Younger writes are settled by the bridge, and may still be worked on."""


async def rule_named(connection: Connection, name: str) -> LinkRuleRow:
    """Return a rule; PermanentError naming those there are."""
    found = await link_rule.find(connection, name)
    if found:
        return found[0]
    known = ", ".join(row.name for row in await link_rule.find(connection)) or "none has run yet"
    raise PermanentError(
        f"no rule {name!r} in the database (there are: {known}); a rule gets there when `run` reads it"
    )


async def pause(connection: Connection, name: str, *, by: str, reason: str = "") -> bool:
    """Stop a rule before its next request; False: it does not run."""
    rule = await rule_named(connection, name)
    why = f"{by}: {reason}" if reason else by
    return await link_rule.write_state(connection, rule.id, "paused", why, only_from=_RUNS)


async def resume(connection: Connection, name: str) -> bool:
    """Let a paused rule go on; False: it is not paused."""
    rule = await rule_named(connection, name)
    return await link_rule.write_state(connection, rule.id, RULE_ON, None, only_from=["paused"])


async def release(connection: Connection, name: str) -> bool:
    """Let a rule go on that the circuit breaker holds; False: it is not held."""
    rule = await rule_named(connection, name)
    return await link_rule.write_state(connection, rule.id, RULE_ON, None, only_from=["held"])


async def link_named(connection: Connection, named: str, rule: str | None = None) -> LinkRow:
    """Return, locked, the link with this number, key or ticket; PermanentError where there is none or several."""
    numbers = await link_table.find(connection, named, rule)
    if not numbers:
        raise PermanentError(f"no link {named!r}: name it by its number, its key or either ticket (`links list`)")
    if len(numbers) > 1:
        listed = ", ".join(map(str, numbers))
        raise PermanentError(f"{named!r} is in several links ({listed}): name one by its number, or add --rule")
    return (await link_table.lock(connection, numbers))[numbers[0]]


async def retry(connection: Connection, link: LinkRow) -> bool:
    """Try again what is blocked; False: nothing is."""
    requeued = await outbox.requeue(connection, [link.id])
    if link.state is LinkState.BLOCKED:
        state = LinkState.CREATING if requeued else LinkState.WANTED
        await link_table.save(connection, [replace(link, state=state, state_reason=None)])
        return True
    return bool(requeued)


async def retry_rule(connection: Connection, name: str, *, error: str = "") -> int:
    """Try again all that is blocked of a rule, or what has a text in its error; return how many links."""
    rule = await rule_named(connection, name)
    rows = await link_table.lock(connection, await outbox.blocked_links(connection, rule.id, error))
    numbers = await outbox.requeue(connection, list(rows), error=error)
    await _create_again(connection, rows, numbers)
    return len(numbers)


async def retry_writes(connection: Connection, outbox_ids: Sequence[int]) -> int:
    """Try these writes again, as far as they are still blocked; return how many."""
    waiting = await outbox.read(connection, outbox_ids)
    rows = await link_table.lock(connection, {row.link_id for row in waiting.values()})
    numbers = await outbox.requeue_rows(connection, outbox_ids)
    await _create_again(connection, rows, numbers)
    return len(numbers)


async def _create_again(connection: Connection, rows: Mapping[int, LinkRow], numbers: Iterable[int]) -> None:
    blocked = [rows[number] for number in {*numbers} & rows.keys() if rows[number].state is LinkState.BLOCKED]
    await link_table.save(connection, [replace(row, state=LinkState.CREATING, state_reason=None) for row in blocked])


async def separate(connection: Connection, link: LinkRow, *, by: str, why: str) -> None:
    """Keep two tickets, or a ticket alone, from being linked (again), until a person joins them."""
    if link.intent is not None:
        raise PermanentError(
            f"link {link.id}: a write is under way and its outcome is not known yet; try again in a few minutes, and "
            f"where its target cannot be asked any more: `links ignore {link.id} --unsettled`"
        )
    await outbox.drop_all(connection, [link.id])
    for found in (await conflict.of_links(connection, [link.id])).get(link.id, []):
        if found.outcome == "waiting":
            await conflict.decide(connection, link.id, found.field, conflict.DISMISSED, by)
    separated = replace(link, state=LinkState.UNLINKED, state_reason=f"{why} by {by}", behind_since=None)
    await link_table.save(connection, [separated])


async def give_up(connection: Connection, link: LinkRow, *, by: str) -> None:
    """End the write of a link of which nobody will know whether it was done, since its target cannot be asked."""
    rows = (await outbox.open_of(connection, [link.id])).get(link.id, [])
    sent = next((row for row in rows if row.state == "sending"), None)
    if sent is None or sent.sent_at is None:
        raise PermanentError(f"link {link.id}: no write is without an answer; what waits or is blocked: `links ignore`")
    age = now() - sent.sent_at
    if age < _SETTLES_ITSELF:
        raise PermanentError(
            f"link {link.id}: its write was sent {age.total_seconds():.0f} s ago and is settled by itself; "
            f"it can be given up after {_SETTLES_ITSELF.total_seconds() / 60:.0f} minutes"
        )
    if not await given_up(connection, sent, link, by):
        raise PermanentError(f"link {link.id}: its write was settled a moment ago; see `links show {link.id}`")


async def join(connection: Connection, name: str, left_id: str, right_id: str) -> int:
    """Join two tickets that exist; return the number of the link. Neither waits for a counterpart any more."""
    rule = await rule_named(connection, name)
    ids = {Side.LEFT: (rule.left_source_id, left_id), Side.RIGHT: (rule.right_source_id, right_id)}
    known = await link_ticket.read(connection, ids.values())
    for side, ticket in ids.items():
        if ticket not in known or known[ticket].deleted_at is not None:
            source = rule.left_source if side is Side.LEFT else rule.right_source
            raise PermanentError(f"no ticket {ticket[1]!r} of {source} is known; see `report.service_problem`")
    numbers = await link_table.of_tickets(connection, rule.id, [left_id], [right_id])
    rows = await link_table.lock(connection, numbers)
    await _clear(connection, rows.values())
    for row in rows.values():
        if (row.left_id, row.right_id) == (left_id, right_id):
            joined = replace(row, state=LinkState.LINKED, state_reason=None, linked_at=now(), base={}, checked_at=None)
            await link_table.save(connection, [joined])
            return row.id
    for generation in range(len(rows) + 2):
        key = link_key(rule.name, rule.left_source, left_id, generation)
        new = NewLink(rule.id, key, "operator", LinkState.LINKED, left_id, right_id, generation, linked_at=now())
        made = await link_table.add(connection, [new])
        if made:
            return made[key]
    raise PermanentError("both tickets were linked by another process a moment ago; see `links list`")


async def _clear(connection: Connection, rows: Iterable[LinkRow]) -> None:
    """Take away single links of tickets that are to be joined; PermanentError where one is joined otherwise."""
    alone = []
    for row in rows:
        if row.state is LinkState.UNLINKED:
            continue
        if row.state not in (LinkState.WANTED, LinkState.CREATING, LinkState.BLOCKED) or (row.left_id and row.right_id):
            raise PermanentError(f"link {row.id} has one of these tickets already: `links unlink {row.id}` first")
        alone.append(row)
    await outbox.drop_all(connection, [row.id for row in alone])
    await link_table.save(connection, [replace(row, state=LinkState.WANTED) for row in alone])
    await link_table.remove(connection, [row.id for row in alone])


async def resolve(
    connection: Connection, link: LinkRow, field: str, choice: Side | str, *, by: str, seen: str | None = None
) -> None:
    """Choose the side whose value is to stand on both, or `conflict.DISMISSED`; PermanentError: nothing waits there, or
    what waits does not say any more what was `seen` (`conflict.seen_mark`).
    """
    if seen is not None:
        found = (await conflict.of_links(connection, [link.id])).get(link.id, [])
        waits = [one for one in found if one.field == field and one.outcome == "waiting"]
        if waits and conflict.seen_mark(waits[-1].left_value, waits[-1].right_value) != seen:
            raise PermanentError(f"link {link.id}: {field!r} says something else by now; look again, then choose")
    if not await conflict.decide(connection, link.id, field, choice, by):
        found = (await conflict.of_links(connection, [link.id])).get(link.id, [])
        waiting = ", ".join(one.field for one in found if one.outcome == "waiting") or "none"
        raise PermanentError(f"link {link.id}: no conflict of field {field!r} waits (these do: {waiting})")
