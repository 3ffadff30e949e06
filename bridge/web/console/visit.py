"""One request, as a page sees it: the values of its path and query, who asks, the database, and how to answer."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from bridge.domain.access import Permission, Principal, allows
from bridge.errors import DatabaseUnavailableError
from bridge.settings import Settings, SourceSettings
from bridge.sources.client import SourceClient
from bridge.storage.database import Connection, Database
from bridge.web.console.layout import Layout
from bridge.web.refusal import Refusal

CONNECT_SECONDS = 0.8
"""Then a page says that Postgres is away."""
QUERY_SECONDS = 3.5
"""A little more than the statement timeout: for a server that does not answer at all."""
_MOST_FORM_BYTES = 64 * 1024
_MOST_FIELDS = 500
_FORM = "application/x-www-form-urlencoded"

ClientFor = Callable[[str, SourceSettings], AbstractAsyncContextManager[SourceClient]]
"""Makes the client of a source by its settings; given by the process, because clients are chosen above this layer."""
Fields = dict[str, list[str]]
"""Values by name, as often as they were sent; an empty one is kept."""


@dataclass(frozen=True, slots=True)
class Visit:
    """See the module docstring. `values`: of the names in the route's pattern, decoded. `form`: what was posted."""

    request: web.BaseRequest
    values: Mapping[str, str]
    principal: Principal | None
    layout: Layout
    database: Database | None
    form: Mapping[str, list[str]]
    base: Settings = field(default_factory=Settings)
    """The configuration without what was set in the console."""
    client_for: ClientFor | None = None
    address: str = ""
    """Where it came from, beyond the trusted proxies."""
    mark: str = ""
    """What had been announced (`bridge.web.console.live`) before anything was read for this."""
    slot: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Holds one of the places for pages that are made at a time, for a route that holds none by itself."""
    confirm: Callable[..., Awaitable[None]] | None = None
    """Raises where who asks has to give the password again first (`bridge.web.console.confirmation`)."""

    @property
    def query(self) -> Fields:
        """The query by name; Refusal (400) where it cannot be read."""
        return fields(raw_query(self.request))

    def field(self, name: str) -> str:
        """The value of a field of the form, "" where there is none."""
        return self.form.get(name, [""])[-1]

    async def require_confirmation(self, *, keeps_form: bool = True) -> None:
        """Refuse unless who asks has logged in, or given the password again, within the last minutes. `keeps_form`: the
        page that asks for it sends the same form once more.
        """
        if self.confirm is not None:
            await self.confirm(self, keeps_form=keeps_form)

    def allows(self, permission: Permission) -> bool:
        """May who asks do this?"""
        return allows(self.principal, permission)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Lend a connection that sees one state of the database and only reads; DatabaseUnavailableError soon when
        Postgres is away.
        """
        async with self._open().snapshot(limit_seconds=QUERY_SECONDS, connect_seconds=CONNECT_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits on a clean exit."""
        async with self._open().transaction(limit_seconds=QUERY_SECONDS, connect_seconds=CONNECT_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def exporting(self) -> AsyncIterator[Connection]:
        """As `reading`, for one statement that may take as long as its reader does."""
        async with (
            self._open().connection(timeout_seconds=CONNECT_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute("set local statement_timeout = 0")
            yield connection

    def _open(self) -> Database:
        if self.database is None:
            raise DatabaseUnavailableError("Postgres could not be reached since the console started")
        return self.database

    def page(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """Answer with a page."""
        text = self.layout.render(template, self.request, self.principal, {"mark": self.mark} | values)
        response = web.Response(text=text, content_type="text/html", status=status)
        if "gzip" in self.request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    def redirect(self, path: str) -> web.Response:
        """Send the browser to a path of ours, as a GET."""
        return web.Response(status=303, headers={hdrs.LOCATION: f"{self.layout.prefix}{path}"})


def refuse_head(visit: Visit) -> None:
    """Refuse HEAD for an answer that is written piece by piece: its length is known only at the end."""
    if visit.request.method == hdrs.METH_HEAD:
        raise Refusal(405, "no_such_method", "Only GET is possible here.", headers={hdrs.ALLOW: hdrs.METH_GET})


def raw_query(request: web.BaseRequest) -> str:
    """The query as it was sent."""
    return request.raw_path.partition("?")[2]


def fields(query: str) -> Fields:
    """Read a query or form, percent-encoded UTF-8; Refusal (400) for what is neither."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise Refusal(
            400, "malformed", f"the parameters cannot be read: at most {_MOST_FIELDS}, percent-encoded UTF-8"
        ) from error
    found: Fields = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


async def read_form(request: web.BaseRequest) -> Fields:
    """Read a form to its end; Refusal where it is too large or no form."""
    if request.content_type != _FORM:
        raise Refusal(415, "malformed", f"only forms are taken here: send {_FORM}")
    if (request.content_length or 0) > _MOST_FORM_BYTES:
        raise Refusal(413, "too_large", f"the form is longer than {_MOST_FORM_BYTES} bytes")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise Refusal(413, "too_large", f"the form is longer than {_MOST_FORM_BYTES} bytes")
    return fields(body.decode("ascii", errors="replace"))
