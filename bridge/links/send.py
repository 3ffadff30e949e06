"""Sends to one target what waits in the outbox; runs in the process that leads.

For each row: read the target and store what it says; decide again, on the tables; store the intent (`sending`), which
is refused where the rule was paused meanwhile; send the request; store the answer as an observation and end the row in
one transaction. A crash after the intent, or an error that nobody expected, leaves a row that `bridge.links.settle`
settles by reading the target. A target that is away or asks for a pause costs no attempt: nothing else is sent to it
until the pause is over.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final

import anyio
import structlog

from bridge.domain.link.sent_write import answer_of, overwritten
from bridge.domain.ticket_system import OutcomeUnknownError, Ticket, VersionChangedError, WriteRefusedError
from bridge.errors import DatabaseUnavailableError, PermanentError, TransientError, raise_first
from bridge.http.errors import NotFoundError
from bridge.links.away_count import AwayCount
from bridge.links.conclude import Failure, begin, ended, failed, unexpected, unknown
from bridge.links.decided_write import DecidedWrite, UndecidableNowError, WriteDecisions
from bridge.links.one_request import carry_out
from bridge.links.rule_series import introduce_target
from bridge.links.settle import Settler
from bridge.links.target import WriteTarget
from bridge.links.version_jumps import VersionJumps
from bridge.links.write_limit import WriteLimit
from bridge.schedule import Wake, now, run_job
from bridge.storage import link as link_table
from bridge.storage import outbox, refetch
from bridge.storage.database import Connection, Database
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.lease import LeaseLostError
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import store_items
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_BATCH: Final = 64
_IDLE_SECONDS: Final = 2.0
"""Another process that writes to the outbox (a command) wakes nobody here."""
_SHORTEST_SECONDS: Final = 0.2
"""A row that is due may have to wait for another write of its link."""
_PAUSE_SECONDS: Final = 5.0
"""A row whose request did not arrive lets the others go first for so long."""
_TICKET_GONE: Final = "the ticket is not there any more"


@dataclass(slots=True)
class WriteSender:
    """Writes to one source."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    metrics: Metrics
    wake: Wake = field(default_factory=Wake)
    _settler: Settler = field(init=False)
    _limits: dict[int, WriteLimit] = field(default_factory=dict)
    _jumps: VersionJumps = field(default_factory=VersionJumps)
    _failed: set[int] = field(default_factory=set)
    """Links of which a write failed in this pass: they wait for the next one."""

    def __post_init__(self) -> None:
        """Settle with the same target; have every series exist at 0."""
        introduce_target(self.metrics, self.target.name)
        self._settler = Settler(self.target, self.decisions, self.database, self.metrics)

    async def run(self) -> None:
        """Send what is due, then wait for a call or for the next row to fall due."""
        await run_job(self.target.source.job("send", self.metrics), self.run_once, self._wait)

    async def _wait(self) -> None:
        async with self.database.connection() as connection:
            due_at, _ = await outbox.next_due(connection, self.target.source_id)
        seconds = _IDLE_SECONDS if due_at is None else max((due_at - now()).total_seconds(), _SHORTEST_SECONDS)
        await self.wake.wait(min(seconds, _IDLE_SECONDS))

    async def run_once(self) -> int:
        """Settle what can be settled and send what is due; return how many rows were looked at.

        Raises TransientError when the target is away or asks for a pause.
        """
        await self._settler.run_once()
        self._failed.clear()
        looked_at = 0
        while rows := await self._due():
            looked_at += len(rows)
            if not await self._send_all(rows):
                break
        return looked_at

    async def _due(self) -> list[OutboxRow]:
        async with self.database.connection() as connection:
            return await outbox.due(connection, self.target.source_id, now(), busy=self._failed, limit=_BATCH)

    async def _send_all(self, rows: Sequence[OutboxRow]) -> int:
        """Send rows of different links, a few at once; return how many moved on.

        A failure that may be of one ticket alone costs its row some time. Where nothing works, or the target asks for a
        pause, no further request starts, and the first failure is raised.
        """
        limiter = anyio.CapacityLimiter(self.target.writer.capabilities.concurrency)
        away = AwayCount()
        moved = 0

        async def send(row: OutboxRow) -> None:
            nonlocal moved
            async with limiter:
                if away.stop:
                    return
                try:
                    moved += await self._send(row)
                except TransientError as error:
                    away.failed(error)
                else:
                    away.worked()

        async with anyio.create_task_group() as group:
            for row in rows:
                group.start_soon(send, row)
        if away.failures and (away.stop or not moved):
            raise_first(away.failures)
        return moved

    async def _send(self, row: OutboxRow) -> bool:
        """Send one row; True: it moved on. What it comes to is its own: an error that nobody expected costs no other
        row. TransientError: of the target, or of Postgres.
        """
        try:
            decided = await self._prepare(row)
        except ConcurrentUpdateError:
            return True  # the decider was faster: look again
        except UndecidableNowError as error:
            log.info("write waits", link=row.link_id, target=self.target.name, error=str(error))
            return False
        except (DatabaseUnavailableError, LeaseLostError):
            raise
        except TransientError as error:
            await self._fail(row, Failure(str(error), pause_seconds=_PAUSE_SECONDS))
            raise
        except PermanentError as error:
            await self._fail(row, Failure(str(error), counts=True))
            return True
        except Exception as error:  # the bulkhead: what one row does ends no other
            log.exception("write failed unexpectedly before it was sent", link=row.link_id, target=self.target.name)
            self._count(row, "unexpected")
            await self._fail(row, Failure(unexpected(error), counts=True))
            return True
        if isinstance(decided, bool):
            return decided
        try:
            await self._carry_out(row, decided)
        except ConcurrentUpdateError:
            return True  # answered, and not stored: settled like a write without an answer
        except TransientError:
            raise
        except Exception as error:  # it may have been done: its intent stays
            log.exception("write failed unexpectedly after it was sent", link=row.link_id, target=self.target.name)
            self._count(row, "unexpected")
            await self._unknown(row, unexpected(error))
        return True

    async def _prepare(self, row: OutboxRow) -> DecidedWrite | bool:
        """Do all that comes before the request: nothing was sent when this fails. A truth value: nothing is to be sent
        now, True where the row moved on all the same.
        """
        if not self.decisions.knows(row.rule_id) or not await self._within_limits(row):
            return False
        if row.kind in (WriteKind.UPDATE, WriteKind.END_DUPLICATE) and not await self._read_target(row):
            return True
        decided = await self._begin(row)
        if isinstance(decided, DecidedWrite):
            self._limit(row).count(row.link_id)
            return decided
        return decided is not None

    async def _carry_out(self, row: OutboxRow, decided: DecidedWrite) -> None:
        started = monotonic()
        ticket = await self._request(row, partial(carry_out, self.target, row, decided))
        if ticket is not None:
            self.metrics.write_seconds.labels(self.target.name).observe(monotonic() - started)
            await self._store(row, decided, ticket)

    def _limit(self, row: OutboxRow) -> WriteLimit:
        allowed, known = self.decisions.limits(row.rule_id), self._limits.get(row.rule_id)
        wanted = (allowed.writes_per_minute, allowed.writes_per_ticket_per_hour)
        if known is None or (known.per_minute, known.per_ticket_per_hour) != wanted:
            known = self._limits[row.rule_id] = WriteLimit(*wanted)
        return known

    async def _within_limits(self, row: OutboxRow) -> bool:
        """May this be written now? If not, it waits, and nobody else behind it."""
        limit = self._limit(row)
        seconds, why = limit.wait_seconds(), f"more than {limit.per_minute} writes a minute"
        if (of_ticket := limit.ticket_wait_seconds(row.link_id)) > seconds:
            seconds, why = of_ticket, f"more than {limit.per_ticket_per_hour} writes to this ticket within an hour"
        if seconds <= 0:
            return True
        self.metrics.write_budget_exhausted.labels(self.decisions.name(row.rule_id)).inc()
        await self._fail(row, Failure(f"{why}: see links.NAME.limits", pause_seconds=seconds))
        return False

    async def _read_target(self, row: OutboxRow) -> bool:
        """Read the ticket that is about to be written, and store what it says; False: it cannot be written now."""
        async with self.database.connection() as connection:
            link = (await link_table.read(connection, [row.link_id])).get(row.link_id)
        ticket_id = None if link is None else row.target_of(link)
        if ticket_id is None:
            await self._end(row, WriteOutcome.DROPPED)
            return False
        try:
            ticket = await self.target.writer.fetch(ticket_id)
        except NotFoundError:
            await self._gone(row, ticket_id)
            return False
        except PermanentError as error:
            await self._fail(row, Failure(str(error), counts=True))
            return False
        await store_items(self.database, [self.target.read(ticket)], touch=False)
        return True

    async def _begin(self, row: OutboxRow) -> DecidedWrite | WriteOutcome | None:
        """Decide again and store the intent. None: it is not to be sent now; an outcome: nothing is missing."""
        capabilities, fence = self.target.writer.capabilities, self.target.source.fence
        seconds = capabilities.settle_seconds + self.target.source.settings.request_timeout_seconds
        async with self.database.transaction() as connection:
            await fence.hold(connection)
            decided = await self.decisions.decide(connection, row)
            if decided is None:
                outcome = WriteOutcome.UNCHANGED if row.kind is WriteKind.UPDATE else WriteOutcome.DROPPED
                await ended(connection, row, outcome)
                self._count(row, outcome.value)
                return outcome
            until = now() + timedelta(seconds=seconds)
            begun = await begin(connection, row, decided.link, decided.sent, token=fence.token, until=until)
            return decided if begun else None

    async def _request(self, row: OutboxRow, call: Callable[[], Awaitable[Ticket]]) -> Ticket | None:
        """Send; None: it was not done, and that is noted. Raises TransientError when the target is away."""
        try:
            return await call()
        except DatabaseUnavailableError:
            raise
        except OutcomeUnknownError as error:
            log.warning("outcome of a write not known", link=row.link_id, target=self.target.name, error=str(error))
            await self._unknown(row, str(error))
            self._count(row, "unsure")
            raise
        except VersionChangedError as error:
            await self._fail(row, Failure(str(error), counts=True))
        except WriteRefusedError as error:
            await self._fail(row, Failure(str(error), error.status, blocks=True))
        except NotFoundError as error:
            await self._fail(row, Failure(f"{_TICKET_GONE}: {error}", 404, counts=True))
        except PermanentError as error:
            await self._fail(row, Failure(str(error), blocks=True))
        except TransientError as error:
            await self._fail(row, Failure(str(error), pause_seconds=_PAUSE_SECONDS))
            raise
        return None

    async def _store(self, row: OutboxRow, decided: DecidedWrite, ticket: Ticket) -> None:
        """Store the answer and end the row, in one transaction."""
        says = self.decisions.says(row.rule_id, row.side, ticket.record)
        result = answer_of(self.decisions.fields(row.rule_id), decided.sent, says)
        can = self.target.writer.capabilities
        counts = row.kind is WriteKind.UPDATE and can.counts_versions and not can.compare_and_set
        if counts and self._jumps.shows_another_writer(decided.sent.version, ticket.version):
            result.conflicts = overwritten(decided.sent) | result.conflicts
        kept = row.kind is not WriteKind.END_DUPLICATE or self.decisions.has_ended(row, ticket.record)
        outcome = WriteOutcome.DONE if kept and not result.refused else WriteOutcome.REFUSED

        async def end(connection: Connection, _entries: Sequence[Entry], _stored: Stored) -> None:
            await self.target.source.fence.hold(connection)
            await ended(connection, row, outcome, ticket=ticket, result=result)
            await self.decisions.again(connection, row.link_id)

        await store_items(self.database, [self.target.written(ticket)], then=end)
        self._count(row, outcome.value)
        self._measure(row)
        for found in result.conflicts.values():
            self.metrics.conflicts.labels(self.decisions.name(row.rule_id), found.kind.value).inc()

    def _measure(self, row: OutboxRow) -> None:
        """How long the change took that is on the other side now."""
        figures, labels = self.metrics.links, (self.decisions.name(row.rule_id), row.side.value)
        for name, seconds in (("observed_at", figures.sync_seconds), ("changed_at", figures.sync_age_seconds)):
            if row.cause is not None and (text := row.cause.get(name)) is not None:
                passed = (now() - datetime.fromisoformat(text)).total_seconds()
                seconds.labels(*labels).observe(max(passed, 0.0))

    async def _unknown(self, row: OutboxRow, error: str) -> None:
        until = now() + timedelta(seconds=self.target.writer.capabilities.settle_seconds)
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await unknown(connection, row, error, until=until)

    async def _fail(self, row: OutboxRow, failure: Failure) -> None:
        self._failed.add(row.link_id)
        most = self.decisions.limits(row.rule_id).attempts
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            blocked = await failed(connection, row, failure, most_attempts=most)
        if blocked:
            remedy = "see `tmf656-bridge links show`, then `links retry` or `links ignore`"
            log.warning("write blocked", link=row.link_id, target=self.target.name, error=failure.error, remedy=remedy)
        self._count(row, "blocked" if blocked else "retried")

    async def _gone(self, row: OutboxRow, ticket_id: str) -> None:
        """Have it found out whether the ticket was deleted; the link is orphaned then."""
        async with self.database.transaction() as connection:
            await refetch.request(connection, [(self.target.source_id, ticket_id, "missing", now())])
        await self._fail(row, Failure(_TICKET_GONE, 404, counts=True))

    async def _end(self, row: OutboxRow, outcome: WriteOutcome) -> None:
        async with self.database.transaction() as connection:
            await self.target.source.fence.hold(connection)
            await ended(connection, row, outcome)
        self._count(row, outcome.value)

    def _count(self, row: OutboxRow, outcome: str) -> None:
        self.metrics.writes.labels(self.target.name, row.kind.value, outcome).inc()
        if row.kind is WriteKind.NOTE and self.decisions.knows(row.rule_id):
            self.metrics.links.notes.labels(self.decisions.name(row.rule_id), row.side.value, outcome).inc()
