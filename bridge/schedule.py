"""Jobs: work that is repeated for ever, when it runs next, and what happens when it fails.

A job is a `run_once` and a wait for the next time; `run_job` is the loop around both. A failure of either is logged,
counted and backed off, whatever it is: a defect in one job, or what one remote system sends, ends neither the process
nor any other job. Only cancellation passes.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

import anyio
import structlog

from bridge.errors import BridgeError, DatabaseUnavailableError
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.redaction import mask

log = structlog.get_logger(__name__)

T = TypeVar("T")

BACKOFF_FIRST_SECONDS = 0.8
BACKOFF_LAST_SECONDS = 30.0
_LONGEST_ERROR = 2000
RETRY_AFTER_LAST_SECONDS = 3600.0
"""A remote system that asks for a longer pause is asked again after this time."""
DATABASE_AWAY_LAST_SECONDS = 2.0
"""Postgres that comes back is used again within this time."""


def now() -> datetime:
    """Our clock, in UTC."""
    return datetime.now(UTC)


def jittered(seconds: float, spread: float = 0.1) -> float:
    """`seconds` plus or minus `spread`, so that many bridges do not run in step."""
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311 -- jitter, not a secret


class Wake:
    """A wake-up call. A call while nobody waits is kept for the next wait; several calls are one."""

    def __init__(self) -> None:
        """Start silent."""
        self._event = anyio.Event()
        self.reason: str | None = None

    def call(self, reason: str) -> None:
        """Wake the waiter, or let its next wait return at once."""
        self.reason = reason
        self._event.set()

    @property
    def called(self) -> bool:
        """Would a wait return at once?"""
        return self._event.is_set()

    async def wait(self, seconds: float | None = None) -> str | None:
        """Wait for a call, at most `seconds`; return its reason, or None when the time passed first."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        if not self._event.is_set():
            return None
        reason, self.reason = self.reason, None
        self._event = anyio.Event()
        return reason


def every(seconds: float, wake: Wake | None = None) -> Callable[[], Awaitable[object]]:
    """Return a wait of about `seconds`, which a call of `wake` ends early."""

    async def wait() -> None:
        if wake is None:
            await anyio.sleep(jittered(seconds))
        else:
            await wake.wait(jittered(seconds))

    return wait


class Backoff:
    """Delays after failures: 0.8 s doubling to 30 s with full jitter, never less than the other side asked for."""

    def __init__(self, first_seconds: float | None = None, last_seconds: float | None = None) -> None:
        """Start with no failures."""
        self._first = BACKOFF_FIRST_SECONDS if first_seconds is None else first_seconds
        self._last = BACKOFF_LAST_SECONDS if last_seconds is None else last_seconds
        self.failures = 0

    def reset(self) -> None:
        """It worked."""
        self.failures = 0

    def after(self, error: Exception) -> float:
        """Count a failure; return how long to wait: as long as the other side asked for, and never long for
        Postgres.
        """
        delay_seconds = self.next_seconds(getattr(error, "retry_after_seconds", None))
        if isinstance(error, DatabaseUnavailableError):
            return min(delay_seconds, DATABASE_AWAY_LAST_SECONDS)
        return delay_seconds

    def next_seconds(self, retry_after_seconds: float | None = None) -> float:
        """Count a failure; return how long to wait."""
        ceiling = min(self._last, self._first * 2**self.failures)
        self.failures = min(self.failures + 1, 32)
        delay = random.uniform(ceiling / 2, ceiling)  # noqa: S311 -- jitter, not a secret
        return max(delay, min(retry_after_seconds or 0.0, RETRY_AFTER_LAST_SECONDS))


async def until_available(work: Callable[[], Awaitable[T]]) -> T:
    """Repeat `work` for as long as Postgres is away, then return what it returns."""
    backoff = Backoff()
    while True:
        try:
            return await work()
        except DatabaseUnavailableError as error:
            (log.debug if backoff.failures else log.warning)("waiting for postgres", error=str(error))
            delay_seconds = backoff.after(error)
        await anyio.sleep(delay_seconds)


@dataclass(slots=True)
class Job:
    """A job and how it is doing. `source`: empty for work on the whole database."""

    name: str
    metrics: Metrics = field(repr=False)
    source: str = ""
    failures: int = 0
    """Since the process started."""
    failures_in_a_row: int = 0
    failed_at: datetime | None = None
    error: str | None = None
    """Why it last failed; None once it has worked again."""

    def __post_init__(self) -> None:
        """Have the counter exist at 0."""
        self.metrics.job_failures.labels(self.source, self.name)

    def worked(self) -> None:
        """A run ended well."""
        self.failures_in_a_row, self.error = 0, None

    def failed(self, error: Exception, retry_in_seconds: float) -> None:
        """Count and log a failure; one that nobody expected with its traceback. While Postgres is away each job says so
        once.
        """
        self.failures += 1
        self.failures_in_a_row += 1
        self.failed_at = now()
        self.metrics.job_failures.labels(self.source, self.name).inc()
        facts: dict[str, object] = {"job": self.name}
        if self.source:
            facts["source"] = self.source
        facts |= {"failures": self.failures_in_a_row, "retry_in_seconds": round(retry_in_seconds, 1)}
        if isinstance(error, BridgeError):
            self.error = _storable(str(error) or type(error).__name__)
            again = isinstance(error, DatabaseUnavailableError) and self.failures_in_a_row > 1
            (log.debug if again else log.warning)("job failed", error=self.error, **facts)
        else:
            self.error = f"unexpected {type(error).__name__}, see the log"
            log.error("job failed unexpectedly", exc_info=error, **facts)


def _storable(text: str) -> str:
    """A message as Postgres takes it and people may read it, without secrets."""
    return mask(text[:_LONGEST_ERROR]).encode(errors="backslashreplace").decode().replace("\0", "\\x00")


async def run_job(
    job: Job,
    run_once: Callable[[], Awaitable[object]],
    wait: Callable[[], Awaitable[object]],
    *,
    wait_first: bool = False,
    backoff: Backoff | None = None,
    on_failure: Callable[[Exception], None] = lambda _: None,
) -> NoReturn:
    """Run a job, wait, run it again; see the module docstring. `on_failure` is called after each failure."""
    backoff = backoff or Backoff()
    while True:
        try:
            if wait_first:
                await wait()
            await run_once()
            job.worked()
            if not wait_first:
                await wait()
        except Exception as caught:  # noqa: BLE001 -- the bulkhead: one job's failure ends no other
            error = expected(caught)
            delay_seconds = backoff.after(error)
            job.failed(error, delay_seconds)
            on_failure(error)
        else:
            backoff.reset()
            continue
        # slept here, where no traceback keeps the job's local variables
        del error
        await anyio.sleep(delay_seconds)


def expected(error: Exception) -> Exception:
    """Take an error of ours out of the group that a task group made of it; a group with any other stays."""
    if not isinstance(error, ExceptionGroup):
        return error
    ours, others = error.split(BridgeError)
    if ours is None or others is not None:
        return error
    first: Exception = ours
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first
