"""What stands between the simulated server and the bridge: it passes notifications on and remembers what was answered.

It is also what tests use as the load balancer of an operator: `target` says which process gets the next notification.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import anyio
import orjson
from aiohttp import web


class Recorder:
    """Passes notifications on to `target`; `answered` are the ids of those that came back as stored, `refused` what
    else was answered (503 when nobody was there).
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self.target = ""
        self.answered: list[str] = []
        self.refused: list[int] = []
        self.session = session
        self._news = anyio.Event()

    async def more(self, number: int) -> None:
        """Wait until so many more were answered."""
        wanted = len(self.answered) + number
        with anyio.fail_after(30):
            while len(self.answered) < wanted:
                await self._news.wait()

    async def pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            async with self.session.post(self.target + request.path, data=body) as answer:
                status = answer.status
        except aiohttp.ClientError:
            status = 503
        if 200 <= status < 300:
            self.answered.append(orjson.loads(body)["eventId"])
            self._news.set()
            self._news = anyio.Event()
        else:
            self.refused.append(status)
        return web.Response(status=status)


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        recorder = Recorder(session)
        application = web.Application()
        application.router.add_post("/{tail:.*}", recorder.pass_on)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield recorder
        finally:
            await runner.cleanup()
