"""The bare aiohttp app: the bridge's routes and answer, the body read, nothing kept. What aiohttp itself allows."""

import asyncio

import uvloop
from aiohttp import web


async def _listen(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=201, body=b"{}", content_type="application/json")


async def _text(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _serve() -> None:
    application = web.Application()
    for path in ("/", "/livez", "/readyz", "/metrics"):
        application.router.add_get(path, _text)
    application.router.add_post("/listener/{source}/{secret}", _listen)
    application.router.add_post("/listener/{source}/{secret}/{tail:.*}", _listen)
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=15)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(f"listening {runner.addresses[0][1]}", flush=True)  # noqa: T201 -- the bench reads it
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
