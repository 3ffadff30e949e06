"""Answers every request to the console: route, login, permission, origin, then the page; failures become pages.

Where no login is needed nothing is asked of Postgres. While Postgres is away every other page is answered 503 within a
second, says so, and loads itself again. More requests at a time than there are slots wait for a moment, then they are
answered 503: pages are drawn by one process, and a longer queue would only make all of them late.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil
from time import monotonic
from typing import Any, Final
from urllib.parse import quote

import anyio
import structlog
from aiohttp import hdrs, web

from bridge.domain.access import Login, Permission, Principal, allows
from bridge.errors import TransientError
from bridge.settings import Settings
from bridge.storage import audit
from bridge.storage.database import Database
from bridge.storage.errors import RefusedError, sqlstate_of
from bridge.telemetry.console_metrics import ConsoleMetrics, outcome_label, page_label
from bridge.web.answer import HEADERS
from bridge.web.console.assets import Assets
from bridge.web.console.confirmation import ConfirmationNeeded, kept_fields
from bridge.web.console.layout import Layout
from bridge.web.console.route import SAFE_METHODS, ConsoleRoute, Found, RouteTable
from bridge.web.console.same_origin import FIELD, is_form_token, is_same_origin, origin_of
from bridge.web.console.visit import CONNECT_SECONDS, QUERY_SECONDS, ClientFor, Fields, Visit, read_form
from bridge.web.refusal import Refusal
from bridge.web.routes import prefix_of

log = structlog.get_logger(__name__)

Authenticate = Callable[[web.BaseRequest, Database | None], Awaitable[Principal | None]]
"""Who sent this? TransientError while that cannot be looked up."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Vary": "Cookie, Accept-Encoding",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
_SLOTS = 16
_WAIT_SECONDS = 0.5
"""Who loads pages without a pause does so no faster."""
_AGAIN_SECONDS = 2
STATEMENT_TIMEOUT: Final = "57014"
TOO_SLOW: Final = "too_slow"
"""Such a page is not loaded again by itself: it would only be too slow again."""
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_TITLES = {
    400: "This address cannot be read",
    401: "Log in first",
    403: "Not allowed",
    404: "Nothing is here",
    405: "Not allowed here",
    409: "Somebody was faster",
    413: "Too large",
    415: "Not a form",
    429: "Too many tries",
    500: "The console failed",
    503: "Not available now",
}


@dataclass(slots=True)
class Site:
    """The console. `url`: as browsers see it, path included. `database` is None until Postgres was reached."""

    url: str
    routes: RouteTable
    authenticate: Authenticate
    database: Database | None = None
    base: Settings = field(default_factory=Settings)
    client_for: ClientFor | None = None
    address_of: Callable[[web.BaseRequest], str] = lambda request: request.remote or ""
    confirm: Callable[..., Awaitable[None]] | None = None
    metrics: ConsoleMetrics | None = None
    mark: Callable[[], str] = str
    layout: Layout = field(init=False)
    _assets: Assets = field(default_factory=Assets)
    _slots: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_SLOTS))

    def __post_init__(self) -> None:
        """Make the frame of the pages."""
        self.use_url(self.url)

    def use_url(self, url: str) -> None:
        """Set how browsers see the console: with port 0 that is known only once it listens."""
        self.url = url
        self.layout = Layout(self._assets, self.routes.routes, prefix_of(url))

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        began = monotonic()
        response = await self._answer(request)
        self._count(request, response, monotonic() - began)
        if not response.prepared:
            for name, value in (HEADERS | PAGE_HEADERS).items():
                if name not in response.headers or name == "Server":
                    response.headers[name] = value
        return response

    def _count(self, request: web.BaseRequest, response: web.StreamResponse, seconds: float) -> None:
        if self.metrics is None:
            return
        path = request.raw_path.partition("?")[0].removeprefix(self.layout.prefix)
        self.metrics.requests.labels(page_label(path), outcome_label(response.status)).inc()
        if not response.prepared:
            self.metrics.seconds.observe(seconds)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        prefix = self.layout.prefix
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            path = path[len(prefix) :] or "/"
        if path.startswith("/static/") and request.method in SAFE_METHODS:
            asset = self._assets.answer(request, path.removeprefix("/static/"))
            return asset or self._refused(request, None, Refusal(404, "no_such_file", "There is no such file."))
        found = self.routes.find(request.method, path)
        if isinstance(found, Found) and not found.route.holds_slot_for(request):
            return await self._page(request, path)
        try:
            async with self._slot():
                return await self._page(request, path)
        except Refusal as refusal:
            return self._refused(request, None, refusal)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Hold one of the places for pages that are made at a time; Refusal (503) where none is free for a while."""
        owner, held = object(), False
        with anyio.move_on_after(_WAIT_SECONDS):
            await self._slots.acquire_on_behalf_of(owner)
            held = True
        if not held:
            message = "The console is drawing as many pages as it can. This page loads itself again."
            raise Refusal(503, "busy", message, retry_after_seconds=_AGAIN_SECONDS)
        try:
            self._show_open()
            yield
        finally:
            self._slots.release_on_behalf_of(owner)
            self._show_open()

    def _show_open(self) -> None:
        if self.metrics is not None:
            self.metrics.in_progress.set(self._slots.borrowed_tokens)

    async def _page(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        principal: Principal | None = None
        visit: Visit | None = None
        mark = self.mark()
        try:
            found = self._found(request.method, path)
            if found.route.permission is not Permission.PUBLIC:
                principal = await self.authenticate(request, self.database)
                if principal is None and found.route.page and request.method in SAFE_METHODS:
                    return self._to_login(request)
                self._admit(request, found.route, principal)
            form = await self._form(request, principal)
            visit = Visit(
                request,
                found.values,
                principal,
                self.layout,
                self.database,
                form,
                self.base,
                self.client_for,
                self.address_of(request),
                mark,
                self._slot,
                self.confirm,
            )
            return await found.route.handler(visit)
        except ConfirmationNeeded as needed:
            return _confirmation(needed, visit, path)
        except Refusal as refusal:
            await self._audit(request, path, principal, refusal)
            return self._refused(request, principal, refusal)
        except RefusedError:
            message = "Postgres cannot take a value of this request: a character that no text may have, say."
            return self._refused(request, principal, Refusal(400, "refused", message))
        except TransientError as error:
            return self._refused(request, principal, _unavailable(error))
        except (ConnectionError, web.RequestPayloadError):
            raise  # the client is gone
        except Exception:  # whatever one page does must not end the others
            log.exception("a page failed", path=path)
            message = "This is a defect of the console; its log says what happened."
            return self._refused(request, principal, Refusal(500, "defect", message))

    def _found(self, method: str, path: str) -> Found:
        found = self.routes.find(method, path)
        if isinstance(found, Found):
            return found
        raise _not_found(found)

    def _admit(self, request: web.BaseRequest, route: ConsoleRoute, principal: Principal | None) -> None:
        """Refuse a principal that may not do this; nobody in particular must log in."""
        if principal is None:
            raise Refusal(401, "no_login", "Your session has ended, or there was none: log in, then try again.")
        if principal.login is Login.DEMO and _host_name(request) not in _LOOPBACK_HOSTS:
            raise Refusal(403, "not_local", "The demo is for this machine only: open it at 127.0.0.1 or localhost.")
        if not allows(principal, route.permission):
            log.warning("refused", user=principal.name, role=principal.role.value, permission=route.permission.value)
            raise Refusal(
                403,
                "no_permission",
                f"This takes the permission {route.permission.value}, which the role {principal.role.value} has not: "
                "ask an administrator of the console.",
            )

    async def _form(self, request: web.BaseRequest, principal: Principal | None) -> Fields:
        """Read the form of a request that changes something, once it is known to come from a page of this session."""
        if request.method in SAFE_METHODS:
            return {}
        if not is_same_origin(request, origin_of(self.url)):
            message = "The form was not sent by a page of this console. Behind a proxy, set console.public_url."
            raise Refusal(403, "other_origin", message)
        form = await read_form(request)
        key = b"" if principal is None else principal.form_key
        if key and not is_form_token(form.get(FIELD, [""])[-1], key):
            raise Refusal(403, "no_form_token", "The page is of an earlier session: load it again, then try again.")
        return form

    async def _audit(self, request: web.BaseRequest, path: str, principal: Principal | None, refusal: Refusal) -> None:
        """Keep that somebody who is logged in was not let do something. While Postgres is away it is only logged."""
        if refusal.status != 403 or request.method in SAFE_METHODS or principal is None or self.database is None:
            return
        entry = audit.by(principal, self.address_of(request), refusal.reason, path, outcome="refused")
        try:
            async with self.database.transaction(
                limit_seconds=QUERY_SECONDS, connect_seconds=CONNECT_SECONDS
            ) as connection:
                await audit.record(connection, entry)
        except TransientError as error:
            log.warning("a refusal is not in the audit", user=principal.name, path=path, error=str(error))

    def _to_login(self, request: web.BaseRequest) -> web.Response:
        there = quote(request.raw_path.removeprefix(self.layout.prefix), safe="")
        return web.Response(status=303, headers={hdrs.LOCATION: f"{self.layout.prefix}/login?next={there}"})

    def _refused(self, request: web.BaseRequest, principal: Principal | None, refusal: Refusal) -> web.Response:
        """Answer with a page that says what is wrong."""
        visit = Visit(request, {}, principal, self.layout, None, {})
        values: dict[str, Any] = {
            "title": _TITLES.get(refusal.status, "Refused"),
            "message": str(refusal),
            "code": refusal.status,
            "again": refusal.status == 503 and refusal.reason != TOO_SLOW and request.method in SAFE_METHODS,
        }
        response = visit.page("error.html", status=refusal.status, **values)
        response.headers.update(refusal.headers)
        if refusal.retry_after_seconds is not None:
            seconds = str(max(1, ceil(refusal.retry_after_seconds)))
            response.headers["Retry-After"] = seconds
            if values["again"]:
                response.headers["Refresh"] = seconds
        if refusal.status == 413:
            response.force_close()
        return response


def _confirmation(needed: ConfirmationNeeded, visit: Visit | None, path: str) -> web.Response:
    """Ask for the password, on a page that goes on with what was sent."""
    assert visit is not None, "only a page asks for it"  # noqa: S101 -- for the type checker
    assert visit.principal is not None, "only of somebody who is logged in"  # noqa: S101 -- for the type checker
    return visit.page(
        "confirm.html",
        status=needed.status,
        message=str(needed),
        keeps_form=needed.keeps_form,
        action=path if needed.keeps_form else "/confirm",
        fields=kept_fields(visit) if needed.keeps_form else (),
        provider=visit.principal.login is Login.OIDC,
        by_token=visit.principal.login is Login.TOKEN,
    )


def _not_found(allowed: frozenset[str]) -> Refusal:
    if not allowed:
        return Refusal(404, "no_such_page", "There is no page at this address.")
    names = ", ".join(sorted(allowed))
    return Refusal(405, "no_such_method", f"Only {names} is possible here.", headers={hdrs.ALLOW: names})


def _unavailable(error: TransientError) -> Refusal:
    """Say what is the matter without what Postgres said: that is for the log."""
    if sqlstate_of(error) == STATEMENT_TIMEOUT:
        message = "Postgres needed more than 3 seconds for this page. Narrow the filter, then try again."
        return Refusal(503, TOO_SLOW, message, retry_after_seconds=30)
    log.warning("a page could not be shown", error=str(error))
    message = (
        "Postgres cannot be reached, so nothing can be shown. Notifications are still taken and kept in the local "
        "journal. This page comes back by itself; the log of the bridge says why Postgres is away."
    )
    return Refusal(503, "unavailable", message, retry_after_seconds=error.retry_after_seconds or _AGAIN_SECONDS)


def _host_name(request: web.BaseRequest) -> str:
    """The host that the browser means, without the port."""
    host = request.headers.get(hdrs.HOST, "")
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
