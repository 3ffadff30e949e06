"""What a sender asks of the rules (`bridge.links.decided_write.WriteDecisions`), answered from the tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from msgspec.structs import replace

from bridge.domain.link.field import FieldRule, FieldWrite
from bridge.domain.link.life import LinkState
from bridge.domain.link.rule import LinkLimits
from bridge.domain.link.sent_write import SentField, SentWrite
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Record
from bridge.errors import BridgeError
from bridge.links.copy_notes import decide_copy, want_copies
from bridge.links.decide_link import LinkOutcome
from bridge.links.decided_write import DecidedWrite, UndecidableNowError
from bridge.links.duplicates import decide_end, has_ended
from bridge.links.outcome import decide_pair, store_outcomes
from bridge.links.rule_run import RuleRun
from bridge.links.tickets import version_of
from bridge.schedule import now
from bridge.storage import conflict
from bridge.storage import link as link_table
from bridge.storage.database import Connection
from bridge.storage.errors import sqlstate_of
from bridge.storage.link import LinkRow
from bridge.storage.outbox import OutboxRow, WriteKind

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RuleDecisions:
    """The rules that run, by their keys."""

    runs: dict[int, RuleRun] = field(default_factory=dict)

    async def decide(self, connection: Connection, row: OutboxRow) -> DecidedWrite | None:
        """See `WriteDecisions.decide`."""
        link = (await link_table.lock(connection, [row.link_id])).get(row.link_id)
        run = self.runs.get(row.rule_id)
        if link is None or run is None:
            return None
        if link.intent is not None:
            raise UndecidableNowError("what came of another write of its link is not known yet")
        if row.kind is WriteKind.CREATE:
            return await _create(run, connection, link, row.side)
        if row.kind is WriteKind.UPDATE:
            return await self._update(run, connection, link, row.side)
        decide = decide_copy if row.kind is WriteKind.NOTE else decide_end
        return await decide(connection, run, link, row)

    async def again(self, connection: Connection, link_id: int) -> None:
        """See `WriteDecisions.again`."""
        link = (await link_table.lock(connection, [link_id])).get(link_id)
        run = None if link is None else self.runs.get(link.rule_id)
        if link is None or run is None:
            return
        try:
            async with connection.transaction():  # what was decided by half is taken back
                await self._decided(run, connection, link)
                await want_copies(connection, run, link)
        except BridgeError:
            raise
        except Exception as error:  # the bulkhead: what came of the write is stored, and the decider looks again
            if sqlstate_of(error):
                raise  # Postgres: another writer was faster, or is away; the caller's transaction means as much
            log.exception("link cannot be decided", rule=run.rule.name, link=link_id)

    def knows(self, rule_id: int) -> bool:
        """See `WriteDecisions.knows`."""
        return rule_id in self.runs

    def name(self, rule_id: int) -> str:
        """See `WriteDecisions.name`."""
        run = self.runs.get(rule_id)
        return "" if run is None else run.rule.name

    def fields(self, rule_id: int) -> Mapping[str, FieldRule]:
        """See `WriteDecisions.fields`."""
        run = self.runs.get(rule_id)
        return {} if run is None else {mapped.name: mapped.rule for mapped in run.rule.fields}

    def says(self, rule_id: int, side: Side, record: Record) -> dict[str, str]:
        """See `WriteDecisions.says`."""
        run = self.runs.get(rule_id)
        return {} if run is None else run.rule.found_in(side, record)

    def has_ended(self, row: OutboxRow, record: Record) -> bool:
        """See `WriteDecisions.has_ended`."""
        run = self.runs.get(row.rule_id)
        return run is not None and has_ended(run, row.side, record)

    def limits(self, rule_id: int) -> LinkLimits:
        """See `WriteDecisions.limits`."""
        run = self.runs.get(rule_id)
        return LinkLimits() if run is None else run.rule.limits

    async def _update(self, run: RuleRun, connection: Connection, link: LinkRow, side: Side) -> DecidedWrite | None:
        outcome = await self._decided(run, connection, link)
        if outcome is not None and outcome.stale:
            behind = ", ".join(outcome.stale.values())
            raise UndecidableNowError(f"what is known of {behind} is older than the answer to our last write")
        writes = {} if outcome is None or outcome.merged is None else outcome.merged.writes[side]
        if outcome is None or outcome.merged is None or not writes:
            return None
        pair = run.pair(link, await run.tickets_of(connection, [link]))
        assert pair is not None  # noqa: S101 -- it was decided on a moment ago, in this transaction
        before = {name: outcome.merged.before[name][side] for name in writes}
        sent = SentWrite(WriteKind.UPDATE.value, side, _sent(writes, before), version_of(pair[side], run.kinds[side]))
        saved = replace(outcome.link, revision=link.revision + 1)
        return DecidedWrite(saved, sent, run.rule.changes(side, writes, pair))

    async def _decided(self, run: RuleRun, connection: Connection, link: LinkRow) -> LinkOutcome | None:
        """Decide a link and keep what follows; None: nothing is decided for it now."""
        pair = run.pair(link, await run.tickets_of(connection, [link]))
        if pair is None:
            return None
        chosen = (await conflict.choices(connection, [link.id])).get(link.id, {})
        at = now()
        outcome = await decide_pair(run, connection, link, pair, chosen, at)
        if outcome is not None:
            await store_outcomes(connection, run, [outcome], at)
        return outcome


async def _create(run: RuleRun, connection: Connection, link: LinkRow, side: Side) -> DecidedWrite | None:
    """The counterpart that is to be made; None: it is there already, or its origin is gone."""
    origin_id = link.ticket(side.other)
    if link.state is not LinkState.CREATING or link.ticket(side) is not None or origin_id is None:
        return None
    origin = (await run.tickets(connection, [(side.other, origin_id)])).get((side.other, origin_id))
    if origin is None or origin.deleted:
        return None
    values, writes = run.rule.draft(side, replace(origin, key=link.key))
    return DecidedWrite(link, SentWrite(WriteKind.CREATE.value, side, _sent(writes, {})), values)


def _sent(writes: Mapping[str, FieldWrite], before: Mapping[str, str]) -> dict[str, SentField]:
    return {name: SentField(write.text, write.derived_from, before.get(name)) for name, write in writes.items()}
