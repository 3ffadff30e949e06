"""Finds out what became of writes without an answer, by reading the target once it cannot be working on them any more.

A change is compared with what the target says now; a created ticket is looked up by its key; a note by its code. What
was done is done, what was not is sent again, and what cannot be known is kept as a conflict, without overwriting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bridge.domain.link.note import leading_codes
from bridge.domain.link.sent_write import SentWrite, WriteResult, restored, settlement_of
from bridge.domain.ticket_system import Ticket
from bridge.errors import PermanentError
from bridge.http.errors import NotFoundError
from bridge.links.conclude import Failure, duplicates, ended, failed
from bridge.links.decided_write import WriteDecisions
from bridge.links.target import WriteTarget
from bridge.schedule import now
from bridge.storage import link as link_table
from bridge.storage import outbox
from bridge.storage.database import Connection, Database
from bridge.storage.link import LinkRow
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import store_items
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_NOT_ARRIVED = "an earlier request was not carried out"


@dataclass(slots=True)
class Settler:
    """Settles the writes to one source."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    metrics: Metrics

    async def run_once(self) -> int:
        """Settle what the target cannot be working on any more; return how many writes that were. TransientError when
        the target is away: they are settled later.
        """
        async with self.database.connection() as connection:
            ripe = set(await link_table.unsettled(connection, self.target.source_id, now()))
            sending = await outbox.sending(connection, self.target.source_id)
            rows = [row for row in sending if row.link_id in ripe and self.decisions.knows(row.rule_id)]
            links = await link_table.read(connection, ripe)
        for row in rows:
            await self._settle(row, links[row.link_id])
        return len(rows)

    async def _settle(self, row: OutboxRow, link: LinkRow) -> None:
        ticket_id = link.ticket(row.side)
        try:
            if row.kind is WriteKind.CREATE:
                await self._settle_create(row, link)
            elif ticket_id is None:
                await self._give_up(row, "the ticket is not linked any more")
            elif row.kind is WriteKind.NOTE:
                await self._settle_note(row, ticket_id)
            else:
                await self._settle_update(row, link, ticket_id)
        except NotFoundError as error:
            await self._give_up(row, str(error))
        except PermanentError as error:
            await self._not_done(row, Failure(str(error), blocks=True), "uncertain")

    async def _settle_update(self, row: OutboxRow, link: LinkRow, ticket_id: str) -> None:
        ticket = await self.target.writer.fetch(ticket_id)
        sent = _sent(row, link)
        says = self.decisions.says(row.rule_id, row.side, ticket.record)
        result = settlement_of(self.decisions.fields(row.rule_id), sent, says, ticket.version)
        if result.open:
            await self._not_done(row, Failure(_NOT_ARRIVED, counts=True), "not_done", ticket, result)
            return
        outcome = "uncertain" if result.conflicts else "ours"
        await self._done(row, ticket, result, outcome)

    async def _settle_create(self, row: OutboxRow, link: LinkRow) -> None:
        found = await self.target.writer.find(link.key, since=link.created_at)
        if not found:
            await self._not_done(row, Failure(_NOT_ARRIVED, counts=True), "not_done")
            return
        sent = _sent(row, link)
        says = self.decisions.says(row.rule_id, row.side, found[0].record)
        result = settlement_of(self.decisions.fields(row.rule_id), sent, says, None)
        if len(found) > 1:
            async with self.database.transaction() as connection:
                await self.target.source.fence.hold(connection)
                await duplicates(connection, row, [ticket.id for ticket in found])
            self.metrics.duplicates.labels(self.decisions.name(row.rule_id)).inc(len(found) - 1)
        await self._done(row, found[0], result, "ours")

    async def _settle_note(self, row: OutboxRow, ticket_id: str) -> None:
        notes = await self.target.writer.notes(ticket_id)
        if any(row.item in leading_codes(note.text) for note in notes):
            async with self.database.transaction() as connection:
                await self.target.source.fence.hold(connection)
                await ended(connection, row, WriteOutcome.DONE)
                await self.decisions.again(connection, row.link_id)
            self._count(row, "ours")
            name = self.decisions.name(row.rule_id)
            self.metrics.links.notes.labels(name, row.side.value, WriteOutcome.DONE.value).inc()
        else:
            await self._not_done(row, Failure(_NOT_ARRIVED, counts=True), "not_done")

    async def _done(self, row: OutboxRow, ticket: Ticket, result: WriteResult, settled: str) -> None:
        async def end(connection: Connection, _entries: Sequence[Entry], _stored: Stored) -> None:
            await self.target.source.fence.hold(connection)
            await ended(connection, row, WriteOutcome.DONE, ticket=ticket, result=result)
            await self.decisions.again(connection, row.link_id)

        await store_items(self.database, [self.target.read(ticket)], then=end)
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

    async def _give_up(self, row: OutboxRow, why: str) -> None:
        log.info("write given up", link=row.link_id, target=self.target.name, why=why)
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await ended(connection, row, WriteOutcome.DROPPED)
            await self.decisions.again(connection, row.link_id)
        self._count(row, "not_done")

    def _count(self, row: OutboxRow, settled: str) -> None:
        self.metrics.intents_settled.labels(self.target.name, settled).inc()
        log.info("write settled", link=row.link_id, target=self.target.name, kind=row.kind.value, outcome=settled)


def _sent(row: OutboxRow, link: LinkRow) -> SentWrite:
    """Read what was sent; a row whose intent is gone was written without a field."""
    return restored(link.intent) if link.intent else SentWrite(row.kind.value, row.side)
