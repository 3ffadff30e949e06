"""People at the console, in a process of their own: they look at the list of problems and have it renewed.

    python -m tests.bench.users URL TOKEN --live 10 --impatient 0

*Live* ones do what `live.js` does: they read `/live`, and ask for the list again when something changed, once a second
at most, and a slow one for a sixth of the time; 204 says that they have it already. *Impatient* ones ask again as soon
as they are answered, whatever Retry-After says. `ready` is printed when each has been answered once; on SIGTERM a line
of JSON says what they saw.
"""

import argparse
import re
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter

import aiohttp
import anyio
import orjson

_LEAST_SECONDS = 1.0
_SHARE = 5
_TIMEOUT_SECONDS = 30
_LIST = "/problems"
_DIGEST = re.compile(rb'data-digest="([^"]*)"')


@dataclass(slots=True)
class Seen:
    """What all of them saw: how long pages took, in milliseconds, and the statuses."""

    pages_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0

    def report(self) -> bytes:
        """As JSON."""
        ordered = sorted(self.pages_ms) or [0.0]
        p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
        facts = {
            "pages": self.statuses[200],
            "page_p95_ms": p95,
            "unchanged": self.statuses[204],
            "busy": self.statuses[503],
            "busy_without_retry_after": self.without_retry_after,
            "other": sum(number for status, number in self.statuses.items() if status not in (200, 204, 503)),
        }
        return orjson.dumps(facts)


@dataclass(slots=True)
class User:
    """One of them, who has logged in."""

    session: aiohttp.ClientSession
    url: str
    seen: Seen
    digest: str = "none"

    async def look(self, *, live: bool = False) -> float:
        """Ask for the list; return how many seconds that took."""
        began = perf_counter()
        headers = {"X-Live": self.digest} if live else {}
        async with self.session.get(f"{self.url}{_LIST}", headers=headers, allow_redirects=False) as answer:
            page = await answer.read()
        seconds = perf_counter() - began
        self.seen.statuses[answer.status] += 1
        if answer.status == 200:
            self.seen.pages_ms.append(seconds * 1000)
            found = _DIGEST.search(page)
            self.digest = found[1].decode() if found else self.digest
        elif answer.status == 503 and "Retry-After" not in answer.headers:
            self.seen.without_retry_after += 1
        return seconds

    async def live(self, first: anyio.Event) -> None:
        """Look whenever something changed."""
        await self.look()
        first.set()
        async with self.session.get(f"{self.url}/live", timeout=aiohttp.ClientTimeout(None)) as stream:
            while line := await stream.content.readline():
                if line.startswith(b"event: changed"):
                    seconds = await self.look(live=True)
                    await anyio.sleep(max(_LEAST_SECONDS - seconds, _SHARE * seconds))

    async def impatient(self, first: anyio.Event) -> None:
        """Look all the time."""
        while True:
            await self.look()
            first.set()


async def _run(url: str, token: str, *, live: int, impatient: int) -> None:
    seen = Seen()
    timeout = aiohttp.ClientTimeout(_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=timeout) as session:
        async with session.post(f"{url}/login", data={"token": token}, allow_redirects=False) as answer:
            if answer.status != 303:
                raise SystemExit(f"the login was answered {answer.status}")
        async with anyio.create_task_group() as tasks:
            firsts = [anyio.Event() for _ in range(live + impatient)]
            for number, first in enumerate(firsts):
                user = User(session, url, seen)
                tasks.start_soon(user.live if number < live else user.impatient, first)
            for first in firsts:
                await first.wait()
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                sys.stdout.write("ready\n")
                sys.stdout.flush()
                async for _ in signals:
                    tasks.cancel_scope.cancel()
                    break
    sys.stdout.write(seen.report().decode() + "\n")


def main() -> None:
    """Read the arguments and be these people."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--live", type=int, default=0)
    parser.add_argument("--impatient", type=int, default=0)
    given = parser.parse_args()
    anyio.run(lambda: _run(given.url, given.token, live=given.live, impatient=given.impatient))


if __name__ == "__main__":
    main()
