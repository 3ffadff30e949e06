"""Running the sources: each is started, stopped and reconfigured alone, while the others go on.

Every process holds every source, because every process listens; the jobs of a source (poll, reconcile, registration …)
run only while this process leads, in a task group of their own. What the jobs are is given by `bridge.leader_jobs`,
so that this module depends on no flow.

A source that is reconfigured keeps taking notifications: the new state replaces the old one in one step, after the jobs
of the old one have ended. Starting one that cannot be opened changes nothing: the error goes to the caller.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import anyio
import structlog
from anyio.abc import TaskGroup

from bridge.errors import BridgeError
from bridge.schedule import run_job
from bridge.settings import SourceSettings
from bridge.settings.changes import SettingsChange
from bridge.sources.state import Mode, SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage import source as source_table
from bridge.storage.database import Database
from bridge.storage.observation import Stored
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_WITHDRAW_SECONDS = 3.0

RunJob = Callable[[], Coroutine[Any, Any, Any]]
OpenSource = Callable[[str, SourceSettings], AbstractAsyncContextManager[SourceState]]
"""Opens the client of a source and reads what the database knows of it."""


def _set_event() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


@dataclass(slots=True)
class SourceRunner:
    """One source: its state, and its jobs while `run` runs."""

    state: SourceState
    jobs: Sequence[RunJob]
    metrics: Metrics
    resources: AsyncExitStack
    """Closes the client."""
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _ended: anyio.Event = field(default_factory=_set_event)
    _stopped: bool = False

    async def run(self) -> None:
        """Run the jobs until cancelled, or until `stop`; may be called again after it was cancelled."""
        if self._stopped:
            return
        self._ended = anyio.Event()
        try:
            with anyio.CancelScope() as self._scope:
                await run_job(self.state.job("source", self.metrics), self._run_jobs, anyio.sleep_forever)
        finally:
            self._ended.set()

    async def _run_jobs(self) -> None:
        async with anyio.create_task_group() as group:
            for job in self.jobs:
                group.start_soon(job)

    async def stop(self) -> None:
        """End the jobs, so that they cannot run again; return once they have ended."""
        self._stopped = True
        self._scope.cancel()
        await self._ended.wait()


class SourceRunners:
    """All sources of this process; use as an async context manager. `states`: by name, always as they are now."""

    def __init__(
        self,
        open_source: OpenSource,
        jobs_of: Callable[[SourceState], Sequence[RunJob]],
        database: Database,
        metrics: Metrics,
    ) -> None:
        """Begin without a source."""
        self.states: dict[str, SourceState] = {}
        self._open_source = open_source
        self._jobs_of = jobs_of
        self._database = database
        self._metrics = metrics
        self._runners: dict[str, SourceRunner] = {}
        self._leads = False
        self._running: TaskGroup | None = None
        self._changing = anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as closing:
            for runner in self._runners.values():
                closing.push_async_callback(runner.resources.aclose)

    async def start(self, name: str, settings: SourceSettings) -> None:
        """Start a source, or restart it with other settings. Raises what opening it raises; then nothing changed."""
        async with self._changing, AsyncExitStack() as opening:
            state = await opening.enter_async_context(self._open_source(name, settings))
            before = self._runners.get(name)
            if before is not None:
                await before.stop()
            runner = SourceRunner(state, self._jobs_of(state), self._metrics, opening.pop_all())
            if self._leads:
                state.lead()
            self._runners[name], self.states[name] = runner, state
            if self._running is not None:
                self._running.start_soon(runner.run)
            if before is not None:
                await before.resources.aclose()

    async def stop(self, name: str) -> None:
        """Stop a removed source: it is asked nothing more, its notifications are refused, and the process that leads
        deregisters it.
        """
        async with self._changing:
            runner = self._runners[name]
            await runner.stop()
            del self._runners[name], self.states[name]
            runner.state.follow()
            async with runner.resources:
                if self._leads:
                    await self._withdraw(runner.state)
                    await self._write_disabled(runner.state)
        self._metrics.forget(name)

    async def apply(self, change: SettingsChange) -> None:
        """Stop, start and restart what was removed, added and changed. One that cannot be started is logged; it goes
        on as it was, or stays away.
        """
        for name in change.removed:
            await self.stop(name)
        for name in (*change.added, *change.changed):
            try:
                await self.start(name, change.settings.sources[name])
            except BridgeError as error:
                log.warning("source not started", source=name, error=str(error))

    async def withdraw(self) -> None:
        """Deregister every source, all at once, in a few seconds at most."""
        async with anyio.create_task_group() as withdrawing:
            for state in self.states.values():
                withdrawing.start_soon(self._withdraw, state)

    async def _withdraw(self, state: SourceState) -> None:
        try:
            with anyio.fail_after(_WITHDRAW_SECONDS):
                await Subscriber(state, self._database, self._metrics).withdraw()
        except (BridgeError, TimeoutError) as error:
            log.warning("cannot deregister", source=state.name, error=str(error) or "no answer in time")

    async def _write_disabled(self, state: SourceState) -> None:
        try:
            async with self._database.connection() as connection:
                await source_table.write_state(connection, state.source_id, mode=Mode.DISABLED.value)
        except BridgeError as error:
            log.warning("state not written", source=state.name, error=str(error))

    async def run(self) -> None:
        """Run the jobs of all sources, also of those that are started meanwhile, until cancelled."""
        try:
            async with anyio.create_task_group() as self._running:
                for runner in self._runners.values():
                    self._running.start_soon(runner.run)
                await anyio.sleep_forever()
        finally:
            self._running = None

    def set_leading(self, *, leads: bool) -> None:
        """Lead every source, or follow the process that leads."""
        self._leads = leads
        for state in self.states.values():
            if leads:
                state.lead()
            else:
                state.follow()

    def wake_refetch(self, stored: Stored) -> None:
        """Have fetched by id what was stored in part."""
        for state in self.states.values():
            state.wake_refetch(stored)
