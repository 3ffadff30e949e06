"""Finds out what became of writes without an answer, by reading the target once it cannot be working on them any more.

A change is compared with what the target says now; a created ticket is looked up by its key; a note by its code. What
was done is done, what was not is sent again, and what cannot be known is kept as a conflict, without overwriting.
A write that cannot be settled now keeps its intent, is shown with the reason, and is looked at again later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from bridge.domain.link.note import leading_codes
from bridge.domain.link.route import between
from bridge.domain.link.sent_write import SentWrite, WriteResult, leave_out, restored, settlement_of
from bridge.domain.ticket_system import Ticket
from bridge.errors import DatabaseUnavailableError, PermanentError, TransientError
from bridge.http.errors import NotFoundError
from bridge.links.away_count import AwayCount
from bridge.links.conclude import EndedWrite, Failure, duplicates, ended, failed, unexpected, unknown
from bridge.links.decided_write import WriteDecisions
from bridge.links.kept_notes import put_back_notes
from bridge.links.target import WriteTarget
from bridge.links.write_steps import WriteSteps
from bridge.schedule import now
from bridge.storage import link as link_table
from bridge.storage import outbox, refetch
from bridge.storage.database import Database
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.lease import LeaseLostError
from bridge.storage.link import LinkRow
from bridge.storage.observation_store import store_items
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_BATCH: Final = 16
_FAILED: Final = "failed"
_NOT_ARRIVED: Final = "an earlier request was not carried out"
_SHORTEST_SECONDS: Final = 5.0
_LONGEST_SECONDS: Final = 600.0


@dataclass(slots=True)
class Settler:
    """Settles the writes to one source."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    metrics: Metrics
    steps: WriteSteps

    async def run_once(self, busy: Iterable[int] = ()) -> int:
        """Settle what the target cannot be working on any more, a few; return how many writes were looked at. `busy`:
        links of which a write is under way.

        A write that cannot be settled now keeps its intent and is looked at later; it holds up no other. Raises
        TransientError where Postgres is away, or the target asks for a pause.
        """
        source_id = self.target.source_id
        async with self.database.session() as connection:
            rule_ids = self.decisions.rule_ids()
            ripe = await link_table.unsettled(connection, source_id, now(), rule_ids=rule_ids, busy=busy, limit=_BATCH)
            if not ripe:
                return 0
            rows = await outbox.sending(connection, source_id, ripe)
            links = await link_table.read(connection, ripe)
        away, looked_at = AwayCount(), 0
        for row in rows:
            link = links.get(row.link_id)
            if link is None or away.stop:
                continue
            looked_at += 1
            await self._settle_contained(row, link, away)
        return looked_at

    async def _settle_contained(self, row: OutboxRow, link: LinkRow, away: AwayCount) -> None:
        """Settle one write; what goes wrong with it is its own."""
        try:
            await self._settle(row, link)
        except ConcurrentUpdateError:
            return  # another writer was faster: the next pass reads again
        except (DatabaseUnavailableError, LeaseLostError):
            raise
        except TransientError as error:
            await self._later(row, str(error))
            away.failed(error)
            if error.retry_after_seconds is not None:
                raise
        except PermanentError as error:
            await self._later(row, str(error))
        except Exception as error:  # the bulkhead: one link ends no other
            log.exception("write not settled, unexpectedly", link=row.link_id, target=self.target.name)
            await self._later(row, unexpected(error))
        else:
            away.worked()

    async def _later(self, row: OutboxRow, error: str) -> None:
        """It is not known yet what became of it: look again after as long as it has been under way."""
        age = 0.0 if row.sent_at is None else (now() - row.sent_at).total_seconds()
        until = now() + timedelta(seconds=min(max(age, _SHORTEST_SECONDS), _LONGEST_SECONDS))
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await unknown(connection, row, error, until=until)
        self.metrics.intents_settled.labels(self.target.name, _FAILED).inc()
        log.warning("write not settled", link=row.link_id, target=self.target.name, error=error)

    async def _settle(self, row: OutboxRow, link: LinkRow) -> None:
        """Read the target and end the row; raises what reading the target raises."""
        ticket_id = row.target_of(link)
        if row.kind is WriteKind.CREATE:
            await self._settle_create(row, link)
        elif ticket_id is None:
            await self._give_up(row, "the ticket is not linked any more")
        else:
            try:
                ways = {WriteKind.NOTE: self._settle_note, WriteKind.END_DUPLICATE: self._settle_duplicate}
                await ways.get(row.kind, self._settle_update)(row, link, ticket_id)
            except NotFoundError as error:
                await self._give_up(row, str(error), gone=ticket_id)

    async def _settle_update(self, row: OutboxRow, link: LinkRow, ticket_id: str) -> None:
        ticket = await self.target.writer.fetch(ticket_id)
        sent = _sent(row, link)
        says = self.decisions.says(row.rule_id, row.side, ticket.record)
        steps = partial(between, self.target.writer.capabilities.status_steps)
        result = settlement_of(self.decisions.fields(row.rule_id), sent, says, ticket.version, steps)
        self._leave_out(row, sent, says, result)
        if result.open:
            await self._not_done(row, Failure(_not_arrived(row), counts=True), "not_done", ticket, result)
            return
        outcome = "uncertain" if result.conflicts else "ours"
        await self._done(row, ticket, result, outcome)

    def _leave_out(self, row: OutboxRow, sent: SentWrite, says: Mapping[str, str], result: WriteResult) -> None:
        absent = self.target.writer.capabilities.absent
        leave_out(result, sent, says, self.decisions.placeless(row.rule_id, row.side, absent))

    async def _settle_duplicate(self, row: OutboxRow, _link: LinkRow, ticket_id: str) -> None:
        ticket = await self.target.writer.fetch(ticket_id)
        if self.decisions.has_ended(row, ticket.record):
            await self._done(row, ticket, WriteResult(), "ours")
        else:
            await self._not_done(row, Failure(_not_arrived(row), counts=True), "not_done", ticket)

    async def _settle_create(self, row: OutboxRow, link: LinkRow) -> None:
        found = await self.target.writer.find(link.key, since=link.created_at)
        if not found:
            await self._not_done(row, Failure(_not_arrived(row), counts=True), "not_done")
            return
        sent = _sent(row, link)
        says = self.decisions.says(row.rule_id, row.side, found[0].record)
        result = settlement_of(self.decisions.fields(row.rule_id), sent, says, None)
        self._leave_out(row, sent, says, result)
        if len(found) > 1:
            async with self.database.transaction() as connection:
                await self.target.source.fence.hold(connection)
                await duplicates(connection, row, [ticket.id for ticket in found])
            self.metrics.duplicates.labels(self.decisions.name(row.rule_id)).inc(len(found) - 1)
        await self._done(row, found[0], result, "ours")

    async def _settle_note(self, row: OutboxRow, link: LinkRow, ticket_id: str) -> None:
        notes = await self.target.writer.notes(ticket_id)
        if any(row.item in leading_codes(note.text) for note in notes):
            ticket = await self.target.writer.fetch(ticket_id)
            await put_back_notes(self.target, self.database, ticket, _sent(row, link).version)
            async with self.database.transaction() as connection:
                await self.target.source.fence.hold(connection)
                await ended(connection, [EndedWrite(row, WriteOutcome.DONE)])
                await self.decisions.again(connection, [row.link_id])
            self._count(row, "ours")
            name = self.decisions.name(row.rule_id)
            self.metrics.links.notes.labels(name, row.side.value, WriteOutcome.DONE.value).inc()
        else:
            await self._not_done(row, Failure(_not_arrived(row), counts=True), "not_done")

    async def _done(self, row: OutboxRow, ticket: Ticket, result: WriteResult, settled: str) -> None:
        write = EndedWrite(row, WriteOutcome.DONE, ticket, result)
        await self.steps.confirm(write, self.target.read(ticket))
        self._count(row, settled)
        for found in result.conflicts.values():
            self.metrics.conflicts.labels(self.decisions.name(row.rule_id), found.kind.value).inc()

    async def _not_done(
        self,
        row: OutboxRow,
        failure: Failure,
        settled: str,
        ticket: Ticket | None = None,
        result: WriteResult | None = None,
    ) -> None:
        """It was not done, or not all of it: what the ticket says is stored, and the write is decided again."""
        most = self.decisions.limits(row.rule_id).attempts
        if ticket is not None:
            await store_items(self.database, [self.target.read(ticket)])
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await failed(connection, row, failure, most_attempts=most, result=result)
        self._count(row, settled)

    async def _give_up(self, row: OutboxRow, why: str, gone: str | None = None) -> None:
        """Nothing can be written any more. `gone`: a ticket of which is found out whether it was deleted."""
        log.info("write given up", link=row.link_id, target=self.target.name, why=why)
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await ended(connection, [EndedWrite(row, WriteOutcome.DROPPED)])
            await self.decisions.again(connection, [row.link_id])
            if gone is not None:
                await refetch.request(connection, [(self.target.source_id, gone, "missing", now())])
        self._count(row, "not_done")

    def _count(self, row: OutboxRow, settled: str) -> None:
        self.metrics.intents_settled.labels(self.target.name, settled).inc()
        log.info("write settled", link=row.link_id, target=self.target.name, kind=row.kind.value, outcome=settled)


def _not_arrived(row: OutboxRow) -> str:
    return f"{_NOT_ARRIVED}: {row.error}" if row.error else _NOT_ARRIVED


def _sent(row: OutboxRow, link: LinkRow) -> SentWrite:
    """Read what was sent; a row whose intent is gone was written without a field."""
    return restored(link.intent) if link.intent else SentWrite(row.kind.value, row.side)
