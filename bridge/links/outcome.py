"""One link decided, and what was decided written: shared by the decider, the senders and the plan."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import structlog
from msgspec.structs import replace

from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.errors import BridgeError
from bridge.links.conclude import unexpected
from bridge.links.decide_link import LinkOutcome, decide_link
from bridge.links.renew import renew
from bridge.links.rule_run import RuleRun
from bridge.storage import conflict, outbox, refetch
from bridge.storage import link as link_table
from bridge.storage.database import Connection
from bridge.storage.errors import sqlstate_of
from bridge.storage.link import LinkRow

log = structlog.get_logger(__name__)


def is_same(row: LinkRow, outcome: LinkOutcome) -> bool:
    """Is a link as it was, so that nothing has to be written? Most are, when all of them are looked at."""
    nothing = not (outcome.wanted or outcome.conflicts or outcome.stale or outcome.renewed)
    return nothing and row.behind_since is None and replace(outcome.link, checked_at=row.checked_at) == row


async def decide_pair(
    run: RuleRun,
    connection: Connection,
    row: LinkRow,
    pair: Mapping[Side, SideTicket],
    choices: Mapping[str, Side],
    at: datetime,
) -> LinkOutcome | None:
    """Decide a link of two tickets; since when they say what they say is read only where it matters."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        asked = True

    outcome = decide_link(run.rule, row, pair, run.source_ids, at, choices, ask, run.endings)
    if asked:
        times = await run.times(connection, pair)
        outcome = decide_link(run.rule, row, pair, run.source_ids, at, choices, times, run.endings)
    return outcome


async def decide_contained(
    run: RuleRun,
    connection: Connection,
    row: LinkRow,
    pair: Mapping[Side, SideTicket],
    choices: Mapping[str, Side],
    at: datetime,
) -> tuple[LinkOutcome | None, Exception | None]:
    """The same; an error that nobody expected is shown at the link, which is looked at again with its next change or
    the next walk. It keeps back no other link.
    """
    try:
        return await decide_pair(run, connection, row, pair, choices, at), None
    except BridgeError:
        raise
    except Exception as error:  # the bulkhead: what one link meets is its own
        if sqlstate_of(error):
            raise  # the transaction is lost, and what that means is said where it ends
        log.exception("link cannot be decided", rule=run.rule.name, link=row.id)
        return LinkOutcome(replace(row, state_reason=f"cannot be decided: {unexpected(error)}")), error


async def store_outcomes(
    connection: Connection,
    run: RuleRun,
    outcomes: Iterable[LinkOutcome],
    at: datetime,
    open_fields: Collection[tuple[int, str]],
    *,
    saves: bool = True,
) -> dict[int, LinkRow]:
    """Write what was decided; ConcurrentUpdateError when another writer changed one of these links first.
    `open_fields`: (link, field) of which a conflict is open. Not `saves`: the caller has locked all links, and saves
    those that are returned, with what it adds.
    """
    decided = list(outcomes)
    unsaved = {} if saves else {one.link.id: one.link for one in decided if one.renewed is None}
    await link_table.save(connection, [one.link for one in decided if one.link.id not in unsaved])
    await outbox.put(connection, [wanted for one in decided for wanted in one.wanted])
    await outbox.drop(connection, [(one.link.id, *dropped) for one in decided for dropped in one.dropped])
    for agreed in (True, False):
        fields = [(one.link.id, name) for one in decided for name, same in one.settled.items() if same is agreed]
        await conflict.settle(connection, [one for one in fields if one in open_fields], at, agreed=agreed)
    await conflict.keep(connection, [found for one in decided for found in one.conflicts])
    await renew(connection, run, [(one.link, one.renewed) for one in decided if one.renewed is not None])
    stale = sorted({(run.source_ids[side], ticket_id) for one in decided for side, ticket_id in one.stale.items()})
    if stale:
        await refetch.request(connection, [(source_id, one, "older than our write", at) for source_id, one in stale])
    return unsaved
