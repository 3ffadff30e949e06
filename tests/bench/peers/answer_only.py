"""The bare aiohttp app: the bridge's paths and answer on the server that the bridge uses, the body read, nothing kept.
What aiohttp itself allows.
"""

import asyncio

import uvloop
from aiohttp import web

_PAGES = frozenset(("/", "/livez", "/readyz", "/metrics"))


async def _answer(request: web.BaseRequest) -> web.Response:
    path = request.rel_url.path_safe
    if path.startswith("/listener/") and request.method == "POST":
        await request.read()
        return web.Response(status=201, body=b"{}", content_type="application/json")
    return web.Response(text="ok") if path in _PAGES else web.Response(status=404)


async def _serve() -> None:
    runner = web.ServerRunner(web.Server(_answer, access_log=None, keepalive_timeout=15))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(f"listening {runner.addresses[0][1]}", flush=True)  # noqa: T201 -- the bench reads it
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
