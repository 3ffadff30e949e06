"""Sends to one target what waits in the outbox; runs in the process that leads.

For each row: read the target; store what it says, decide again on the tables and store the intent (`sending`), which is
refused where the rule was paused meanwhile; send the request; store the answer as an observation and end the row. What
is stored for rows at the same time shares a transaction (`bridge.links.write_steps`); a connection is held from the
read to the answer, so that no request waits once its intent is stored.

A crash after the intent, or an error that nobody expected, leaves a row that `bridge.links.settle` settles by reading
the target. A target that is away or asks for a pause costs no attempt: nothing else is sent to it until the pause is
over.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, TypeVar

import anyio
import structlog
from anyio.abc import TaskGroup

from bridge.domain.ticket_system import OutcomeUnknownError, Ticket, VersionChangedError, WriteRefusedError
from bridge.errors import DatabaseUnavailableError, PermanentError, TransientError, raise_first
from bridge.http.errors import NotFoundError
from bridge.links.away_count import SendPass
from bridge.links.conclude import Failure, unexpected
from bridge.links.decided_write import DecidedWrite, UndecidableNowError, WriteDecisions
from bridge.links.one_request import PartlyRefusedError, carry_out
from bridge.links.rule_series import introduce_target
from bridge.links.send_outcomes import TICKET_GONE, SendOutcomes
from bridge.links.settle import Settler
from bridge.links.target import WriteTarget
from bridge.links.write_limit import WriteLimits
from bridge.links.write_steps import WriteSteps
from bridge.schedule import Wake, now, run_job
from bridge.storage import link as link_table
from bridge.storage import outbox
from bridge.storage.database import Database
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.lease import LeaseLostError
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

T = TypeVar("T")

_BATCH: Final = 128
_IDLE_SECONDS: Final = 2.0
"""Another process that writes to the outbox (a command) wakes nobody here."""
_SHORTEST_SECONDS: Final = 0.2
"""A row that is due may have to wait for another write of its link."""
_PAUSE_SECONDS: Final = 5.0
"""A row whose request did not arrive lets the others go first for so long."""
_PUT_OFF_SECONDS: Final = 2.0
"""A row that cannot be decided now is looked at again in a pass that lasts longer."""
_ROWS_A_CONNECTION: Final = 2
"""Rows under way for each connection: while some are answered and stored, the next ones use the connections."""


@dataclass(slots=True)
class WriteSender:
    """Writes to one source."""

    target: WriteTarget
    decisions: WriteDecisions
    database: Database
    metrics: Metrics
    wake: Wake = field(default_factory=Wake)
    _settler: Settler = field(init=False)
    _steps: WriteSteps = field(init=False)
    _outcomes: SendOutcomes = field(init=False)
    _connections: anyio.CapacityLimiter = field(init=False)
    _places: anyio.Semaphore = field(init=False)
    _limits: WriteLimits = field(default_factory=WriteLimits)
    _under_way: set[int] = field(default_factory=set)
    """Links of which a write is under way."""
    _put_off: dict[int, float] = field(default_factory=dict)
    """Links of which a write did not move on, and until when they let others go first."""

    def __post_init__(self) -> None:
        """Settle with the same target; have every series exist at 0."""
        introduce_target(self.metrics, self.target.name)
        self._steps = WriteSteps(self.target, self.decisions, self.database)
        self._settler = Settler(self.target, self.decisions, self.database, self.metrics, self._steps)
        self._outcomes = SendOutcomes(self.target, self.decisions, self.database, self.metrics, self._steps)
        concurrency = self.target.writer.capabilities.concurrency
        self._connections = anyio.CapacityLimiter(concurrency)
        self._places = anyio.Semaphore(_ROWS_A_CONNECTION * concurrency)

    async def run(self) -> None:
        """Send what is due, then wait for a call or for the next row to fall due."""
        await run_job(self.target.source.job("send", self.metrics), self.run_once, self._wait)

    async def _wait(self) -> None:
        async with self.database.session() as connection:
            due_at, _ = await outbox.next_due(connection, self.target.source_id)
        seconds = _IDLE_SECONDS if due_at is None else max((due_at - now()).total_seconds(), _SHORTEST_SECONDS)
        await self.wake.wait(min(seconds, _IDLE_SECONDS))

    async def run_once(self) -> int:
        """Settle what can be settled and send what is due, until nothing is; return how many rows were looked at.

        A failure that may be of one ticket alone costs its row some time. Where nothing works, or the target asks for a
        pause, no further request starts, and the first failure is raised (TransientError).
        """
        self._put_off.clear()
        run = SendPass()
        async with anyio.create_task_group() as group:
            try:
                await self._feed(run, group)
            except Exception as error:  # noqa: BLE001 -- raised once what is under way has ended
                run.error = error
        if run.error is not None:
            raise run.error
        if run.away.failures and (run.away.stop or not run.moved):
            raise_first(run.away.failures)
        return run.looked_at

    async def _feed(self, run: SendPass, group: TaskGroup) -> None:
        """Start what is due as places become free, and settle in between: a backlog may last for hours."""
        settle = True
        while self.decisions.rule_ids() and not run.away.stop:
            if settle and not run.settling:
                run.settling = True
                group.start_soon(self._settle, run)
            rows = await self._due()
            run.looked_at += len(rows)
            settle = bool(rows)
            if not rows:
                if not self._under_way and not run.settling:
                    return
                run.waits = True
                await self.wake.wait(_IDLE_SECONDS)  # something has ended, or more is wanted
                run.waits = False
            for row, ticket_id in rows:
                if not await self._place(run):
                    return
                self._under_way.add(row.link_id)
                group.start_soon(self._work, run, row, ticket_id)

    async def _settle(self, run: SendPass) -> None:
        """Settle a few writes beside those that are sent, over a connection of theirs."""
        try:
            async with self._connections:
                settled = await self._settler.run_once(self._under_way)
            run.looked_at += settled  # not in one step with the above: what is counted meanwhile would be lost
        except Exception as error:  # noqa: BLE001 -- raised once what is under way has ended
            run.away.stop, run.error = True, error
        finally:
            run.settling = False
            if run.waits:  # a call that nobody waits for would begin another pass, which settles, and so on
                self.wake.call("settled")

    async def _place(self, run: SendPass) -> bool:
        """Wait for a place for one more row; False: nothing more is to be started."""
        await self._places.acquire()
        if run.away.stop:
            self._places.release()
        return not run.away.stop

    async def _due(self) -> list[tuple[OutboxRow, str | None]]:
        """What may be sent now, with the tickets that are written to."""
        at = monotonic()
        busy = self._under_way | {link_id for link_id, until in self._put_off.items() if until > at}
        async with self.database.session() as connection:
            rows = await outbox.due(connection, self.target.source_id, now(), busy=busy, limit=_BATCH)
            links = await link_table.read(connection, [row.link_id for row in rows]) if rows else {}
        return [(row, row.target_of(links[row.link_id])) for row in rows if row.link_id in links]

    async def _work(self, run: SendPass, row: OutboxRow, ticket_id: str | None) -> None:
        """Send one row; a place is free afterwards."""
        try:
            if await self._send(run, row, ticket_id):
                run.moved = True
            else:
                self._put_off[row.link_id] = monotonic() + _PUT_OFF_SECONDS
        except TransientError as error:
            run.away.failed(error)
        except Exception:  # the bulkhead: also what befalls the note of a failure is of one row
            log.exception("write failed unexpectedly", link=row.link_id, target=self.target.name)
            self._put_off[row.link_id] = monotonic() + _PUT_OFF_SECONDS
        else:
            run.away.worked()
        finally:
            self._under_way.discard(row.link_id)
            self._places.release()
            self.wake.call("ended")

    async def _send(self, run: SendPass, row: OutboxRow, ticket_id: str | None) -> bool:
        """Send one row; True: it moved on. What it comes to is its own: an error that nobody expected costs no other
        row. TransientError: of the target, or of Postgres.
        """
        async with self._connections:
            if run.away.stop:
                return False
            decided = await self._prepared(row, ticket_id)
            if isinstance(decided, bool):
                return decided
            answer = await self._sent(row, self._request(row, decided))
        if answer is not None:
            await self._sent(row, self._outcomes.store(row, decided, answer))
        return True

    async def _prepared(self, row: OutboxRow, ticket_id: str | None) -> DecidedWrite | bool:
        """Do all that comes before the request: nothing was sent when this fails. A truth value: nothing is to be sent
        now, True where the row moved on all the same.
        """
        try:
            return await self._prepare(row, ticket_id)
        except ConcurrentUpdateError:
            return True  # the decider was faster: look again
        except UndecidableNowError as error:
            log.info("write waits", link=row.link_id, target=self.target.name, error=str(error))
            return False
        except (DatabaseUnavailableError, LeaseLostError):
            raise
        except TransientError as error:
            await self._outcomes.fail(row, Failure(str(error), pause_seconds=_PAUSE_SECONDS))
            raise
        except PermanentError as error:
            await self._outcomes.fail(row, Failure(str(error), counts=True))
        except Exception as error:  # the bulkhead: what one row does ends no other
            log.exception("write failed unexpectedly before it was sent", link=row.link_id, target=self.target.name)
            self._outcomes.count(row, "unexpected")
            await self._outcomes.fail(row, Failure(unexpected(error), counts=True))
        return True

    async def _sent(self, row: OutboxRow, step: Awaitable[T]) -> T | None:
        """Do what comes after the intent was stored: the write may have been done, whatever fails."""
        try:
            return await step
        except ConcurrentUpdateError:
            log.info("answered, and not stored", link=row.link_id, target=self.target.name)  # settled as without one
        except TransientError:
            raise
        except Exception as error:  # the bulkhead, and its intent stays
            log.exception("write failed unexpectedly after it was sent", link=row.link_id, target=self.target.name)
            self._outcomes.count(row, "unexpected")
            await self._outcomes.unknown(row, unexpected(error))
        return None

    async def _prepare(self, row: OutboxRow, ticket_id: str | None) -> DecidedWrite | bool:
        if not self.decisions.knows(row.rule_id) or not await self._within_limits(row):
            return False
        read = None
        if row.kind in (WriteKind.UPDATE, WriteKind.END_DUPLICATE):
            ticket = await self._read_target(row, ticket_id)
            if ticket is None:
                return True
            read = self.target.read(ticket, routine=True)
        claimed = await self._steps.claim(row, read)
        if isinstance(claimed, WriteOutcome):
            self._outcomes.count(row, claimed.value)
            return True
        if claimed is None:
            return False
        self._limits.of(row.rule_id, self.decisions.limits(row.rule_id)).count(row.link_id)
        return claimed

    async def _within_limits(self, row: OutboxRow) -> bool:
        """May this be written now? If not, it waits, and nobody else behind it."""
        limit = self._limits.of(row.rule_id, self.decisions.limits(row.rule_id))
        seconds, why = limit.wait_seconds(), f"more than {limit.per_minute} writes a minute"
        if (of_ticket := limit.ticket_wait_seconds(row.link_id)) > seconds:
            seconds, why = of_ticket, f"more than {limit.per_ticket_per_hour} writes to this ticket within an hour"
        if seconds <= 0:
            return True
        self.metrics.write_budget_exhausted.labels(self.decisions.name(row.rule_id)).inc()
        await self._outcomes.fail(row, Failure(f"{why}: see links.NAME.limits", pause_seconds=seconds))
        return False

    async def _read_target(self, row: OutboxRow, ticket_id: str | None) -> Ticket | None:
        """Read the ticket that is about to be written; None: it cannot be written now."""
        if ticket_id is None:
            await self._outcomes.end(row, WriteOutcome.DROPPED)
            return None
        try:
            return await self.target.writer.fetch(ticket_id)
        except NotFoundError:
            await self._outcomes.gone(row, ticket_id)
        except PermanentError as error:
            await self._outcomes.fail(row, Failure(str(error), counts=True))
        return None

    async def _request(self, row: OutboxRow, decided: DecidedWrite) -> Ticket | None:
        """Send; None: it was not done, and that is noted. Raises TransientError when the target is away."""
        started = monotonic()
        try:
            ticket = await carry_out(self.target, self.database, row, decided)
        except DatabaseUnavailableError:
            raise
        except OutcomeUnknownError as error:
            log.warning("outcome of a write not known", link=row.link_id, target=self.target.name, error=str(error))
            await self._outcomes.unknown(row, str(error))
            self._outcomes.count(row, "unsure")
            raise
        except VersionChangedError as error:
            await self._outcomes.fail(row, Failure(str(error), counts=True))
        except PartlyRefusedError as error:
            await self._outcomes.partly(row, decided, error)
        except WriteRefusedError as error:
            await self._outcomes.fail(row, Failure(str(error), error.status, blocks=True))
        except NotFoundError as error:
            await self._outcomes.fail(row, Failure(f"{TICKET_GONE}: {error}", 404, counts=True))
        except PermanentError as error:
            await self._outcomes.fail(row, Failure(str(error), blocks=True))
        except TransientError as error:
            await self._outcomes.fail(row, Failure(str(error), pause_seconds=_PAUSE_SECONDS))
            raise
        else:
            self.metrics.write_seconds.labels(self.target.name).observe(monotonic() - started)
            return ticket
        return None
