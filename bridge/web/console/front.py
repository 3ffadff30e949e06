"""The console as one running thing: its server, its connection to Postgres, and the pages it is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import structlog

from bridge.errors import TransientError
from bridge.settings import Settings
from bridge.storage import console_session
from bridge.storage.database import opened
from bridge.storage.session_settings import FRONT
from bridge.telemetry import logs
from bridge.telemetry.console_metrics import ConsoleMetrics
from bridge.web.connections import ConnectionLimit, raise_file_limit
from bridge.web.console import (
    audit_page,
    configuration,
    conflicts,
    dead_letters,
    frame,
    link_requests,
    outbox,
    saved_views,
    sources,
    ticket,
    users,
)
from bridge.web.console.confirmation import Confirmation
from bridge.web.console.credentials import LoginCredentials
from bridge.web.console.links import LinkPages
from bridge.web.console.live import ChangeSignal, LivePages
from bridge.web.console.login import Authenticator
from bridge.web.console.login_page import LoginPages
from bridge.web.console.oidc import OidcClient
from bridge.web.console.oidc_page import OidcPages
from bridge.web.console.problem_counts import ProblemCounts
from bridge.web.console.problems import ProblemListPages
from bridge.web.console.route import RouteTable
from bridge.web.console.site import Site
from bridge.web.console.visit import ClientFor
from bridge.web.server import ServerOptions, serving_site
from bridge.web.tls import Certificates

log = structlog.get_logger(__name__)

_POOL = 4
_MOST_CONNECTIONS = 512
_KEEPALIVE_SECONDS = 60
_SESSIONS_SECONDS = 5.0


def console_routes(
    authenticator: Authenticator,
    changes: ChangeSignal,
    credentials: LoginCredentials | None = None,
    counts: ProblemCounts | None = None,
) -> RouteTable:
    """Return every route of the console, in the order of the links to its pages."""
    credentials = credentials or LoginCredentials(authenticator)
    oidc = OidcClient(authenticator.oidc) if authenticator.oidc.issuer else None
    login = LoginPages(authenticator, credentials, oidc)
    before_links = (saved_views, ticket, sources, dead_letters)
    after_links = (outbox, conflicts, link_requests, configuration, audit_page, users)
    return RouteTable(
        [
            *ProblemListPages(counts or ProblemCounts()).routes(),
            *LivePages(changes).routes(),
            *(route for page in before_links for route in page.ROUTES),
            *LinkPages().routes(),
            *(route for page in after_links for route in page.ROUTES),
            *login.routes(),
            *(OidcPages(login, oidc).routes() if oidc is not None else ()),
            *Confirmation(credentials).routes(),
            *frame.ROUTES,
        ]
    )


@dataclass(slots=True)
class Front:
    """Serves the console until `stop`. `demo`: everybody on this machine is admin. `on_ready` is called with the
    address once pages are served; Postgres may be away then. `dsn`: where Postgres is, when the settings do not say it.
    """

    settings: Settings
    demo: bool = False
    on_ready: Callable[[str], None] | None = None
    client_for: ClientFor | None = None
    """Makes clients of sources, for tries of a connection."""
    dsn: str = ""
    metrics: ConsoleMetrics | None = None
    _site: Site | None = None
    _changes: ChangeSignal = field(default_factory=ChangeSignal)
    _counts: ProblemCounts = field(default_factory=ProblemCounts)
    _stop: anyio.Event = field(default_factory=anyio.Event)

    def stop(self) -> None:
        """End it; safe to call twice and at any time."""
        self._stop.set()

    async def reload(self) -> None:
        """Do nothing: the parent reads the configuration, and what is new comes by `take_over`."""

    def take_over(self, settings: Settings) -> None:
        """Show these settings from now on."""
        for secret in settings.secrets():
            logs.hide(secret)
        logs.set_level(settings.log.level)
        self.settings = settings
        if self._site is not None:
            self._site.base = settings

    async def run(self) -> None:
        """Run until `stop`. PermanentError for an address that is taken, or a database that can never work."""
        http, console = self.settings.http, self.settings.console
        certificates = Certificates(http.tls_cert_file, http.tls_key_file) if http.tls_cert_file is not None else None
        authenticator = Authenticator(self.settings, demo=self.demo)
        credentials = LoginCredentials(authenticator)
        routes = console_routes(authenticator, self._changes, credentials, self._counts)
        site = self._site = Site(
            "",
            routes,
            authenticator,
            base=self.settings,
            client_for=self.client_for,
            address_of=authenticator.address,
            confirm=Confirmation(credentials).require,
            metrics=self.metrics,
            mark=lambda: self._changes.mark,
        )
        raise_file_limit(_MOST_CONNECTIONS)
        options = ServerOptions(
            host=console.host,
            port=console.port,
            keepalive_seconds=_KEEPALIVE_SECONDS,
            tls=certificates.context if certificates is not None else None,
            limit=ConnectionLimit(_MOST_CONNECTIONS, _MOST_CONNECTIONS, http.trusted_proxies),
            table="console",
        )
        async with serving_site(site.answer, options) as server, anyio.create_task_group() as tasks:
            site.use_url(console.public_url or server.url)
            authenticator.url = site.url
            authenticator.secure = site.url.startswith("https://")
            if certificates is not None:
                tasks.start_soon(certificates.watch)
            tasks.start_soon(self._keep_database, site)
            tasks.start_soon(self._count_sessions, site)
            tasks.start_soon(self._changes.announce)
            log.info("console is served", url=site.url)
            if self.on_ready is not None:
                self.on_ready(site.url)
            await self._stop.wait()
            self._changes.close()
            tasks.cancel_scope.cancel()

    async def _count_sessions(self, site: Site) -> None:
        """Show how many people are logged in; while Postgres is away the number stays."""
        while self.metrics is not None:
            if site.database is not None:
                try:
                    async with site.database.connection(timeout_seconds=_SESSIONS_SECONDS) as connection:
                        self.metrics.sessions.set(await console_session.count(connection))
                except TransientError as error:
                    log.debug("sessions are not counted", error=str(error))
            await anyio.sleep(_SESSIONS_SECONDS)

    async def _keep_database(self, site: Site) -> None:
        """Connect as soon as Postgres can be reached; the pool comes back by itself afterwards."""
        dsn = self.dsn or self.settings.database.dsn.get_secret_value()
        async with opened(dsn, min_size=0, max_size=_POOL, session=FRONT) as database:
            site.database = database
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._counts.keep, database)
                    await self._changes.listen(database)
            finally:
                site.database = None
