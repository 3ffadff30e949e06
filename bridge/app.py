"""Builds everything; the only module that knows all the others.

Start: the HTTP server first (alive, not ready, notifications answered 503), then Postgres (waited for as long as it
takes), the schema, the sources, the writer, and last the jobs of each source: so a registration is made only when what
it brings can be stored.

Stop (SIGTERM, SIGINT): the jobs are cancelled, the server stops taking requests while the writer still commits what was
received, then the writer, the clients, the pool and the embedded Postgres end, in that order. A second signal does not
hurry it: every step has a limit. Killed instead: see the promises in the modules; nothing that was answered is lost.
"""

import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import anyio
import structlog

from bridge.bootstrap import OpenDatabase, client_for, ensure_schema, intervals, open_database, source_state_for
from bridge.domain.stream_event import StreamFilter
from bridge.errors import BridgeError, DatabaseUnavailableError, TransientError
from bridge.ingest.group_commit import GroupCommit
from bridge.ingest.journal_replay import Replayer
from bridge.ingest.receiver import Receiver
from bridge.ingest.writer import Writer
from bridge.journal.journal import Journal, size_of_post
from bridge.journal.journal import opened as journal_opened
from bridge.maintenance.clock_watch import ClockWatch
from bridge.maintenance.leader_election import LeaderElection
from bridge.maintenance.report_summary import Summariser
from bridge.maintenance.retention import RetentionJob
from bridge.maintenance.source_report import Reporter
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.pull.refetch import Refetcher
from bridge.settings import Settings
from bridge.sources.callback_secret import CallbackSecretWatch
from bridge.sources.silence_watch import SilenceWatch
from bridge.sources.state import Mode, SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.storage.observation import Stored
from bridge.stream.broadcaster import Broadcaster
from bridge.stream.follower import Follower
from bridge.telemetry import systemd
from bridge.telemetry.loop_lag import LoopLagSampler
from bridge.telemetry.metrics import CONNECTION_STATES, Metrics
from bridge.web.connections import ConnectionLimit, raise_file_limit
from bridge.web.listener.admission import gates
from bridge.web.listener.endpoint import BodyLimits, ListenerEndpoint
from bridge.web.ops.health import Exposition, Readiness, ops_pages
from bridge.web.routes import WebPage
from bridge.web.server import HttpServer, ServerOptions, serving
from bridge.web.stream import stream
from bridge.web.tls import Certificates

log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 3.0
_WITHDRAW_SECONDS = 3.0
_JOURNAL_SECONDS = 10.0
"""A disk that takes longer to keep a notification is as good as none: the sender is told to come again."""


@dataclass(slots=True)
class Front:
    """What the HTTP server can say and do at the moment; empty until the rest is there."""

    endpoint: ListenerEndpoint | None = None
    receiver: Receiver | None = None
    database: Database | None = None
    journal: Journal | None = None
    broadcaster: Broadcaster | None = None
    stopping: bool = False

    def follow(self, wish: StreamFilter) -> AbstractAsyncContextManager[Follower]:
        """Follow the changes."""
        if self.broadcaster is None:
            raise TransientError("starting", retry_after_seconds=2)
        return self.broadcaster.follow(wish)

    async def condition(self) -> Readiness:
        """How the bridge is, and what keeps it from being ready."""
        if self.stopping:
            return Readiness("stopping", ["stopping"])
        if self.database is None:
            return Readiness("starting", ["waiting for Postgres"])
        if self.receiver is None:
            return Readiness("starting", ["starting"])
        try:
            await self.database.ping()
        except DatabaseUnavailableError as error:
            if self.journal is None or self.journal.full:
                return Readiness("unavailable", [str(error)])
            kept = f"notifications are kept in the local journal, {self.journal.waiting} so far"
            return Readiness("degraded", [f"{error}; {kept}"])
        return Readiness("ready")


@dataclass(slots=True)
class RunningBridge:
    """A bridge that runs, for whoever wants to look at it. `pages_url`: where metrics and probes are."""

    url: str
    pages_url: str
    place: OpenDatabase
    metrics: Metrics
    sources: dict[str, SourceState]


@dataclass(slots=True)
class Bridge:
    """The whole program. `on_ready` is called once everything runs; `stop` ends it. `shared`: other processes listen on
    the same port; `page` then makes the page of metrics for all of them.
    """

    settings: Settings
    unsubscribe: bool = False
    shared: bool = False
    page: Exposition | None = None
    on_ready: Callable[[RunningBridge], None] | None = None
    metrics: Metrics = field(default_factory=Metrics)
    front: Front = field(default_factory=Front)
    _stop: anyio.Event = field(default_factory=anyio.Event)
    _starting: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def stop(self) -> None:
        """End the bridge cleanly; safe to call twice and at any time."""
        systemd.notify("STOPPING=1")
        self.front.stopping = True
        self._stop.set()
        self._starting.cancel()

    async def run(self) -> None:
        """Run until `stop`."""
        self._show_configured()
        http = self.settings.http
        limits = BodyLimits(http.max_body_bytes, http.max_waiting_bytes, body_seconds=http.body_timeout_seconds)
        endpoint = ListenerEndpoint(self.metrics, limits, gates(self.settings.sources, http.trusted_proxies))
        self.front.endpoint = endpoint
        certificates = self._certificates()
        pages = ops_pages(self.front.condition, self.page or self._page, http.metrics_token.get_secret_value())
        streaming = stream(
            self.front.follow, http.stream_token.get_secret_value(), list(self.settings.sources), self.metrics
        )
        pages["/stream"] = WebPage(streaming, methods=("GET",))
        take = endpoint.take if http.fast_path else None
        async with serving(endpoint.handlers(), pages, self._server_options(certificates), take) as server:
            log.info("listening", url=server.url)
            systemd.notify(f"STATUS=listening at {server.url}, waiting for Postgres")
            async with AsyncExitStack() as stack:
                if certificates is not None:
                    watching = await stack.enter_async_context(anyio.create_task_group())
                    stack.callback(watching.cancel_scope.cancel)
                    watching.start_soon(certificates.watch)
                place = None
                with self._starting:
                    place = await stack.enter_async_context(open_database(self.settings))
                    await ensure_schema(place)
                if place is not None and not self._stop.is_set():
                    await self._with_database(server, place)

    async def _page(self, accept: str) -> tuple[bytes, str]:
        return self.metrics.page(accept)

    def _certificates(self) -> Certificates | None:
        http = self.settings.http
        if http.tls_cert_file is None:
            return None
        return Certificates(http.tls_cert_file, http.tls_key_file, http.tls_client_ca_file)

    def _server_options(self, certificates: Certificates | None) -> ServerOptions:
        http = self.settings.http
        raise_file_limit(http.max_connections)
        return ServerOptions(
            host=http.host,
            port=http.port,
            keepalive_seconds=http.keepalive_timeout_seconds,
            pages_port=http.metrics_port,
            public_url=http.public_url,
            tls=certificates.context if certificates is not None else None,
            shared=self.shared,
            limit=ConnectionLimit(
                http.max_connections,
                http.max_connections_per_peer,
                http.trusted_proxies,
                on_refusal=self.metrics.refused.labels("connections").inc,
            ),
        )

    def _show_configured(self) -> None:
        """Let every series exist before the first scrape, also while Postgres is waited for."""
        self.metrics.exemplars = self.settings.http.metrics_exemplars
        self.metrics.connections_max.set(self.settings.database.pool_max_size)
        self.metrics.journal_max_bytes.set(self.settings.journal.max_bytes)
        for name, settings in self.settings.sources.items():
            self.metrics.introduce(name)
            self.metrics.show_intervals(name, intervals(settings))
            if not settings.enabled:
                self.metrics.show_mode(name, Mode.DISABLED.value)

    async def _with_database(self, server: HttpServer, place: OpenDatabase) -> None:
        await RetentionJob(place.database).make_ahead()
        self.front.database = place.database
        for state in CONNECTION_STATES:
            self.metrics.connections.labels(state).set_function(partial(_connections, place.database, state))
        async with AsyncExitStack() as stack:
            journal = self._journal(stack)
            fence = LeaderFence()
            sources = await self._feeds(stack, server, place, fence)
            most_bytes = self.settings.http.max_waiting_bytes
            writer = Writer(
                place.database,
                self.metrics,
                max_waiting_bytes=most_bytes,
                patience_seconds=self.settings.http.answer_timeout_seconds,
                on_stored=_waker(sources.values()),
            )
            async with anyio.create_task_group() as keeping:
                keeping.start_soon(writer.run)
                receiver = Receiver(sources, writer, self.metrics)
                if journal is not None:
                    receiver.journal = GroupCommit(
                        journal.keep, size_of_post, max_waiting_bytes=most_bytes, patience_seconds=_JOURNAL_SECONDS
                    )
                    keeping.start_soon(receiver.journal.run)
                self.front.receiver, self.front.journal = receiver, journal
                if self.front.endpoint is not None:
                    self.front.endpoint.receiver = receiver
                try:
                    await self._work(server, place, sources, fence)
                finally:
                    with anyio.move_on_after(_DRAIN_SECONDS, shield=True):
                        await server.drain()
                    keeping.cancel_scope.cancel()

    def _journal(self, stack: AsyncExitStack) -> Journal | None:
        most = self.settings.journal.max_bytes
        return stack.enter_context(journal_opened(self.settings.data_dir, max_bytes=most)) if most else None

    async def _feeds(
        self, stack: AsyncExitStack, server: HttpServer, place: OpenDatabase, fence: LeaderFence
    ) -> dict[str, SourceState]:
        http = self.settings.http
        public_url = http.public_url if "public_url" in http.model_fields_set else server.url
        if urlsplit(public_url).scheme == "http" and urlsplit(public_url).hostname not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            log.warning("callbacks come over plain http", public_url=public_url, remedy="set http.public_url to https")
        sources = {}
        for name, settings in self.settings.sources.items():
            client = await stack.enter_async_context(client_for(name, settings, self.metrics))
            sources[name] = await source_state_for(name, settings, place, client, public_url, self.metrics)
            sources[name].fence = fence
            sources[name].follows = Mode.POLL
        return sources

    async def _work(
        self, server: HttpServer, place: OpenDatabase, sources: dict[str, SourceState], fence: LeaderFence
    ) -> None:
        """Run what every process runs, and, while this one leads, the jobs of the sources."""
        leader = LeaderElection(
            place.database,
            fence,
            lambda: self._jobs(place, sources, fence),
            on_change=lambda leads: self._lead(sources, leads),
        )
        async with anyio.create_task_group() as working:
            working.start_soon(LoopLagSampler(self.metrics).run)
            working.start_soon(Reporter(list(sources.values()), place.database, self.metrics).run)
            receiver, journal = self.front.receiver, self.front.journal
            if receiver is not None and journal is not None:
                working.start_soon(Replayer(journal, place.database, sources, self.metrics).run)
            working.start_soon(CallbackSecretWatch(list(sources.values()), place.database, self.metrics).run)
            working.start_soon(ClockWatch(list(sources.values()), place.database, metrics=self.metrics).run)
            working.start_soon(leader.run)
            self.front.broadcaster = Broadcaster(place.database, self.metrics)
            working.start_soon(self.front.broadcaster.run)
            if not sources:
                log.warning("no source configured", remedy="add [sources.NAME] with a url to bridge.toml")
            log.info("ready", url=server.url, sources=sorted(sources))
            following = ", ".join(sorted(sources)) or "no source"
            systemd.notify(f"READY=1\nSTATUS=listening at {server.url}, following {following}")
            if self.on_ready is not None:
                self.on_ready(RunningBridge(server.url, server.pages_url, place, self.metrics, sources))
            await self._stop.wait()
            working.cancel_scope.cancel()
        if self.unsubscribe:
            await self._withdraw(place, list(sources.values()))

    async def _jobs(self, place: OpenDatabase, sources: dict[str, SourceState], fence: LeaderFence) -> None:
        """What only one process on a database does."""
        waker = _waker(sources.values())
        async with anyio.create_task_group() as jobs:
            jobs.start_soon(Summariser(place.database, fence).run)
            jobs.start_soon(RetentionJob(place.database, self.settings.retention, self.metrics).run)
            for source in sources.values():
                jobs.start_soon(Subscriber(source, place.database, self.metrics).run)
                if not source.settings.enabled:
                    continue
                reconciler = Reconciler(source, place.database, self.metrics, on_stored=waker)
                jobs.start_soon(Poller(source, place.database, self.metrics, reconciler, on_stored=waker).run)
                jobs.start_soon(reconciler.run)
                if source.wants_push:
                    jobs.start_soon(SilenceWatch(source, self.metrics).run)
                jobs.start_soon(Refetcher(source, place.database, self.metrics, on_stored=waker).run)

    def _lead(self, sources: dict[str, SourceState], leads: bool) -> None:
        """Take the sources over, or go on following whoever does."""
        self.metrics.leads.set(1 if leads else 0)
        for source in sources.values():
            source.begin(None if leads else Mode.POLL)

    async def _withdraw(self, place: OpenDatabase, sources: Sequence[SourceState]) -> None:
        async def one(source: SourceState) -> None:
            try:
                with anyio.fail_after(_WITHDRAW_SECONDS):
                    await Subscriber(source, place.database, self.metrics).withdraw()
            except (BridgeError, TimeoutError) as error:
                log.warning("cannot deregister", source=source.name, error=str(error) or "no answer in time")

        async with anyio.create_task_group() as group:
            for source in sources:
                group.start_soon(one, source)


def _connections(database: Database, state: str) -> int:
    return database.figures()[state]


def _waker(sources: Iterable[SourceState]) -> Callable[[Stored], None]:
    by_id = {source.source_id: source for source in sources}

    def wake(stored: Stored) -> None:
        for source_id in stored.refetch:
            by_id[source_id].refetch_wake.call("requested")

    return wake


async def run_until_signal(bridge: Bridge) -> None:
    """Run a bridge until SIGTERM or SIGINT."""
    async with anyio.create_task_group() as group:
        group.start_soon(_stop_on_signal, bridge)
        group.start_soon(systemd.keep_telling)
        try:
            await bridge.run()
        finally:
            group.cancel_scope.cancel()


async def _stop_on_signal(bridge: Bridge) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            bridge.stop()
