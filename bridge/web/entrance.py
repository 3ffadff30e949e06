"""The HTTP side of a bridge process: listener, stream, probes and metrics on their sockets, by the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from bridge.ingest.receiver import Receiver
from bridge.journal.journal import Journal
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics
from bridge.web.backend import Backend
from bridge.web.connections import ConnectionLimit, raise_file_limit
from bridge.web.listener.admission import Gate, gates
from bridge.web.listener.endpoint import BodyLimits, CallbackHandler, ListenerEndpoint
from bridge.web.ops.health import Exposition, ops_pages
from bridge.web.routes import WebPage
from bridge.web.server import HttpServer, ServerOptions, serving
from bridge.web.stream import stream
from bridge.web.tls import Certificates


@dataclass(slots=True)
class Entrance:
    """Serves a `Backend`. `shared`: other processes listen on the same port; `page` makes the page of metrics."""

    backend: Backend
    metrics: Metrics
    page: Exposition | None = None
    shared: bool = False
    _listener: ListenerEndpoint | None = None
    _handlers: dict[str, CallbackHandler] = field(default_factory=dict)
    _certificates: Certificates | None = None
    _gates: dict[str, Gate] = field(default_factory=dict)
    _sources: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self, settings: Settings) -> AsyncIterator[HttpServer]:
        """Serve until the block ends. ConfigurationError for a certificate that cannot be used, PermanentError for an
        address that is taken.
        """
        http, backend = settings.http, self.backend
        limits = BodyLimits(http.max_body_bytes, http.max_waiting_bytes, body_seconds=http.body_timeout_seconds)
        self._listener = ListenerEndpoint(self.metrics, limits, self._gates)
        if http.tls_cert_file is not None:
            self._certificates = Certificates(http.tls_cert_file, http.tls_key_file, http.tls_client_ca_file)
        self._admit(settings)
        pages = ops_pages(backend.readiness, self.page or self._page, http.metrics_token.get_secret_value())
        changes = stream(backend.follow, http.stream_token.get_secret_value(), self._sources, self.metrics)
        pages["/stream"] = WebPage(changes, methods=("GET",))
        take = self._listener.take if http.fast_path else None
        async with (
            serving(self._handlers, pages, self._options(settings), take) as server,
            anyio.create_task_group() as watching,
        ):
            if self._certificates is not None:
                watching.start_soon(self._certificates.watch)
            yield server
            watching.cancel_scope.cancel()

    def receive(self, receiver: Receiver, journal: Journal | None) -> None:
        """Take notifications from now on."""
        self.backend.journal, self.backend.receiving = journal, True
        if self._listener is not None:
            self._listener.receiver = receiver

    def apply(self, settings: Settings) -> None:
        """Take over what can be of other settings: sources, what they demand of callers, and certificates."""
        self._admit(settings)
        if self._certificates is not None:
            self._certificates.reload()

    def _admit(self, settings: Settings) -> None:
        """Serve the sources that are configured; what holds these tables sees the change."""
        self._sources[:] = settings.sources
        self._gates.clear()
        self._gates.update(gates(settings.sources, settings.http.trusted_proxies))
        if self._listener is not None:
            self._handlers.clear()
            self._handlers.update(self._listener.handlers())

    async def _page(self, accept: str) -> tuple[bytes, str]:
        return self.metrics.page(accept)

    def _options(self, settings: Settings) -> ServerOptions:
        http = settings.http
        raise_file_limit(http.max_connections)
        return ServerOptions(
            host=http.host,
            port=http.port,
            keepalive_seconds=http.keepalive_timeout_seconds,
            pages_port=http.metrics_port,
            public_url=http.public_url,
            tls=self._certificates.context if self._certificates is not None else None,
            shared=self.shared,
            limit=ConnectionLimit(
                http.max_connections,
                http.max_connections_per_peer,
                http.trusted_proxies,
                on_refusal=self.metrics.refused.labels("connections").inc,
            ),
        )
