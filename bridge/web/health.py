"""`/livez`, `/readyz`, `/metrics` and a signpost at `/`.

Live: the process turns. Ready: the schema is current, the database answers, the jobs run; what is missing is named. A
bridge that waits for Postgres is alive and not ready.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bridge import __version__
from bridge.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def livez(_: web.Request) -> web.StreamResponse:
    """Answer that the process turns."""
    return web.json_response({"live": True})


def readyz(missing: Callable[[], Awaitable[list[str]]]) -> Handler:
    """Answer 200 when nothing is `missing`, else 503 with what is."""

    async def handle(_: web.Request) -> web.StreamResponse:
        reasons = await missing()
        return web.json_response({"ready": not reasons, "missing": reasons}, status=503 if reasons else 200)

    return handle


def metrics_page(metrics: Metrics) -> Handler:
    """Answer with the exposition in Prometheus' text format."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(body=metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handle


async def signpost(_: web.Request) -> web.StreamResponse:
    """Say what this is and where to look."""
    return web.json_response(
        {
            "program": "tmf656-bridge",
            "version": __version__,
            "paths": ["/livez", "/readyz", "/metrics", "/listener/{source}/{secret}"],
        }
    )
