"""What came of the writes of a sender, stored: each in a transaction of its own, or with others that are confirmed."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from bridge.domain.link.sent_write import WriteResult, answer_of, leave_out, overwritten
from bridge.domain.ticket_system import Ticket
from bridge.links.conclude import EndedWrite, Failure, ended, failed, unknown
from bridge.links.decided_write import DecidedWrite, WriteDecisions
from bridge.links.one_request import PartlyRefusedError
from bridge.links.rule_series import measure_sync
from bridge.links.target import WriteTarget
from bridge.links.version_jumps import VersionJumps
from bridge.links.write_steps import WriteSteps
from bridge.schedule import now
from bridge.storage import refetch
from bridge.storage.database import Database
from bridge.storage.observation_store import store_items
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

TICKET_GONE: Final = "the ticket is not there any more"


@dataclass(slots=True)
class SendOutcomes:
    """Stores what came of the writes to one target."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    metrics: Metrics
    steps: WriteSteps
    _jumps: VersionJumps = field(default_factory=VersionJumps)

    async def store(self, row: OutboxRow, decided: DecidedWrite, ticket: Ticket) -> None:
        """Store the answer and end the row, in one transaction."""
        says = self.decisions.says(row.rule_id, row.side, ticket.record)
        result = answer_of(self.decisions.fields(row.rule_id), decided.sent, says)
        can = self.target.writer.capabilities
        leave_out(result, decided.sent, says, self.decisions.placeless(row.rule_id, row.side, can.absent))
        counts = row.kind is WriteKind.UPDATE and can.counts_versions and not can.compare_and_set
        if counts and self._jumps.shows_another_writer(decided.sent.version, ticket.version):
            result.conflicts = overwritten(decided.sent) | result.conflicts
        kept = row.kind is not WriteKind.END_DUPLICATE or self.decisions.has_ended(row, ticket.record)
        outcome = WriteOutcome.DONE if kept and not result.refused else WriteOutcome.REFUSED
        write = EndedWrite(row, outcome, ticket, result)
        await self.steps.confirm(write, self.target.written(ticket))
        self.count(row, outcome.value)
        measure_sync(self.metrics, self.decisions.name(row.rule_id), row)
        for found in result.conflicts.values():
            self.metrics.conflicts.labels(self.decisions.name(row.rule_id), found.kind.value).inc()

    async def partly(self, row: OutboxRow, decided: DecidedWrite, error: PartlyRefusedError) -> None:
        """Store what the target took; a person has to look at the rest."""
        says = self.decisions.says(row.rule_id, row.side, error.ticket.record)
        says = {name: text for name, text in says.items() if name not in error.refused}
        result = answer_of(self.decisions.fields(row.rule_id), decided.sent, says)
        absent = self.target.writer.capabilities.absent
        leave_out(result, decided.sent, says, self.decisions.placeless(row.rule_id, row.side, absent))
        await store_items(self.database, [self.target.written(error.ticket)])
        await self.fail(row, Failure(str(error), error.status, blocks=True), result, error.ticket)

    async def unknown(self, row: OutboxRow, error: str) -> None:
        """It may have been done: it is settled once the target cannot be working on it any more."""
        until = now() + timedelta(seconds=self.target.writer.capabilities.settle_seconds)
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await unknown(connection, row, error, until=until)

    async def fail(
        self, row: OutboxRow, failure: Failure, result: WriteResult | None = None, ticket: Ticket | None = None
    ) -> None:
        """It was not done, or not all of it: it is tried again, or blocked."""
        most = self.decisions.limits(row.rule_id).attempts
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            blocked = await failed(connection, row, failure, most_attempts=most, result=result, ticket=ticket)
            if result is not None:
                await self.decisions.again(connection, [row.link_id])
        if blocked:
            remedy = "see `tmf656-bridge links show`, then `links retry` or `links ignore`"
            log.warning("write blocked", link=row.link_id, target=self.target.name, error=failure.error, remedy=remedy)
        self.count(row, "blocked" if blocked else "retried")

    async def gone(self, row: OutboxRow, ticket_id: str) -> None:
        """Have it found out whether the ticket was deleted; the link is orphaned then."""
        async with self.database.transaction() as connection:
            await refetch.request(connection, [(self.target.source_id, ticket_id, "missing", now())])
        await self.fail(row, Failure(TICKET_GONE, 404, counts=True))

    async def end(self, row: OutboxRow, outcome: WriteOutcome) -> None:
        """Nothing was to be sent."""
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await ended(connection, [EndedWrite(row, outcome)])
        self.count(row, outcome.value)

    def count(self, row: OutboxRow, outcome: str) -> None:
        """Count what came of a row."""
        self.metrics.writes.labels(self.target.name, row.kind.value, outcome).inc()
        if row.kind is WriteKind.NOTE and self.decisions.knows(row.rule_id):
            self.metrics.links.notes.labels(self.decisions.name(row.rule_id), row.side.value, outcome).inc()
