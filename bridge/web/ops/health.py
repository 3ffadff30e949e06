"""`/livez`, `/readyz`, `/metrics` and a signpost at `/`.

Live: the event loop responds. Ready: the schema is current, the database answers, the jobs run; what is missing is
named, and the state tells a bridge that is degraded (Postgres is away, notifications are answered from the local
journal) from one that cannot take any.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from aiohttp import web

from bridge import __version__
from bridge.errors import TransientError
from bridge.telemetry.exposition import encoder
from bridge.web.answer import error_response
from bridge.web.listener.admission import authorised
from bridge.web.ops.openapi import openapi
from bridge.web.ops.shared_page import SharedPage
from bridge.web.refusal import Refusal
from bridge.web.routes import Handler, WebPage

Exposition = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Makes the page of metrics and its content type from an Accept header; TransientError when that fails for now."""

_FORMATS = 4
"""Formats of metrics that are made for scrapers; with more (an Accept header names a version) they get the default."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How the bridge is. `degraded`: notifications are taken, but not as safely as they should; `missing` says why."""

    state: Literal["ready", "degraded", "starting", "stopping", "unavailable"]
    missing: list[str] = field(default_factory=list)


def ops_pages(
    readiness: Callable[[], Awaitable[Readiness]], metrics: Exposition, metrics_token: str = ""
) -> dict[str, WebPage]:
    """Return the pages for probes, scrapers and people, by path."""
    return {
        "/": WebPage(signpost),
        "/livez": WebPage(livez),
        "/readyz": WebPage(readyz(readiness)),
        "/metrics": WebPage(guarded(metrics_page(metrics), metrics_token)),
        "/openapi.json": WebPage(openapi),
    }


async def livez(_: web.BaseRequest) -> web.StreamResponse:
    """Answer that the event loop responds."""
    return web.json_response({"live": True})


def readyz(readiness: Callable[[], Awaitable[Readiness]]) -> Handler:
    """Answer 200 when ready, else 503 with the state and what is missing. All that ask at a time share one answer."""
    shared = SharedPage(readiness)

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        now = await shared.get()
        ready = now.state == "ready"
        body = {"ready": ready, "state": now.state, "missing": now.missing}
        return web.json_response(body, status=200 if ready else 503)

    return handle


def metrics_page(page: Exposition) -> Handler:
    """Answer with the exposition: Prometheus' text format, or OpenMetrics when the Accept header asks for it; 503 when
    there is none. Each format is made at most once a second.
    """
    shared: dict[str, SharedPage[tuple[bytes, str]]] = {}

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        accept = ",".join(request.headers.getall("Accept", ())).encode(errors="replace").decode()  # it may be no text
        _, format_ = encoder(accept)
        if format_ not in shared and len(shared) >= _FORMATS:
            accept, format_ = "", encoder("")[1]
        if format_ not in shared:
            shared[format_] = SharedPage(partial(page, accept))
        try:
            body, content_type = await shared[format_].get()
        except TransientError as error:
            return error_response(Refusal(503, "unavailable", str(error), retry_after_seconds=1))
        return web.Response(body=body, headers={"Content-Type": content_type, "Vary": "Accept"})

    return handle


def guarded(page: Handler, token: str) -> Handler:
    """Let in requests with the bearer token; all of them when there is none."""
    if not token:
        return page
    check = authorised([f"Bearer {one}".encode() for one in token.split()], basic=False, bearer=True)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            check(request)
        except Refusal as refusal:
            return error_response(refusal)
        return await page(request)

    return handle


async def signpost(_: web.BaseRequest) -> web.StreamResponse:
    """Say what this is and where to look."""
    return web.json_response(
        {
            "program": "tmf656-bridge",
            "version": __version__,
            "paths": ["/livez", "/readyz", "/metrics", "/openapi.json", "/listener/{source}/{secret}"],
        }
    )
