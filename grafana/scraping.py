"""A Prometheus of our own that scrapes bridges, and its HTTP API: for tests of the dashboards and for pictures."""

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio

from grafana.asking import Window

JOB = "tmf656-bridge"
_PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus that runs."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer; RuntimeError when the query is refused."""
        async with self.session.get(f"{self.url}/api/v1/{path}", params=parameters) as answer:
            said = await answer.json()
        if said["status"] != "success":
            raise RuntimeError(f"{said['error']}: {parameters}")
        return said["data"]

    async def over(self, expr: str, window: Window) -> list[dict[str, Any]]:
        """Return the series of a query over a time."""
        times = {"start": window.begin, "end": window.end, "step": window.step_seconds}
        data = await self.ask("query_range", query=expr, **{name: str(value) for name, value in times.items()})
        return list(data["result"])

    async def value(self, expr: str) -> float:
        """Return the one figure that a query gives now, 0 when it gives none."""
        result = (await self.ask("query", query=expr))["result"]
        return float(result[0]["value"][1]) if result else 0.0

    async def scraped(self, times: int) -> None:
        """Wait until every target has answered so many times more."""
        query = f'min(count_over_time(up{{job="{JOB}"}}[1h]))'
        wanted = await self.value(query) + times
        await self.until(
            f'{query} >= {wanted} and min(up{{job="{JOB}"}}) == 1', patience_seconds=_PATIENCE_SECONDS + 2 * times
        )

    async def until(self, expr: str, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until a query gives something."""
        with anyio.fail_after(patience_seconds):
            while not (await self.ask("query", query=expr))["result"]:  # noqa: ASYNC110 -- no signal
                await anyio.sleep(0.2)


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def configuration(targets: Sequence[str], *, interval_seconds: int) -> str:
    """The addresses that Prometheus scrapes."""
    return f"""
global:
  scrape_interval: {interval_seconds}s
scrape_configs:
  - job_name: {JOB}
    static_configs:
      - targets: [{", ".join(targets)}]
"""


@asynccontextmanager
async def prometheus(
    targets: Sequence[str], directory: Path, *, interval_seconds: int = 1, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Prometheus]:
    """Run one until the block ends; it keeps its data in `directory`."""
    port = free_port()
    configured = directory / "prometheus.yml"
    configured.write_text(configuration(targets, interval_seconds=interval_seconds))
    command = [
        "prometheus",
        f"--config.file={configured}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    with (directory / "log").open("wb") as log:
        process = await anyio.open_process(command, stdout=log, stderr=log, env=environment)
    async with process, aiohttp.ClientSession() as session:
        try:
            await _ready(f"http://127.0.0.1:{port}", session, process, directory / "log")
            yield Prometheus(f"http://127.0.0.1:{port}", session)
        finally:
            process.kill()


async def _ready(url: str, session: aiohttp.ClientSession, process: anyio.abc.Process, log: Path) -> None:
    with anyio.fail_after(_PATIENCE_SECONDS):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"prometheus ended, see {log}")
            try:
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await anyio.sleep(0.05)
