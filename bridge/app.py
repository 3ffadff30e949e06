"""What a bridge process is made of, and in which order it starts and stops.

Start: the HTTP server first (alive, not ready, notifications answered 503), then Postgres (waited for as long as it
takes), the schema, the sources, the writer, and last the jobs: a source is asked to push only when we can store.

Stop (SIGTERM, SIGINT): the jobs are cancelled, the server takes no more requests while the writer commits what was
received, then the writer, the clients, the pool and the embedded Postgres end, in that order. Every step has a limit.
Reload (SIGHUP): sources are added, removed and changed one by one, while the others go on.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

import anyio
import structlog

from bridge.bootstrap import OpenDatabase, ensure_schema, intervals, open_database, open_source, public_url
from bridge.errors import ConfigurationError
from bridge.ingest.group_commit import MIB, GroupCommit
from bridge.ingest.journal_replay import Replayer
from bridge.ingest.receiver import Receiver
from bridge.ingest.writer import Writer
from bridge.journal.directory import opened as journal_opened
from bridge.journal.post import size_of_post
from bridge.leader_jobs import LeaderJobs
from bridge.maintenance.clock_watch import ClockWatch
from bridge.maintenance.leader_election import LeaderElection
from bridge.maintenance.retention import RetentionJob
from bridge.maintenance.settings_watch import SettingsWatch
from bridge.maintenance.source_report import Reporter
from bridge.schedule import until_available
from bridge.settings import Settings
from bridge.settings.changes import change_of
from bridge.settings.overlay import LayeredSettings, SettingsOverlay
from bridge.sources.callback_secret import CallbackSecretWatch
from bridge.sources.runner import RunJob, SourceRunners
from bridge.sources.state import SourceState
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.stream.broadcaster import Broadcaster
from bridge.telemetry import logs, systemd
from bridge.telemetry.loop_lag import LoopLagSampler
from bridge.telemetry.metrics import CONNECTION_STATES, Metrics
from bridge.web.backend import Backend
from bridge.web.entrance import Entrance
from bridge.web.ops.health import Exposition
from bridge.web.server import HttpServer

log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 3.0
_JOURNAL_SECONDS = 10.0
"""When the disk takes longer to keep a notification, its sender is answered 503."""


@dataclass(slots=True)
class RunningBridge:
    """A bridge that runs. `pages_url`: where metrics and probes are."""

    url: str
    pages_url: str
    postgres: OpenDatabase
    metrics: Metrics
    sources: dict[str, SourceState]


@dataclass(slots=True)
class Bridge:
    """The whole program. `on_ready` is called once everything runs; `stop` ends it. `reread` reads the configuration
    again. `shared`: other processes listen on the same port; `page` then makes the page of metrics for all of them.
    """

    settings: Settings
    unsubscribe: bool = False
    shared: bool = False
    page: Exposition | None = None
    on_ready: Callable[[RunningBridge], None] | None = None
    reread: Callable[[], Settings] | None = None
    metrics: Metrics = field(default_factory=Metrics)
    backend: Backend = field(default_factory=Backend)
    _entrance: Entrance = field(init=False)
    _layers: LayeredSettings = field(init=False)
    _sources: SourceRunners | None = None
    _retention: RetentionJob | None = None
    _reloading: anyio.Lock = field(default_factory=anyio.Lock)
    _stop: anyio.Event = field(default_factory=anyio.Event)
    _starting: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def __post_init__(self) -> None:
        """Put the HTTP side together."""
        self._layers = LayeredSettings(self.settings)
        self._entrance = Entrance(self.backend, self.metrics, self.page, shared=self.shared)

    def stop(self) -> None:
        """End the bridge cleanly; safe to call twice and at any time."""
        systemd.notify("STOPPING=1")
        self.backend.stopping = True
        self._stop.set()
        self._starting.cancel()

    async def run(self) -> None:
        """Run until `stop`."""
        self._show_configured()
        async with self._entrance.serving(self.settings) as server, AsyncExitStack() as stack:
            log.info("listening", url=server.url)
            systemd.notify(f"STATUS=listening at {server.url}, waiting for Postgres")
            postgres = None
            with self._starting:
                postgres = await stack.enter_async_context(open_database(self.settings))
                await until_available(partial(ensure_schema, postgres))
                self._retention = RetentionJob(postgres.database, self.settings.retention, self.metrics)
                await until_available(self._retention.create_partitions)
                await until_available(SettingsWatch(postgres.database, self.metrics, self._overlay).run_once)
            if postgres is not None and not self._stop.is_set():
                await self._with_database(server, postgres)

    async def reload(self) -> None:
        """Read the configuration again and take over what can be; stop where there is none to read."""
        if self.reread is None:
            self.stop()
            return
        try:
            read = self.reread()
        except ConfigurationError as error:
            remedy = "correct it and send SIGHUP again"
            log.warning("configuration not reloaded", faults=error.faults, remedy=remedy)
        else:
            await self.apply(read)

    async def apply(self, read: Settings) -> None:
        """Take over what can be of settings that were read again; what needs a restart is logged."""
        self._layers.base = read
        await self._take_over()

    async def _overlay(self, overlay: SettingsOverlay) -> None:
        """Take over what was set in the console."""
        self._layers.overlay = overlay
        await self._take_over()

    async def _take_over(self) -> None:
        async with self._reloading:
            read = self._layers.current()
            change = change_of(self.settings, read)
            self.settings = change.settings
            for secret in read.secrets():
                logs.hide(secret)
            logs.set_level(self.settings.log.level)
            self._show_configured()
            self._entrance.apply(self.settings)
            if self._retention is not None:
                self._retention.keep = self.settings.retention
            if self._sources is not None:
                await self._sources.apply(change)
            if change.restart:
                log.warning("configuration needs a restart", keys=change.restart)
            log.info(
                "configuration reloaded",
                added=change.added,
                changed=change.changed,
                removed=change.removed,
                keys=change.reloaded,
            )

    def _show_configured(self) -> None:
        """Have every series exist before the first scrape, also while Postgres is waited for."""
        self.metrics.exemplars = self.settings.http.metrics_exemplars
        self.metrics.connections_max.set(self.settings.database.pool_max_size)
        self.metrics.journal_max_bytes.set(self.settings.journal.max_bytes)
        for name, source in self.settings.sources.items():
            self.metrics.introduce(name)
            self.metrics.show_intervals(name, intervals(source))
            if not source.enabled:
                self.metrics.show_mode(name, "disabled")

    async def _with_database(self, server: HttpServer, postgres: OpenDatabase) -> None:
        database, http = postgres.database, self.settings.http
        self.backend.database = database
        for state in CONNECTION_STATES:
            self.metrics.connections.labels(state).set_function(partial(_connections, database, state))
        fence = LeaderFence()
        jobs = LeaderJobs(database, self.metrics, fence, lambda: self.settings, self._retention)
        opens = partial(open_source, database, public_url(self.settings, server.url), fence, self.metrics)
        async with AsyncExitStack() as stack:
            journal, most_bytes = None, self.settings.journal.max_bytes
            if most_bytes:
                journal = stack.enter_context(journal_opened(self.settings.data_dir, max_bytes=most_bytes))
            sources = SourceRunners(opens, jobs.of_source, database, self.metrics)
            await stack.enter_async_context(sources)
            async with self._reloading:
                for name, source in self.settings.sources.items():
                    await sources.start(name, source)
                self._sources = sources
            writer = Writer(
                database,
                self.metrics,
                max_waiting_bytes=http.max_waiting_bytes,
                patience_seconds=http.answer_timeout_seconds,
                on_stored=sources.wake_refetch,
            )
            receiver = Receiver(sources.states, writer, self.metrics)
            async with anyio.create_task_group() as keeping:
                keeping.start_soon(writer.run)
                if journal is not None:
                    receiver.journal = GroupCommit(
                        journal.keep,
                        size_of_post,
                        max_bytes=MIB,
                        max_waiting_bytes=http.max_waiting_bytes,
                        patience_seconds=_JOURNAL_SECONDS,
                    )
                    keeping.start_soon(receiver.journal.run)
                self._entrance.receive(receiver, journal)
                try:
                    await self._work(server, postgres, sources, jobs)
                finally:
                    with anyio.move_on_after(_DRAIN_SECONDS, shield=True):
                        await server.drain()
                    keeping.cancel_scope.cancel()

    async def _work(self, server: HttpServer, postgres: OpenDatabase, sources: SourceRunners, led: LeaderJobs) -> None:
        """Run what every process runs and, while this one leads, the jobs of the sources."""
        database, states = postgres.database, sources.states
        broadcaster = self.backend.broadcaster = Broadcaster(database, self.metrics)
        leader = LeaderElection(
            database,
            led.fence,
            partial(led.run, sources),
            on_change=partial(self._set_leading, sources),
        )
        reporter = Reporter(states, database, self.metrics)
        self.backend.state_writer = reporter.job
        jobs: list[RunJob] = [
            LoopLagSampler(self.metrics).run,
            reporter.run,
            CallbackSecretWatch(states, database, self.metrics).run,
            SettingsWatch(database, self.metrics, self._overlay, self._layers.overlay.revision).run,
            ClockWatch(states, database, metrics=self.metrics).run,
            broadcaster.run,
            leader.run,
        ]
        if self.backend.journal is not None:
            jobs.append(Replayer(self.backend.journal, database, states, self.metrics).run)
        async with anyio.create_task_group() as working:
            for run in jobs:
                working.start_soon(run)
            if not states:
                log.warning("no source configured", remedy="add [sources.NAME] with a url to bridge.toml")
            log.info("ready", url=server.url, sources=sorted(states))
            following = ", ".join(sorted(states)) or "no source"
            systemd.notify(f"READY=1\nSTATUS=listening at {server.url}, following {following}")
            if self.on_ready is not None:
                self.on_ready(RunningBridge(server.url, server.pages_url, postgres, self.metrics, states))
            await self._stop.wait()
            working.cancel_scope.cancel()
        if self.unsubscribe:
            await sources.withdraw()

    def _set_leading(self, sources: SourceRunners, leads: bool) -> None:
        self.metrics.leads.set(1 if leads else 0)
        sources.set_leading(leads=leads)


def _connections(database: Database, state: str) -> int:
    return database.figures()[state]
