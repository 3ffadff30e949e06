"""Reports the state of each source: gauges that need a query, and the rows that `tmf656-bridge status` reads.

Processes on one database exchange state here: the leader writes the mode of each source; the others write when they
last received a notification, and their requests for a poll, which only the leader makes. A request is written to the
database before it is cleared in memory, so a crash in between polls twice; if the leader takes a request and dies, the
first poll of the next leader serves it.

Counting a million problems takes seconds, so the pause after a count grows with its duration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

import structlog

from bridge.domain.status import Status
from bridge.errors import DatabaseUnavailableError
from bridge.schedule import Job, every, now, run_job
from bridge.sources.missed_push import count_missed_pushes
from bridge.sources.state import Mode, SourceState
from bridge.storage import change, dead_letter, service_problem, unmapped_value
from bridge.storage import source as source_table
from bridge.storage.database import Connection, Database
from bridge.storage.errors import RefusedError
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0
_COUNT_SHARE = 200
"""The pause after a count, in multiples of its duration: so fewer than a hundredth of the answers wait for a count."""
_HELD_BACK_SECONDS = 60.0
_WARN_AGAIN_SECONDS = 600.0
_STATUSES = tuple(status.value for status in Status)


@dataclass(slots=True)
class Reporter:
    """Reports on every source."""

    sources: Mapping[str, SourceState]
    database: Database
    metrics: Metrics
    job: Job = field(init=False)
    _count_not_before: float = 0.0
    _warn_not_before: float = 0.0
    _available: bool = True

    def __post_init__(self) -> None:
        """Create the job."""
        self.job = Job("source_report", self.metrics)

    async def run(self) -> None:
        """Report every few seconds; log once that Postgres is away, and once that it is back."""
        await run_job(self.job, self.run_once, every(_EVERY_SECONDS), on_failure=self._failed)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, DatabaseUnavailableError):
            if self._available:
                log.warning("postgres is away", error=str(error))
            self._available = False
            self.metrics.database_up.set(0)

    async def run_once(self) -> None:
        """Report once, and record that Postgres answers."""
        await self._report()
        if not self._available:
            log.info("postgres is back")
        self._available = True
        self.metrics.database_up.set(1)

    async def _report(self) -> None:
        """Write the state of each source, or read it when another process leads; count problems when that is due."""
        for source in list(self.sources.values()):
            try:
                async with self.database.connection() as connection:
                    await self._write_unmapped(connection, source)
                    await (self._write if source.leads else self._read)(connection, source)
            except RefusedError as error:  # of this source only
                log.warning("state not written", source=source.name, error=str(error))
        await self._check_held_back()
        if monotonic() >= self._count_not_before:
            await self._count()

    async def _check_held_back(self) -> None:
        """Warn when a transaction that stays open delays the change stream."""
        async with self.database.connection() as connection:
            seconds, holder = await change.held_back(connection)
        self.metrics.changes_held_back.set(seconds)
        if seconds >= _HELD_BACK_SECONDS and monotonic() >= self._warn_not_before:
            self._warn_not_before = monotonic() + _WARN_AGAIN_SECONDS
            log.warning(
                "changes are held back from /stream",
                seconds=round(seconds),
                held_by=holder or "a transaction that cannot be seen: grant pg_monitor to the user of database.dsn",
                remedy="end that transaction (commit, rollback, or rollback prepared)",
            )

    async def _write_unmapped(self, connection: Connection, source: SourceState) -> None:
        """Count the values that could not be read and keep them with examples."""
        counts = source.unmapped.taken()
        for value, times in counts.items():
            self.metrics.unmapped_values.labels(source.name, value.attribute).inc(times)
        if counts:
            await unmapped_value.add(connection, source.source_id, counts)

    async def _write(self, connection: Connection, source: SourceState) -> None:
        await count_missed_pushes(connection, source, self.metrics, now())
        if source.distrusted and source.missed_at is not None:
            if await source_table.pushed_since(connection, source.source_id, source.missed_at):
                source.prove_push()
            source.update_trust()
        last_push_at = await source_table.write_state(
            connection, source.source_id, mode=source.mode.value, last_push_at=source.last_push_at, reason=source.reason
        )
        if last_push_at is not None and (source.last_push_at is None or last_push_at > source.last_push_at):
            source.notification_stored(last_push_at)  # by another process
        if await source_table.take_poll_request(connection, source.source_id):
            source.poll_wake.call("another process asks for it")
        failing = {
            name: {"failures": job.failures_in_a_row, "failed_at": job.failed_at, "error": job.error}
            for name, job in source.failing_jobs().items()
        }
        await source_table.write_error(connection, source.source_id, source.last_error, failing)

    async def _read(self, connection: Connection, source: SourceState) -> None:
        await source_table.write_state(connection, source.source_id, last_push_at=source.last_push_at)
        if source.poll_wake.called:
            await source_table.request_poll(connection, source.source_id)
            await source.poll_wake.wait(0)
        mode = await source_table.mode(connection, source.source_id)
        if source.leads:  # since a moment ago
            return
        source.follow(Mode(mode))
        self.metrics.registered.labels(source.name).set(1 if source.mode is Mode.PUSH else 0)

    async def _count(self) -> None:
        started = monotonic()
        async with self.database.connection() as connection:
            letters = await dead_letter.count(connection)
            problems = await service_problem.count_by_status(connection)
        for source in list(self.sources.values()):
            self.metrics.dead_letters.labels(source.name).set(letters.get(source.source_id, 0))
            mine = [(status, number) for source_id, status, number in problems if source_id == source.source_id]
            self.metrics.show_problems(source.name, mine, _STATUSES)
        ended = monotonic()
        self._count_not_before = ended + _COUNT_SHARE * (ended - started)
