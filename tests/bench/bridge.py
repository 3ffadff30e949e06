"""The bridge as it is shipped: `tmf656-bridge run` and `sync` in processes of their own, on a database of the bench."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.bench.process import Child, Finished, environment, finished, python, running

SOURCE = "bench"
SECRET = "measured-and-found-not-wanting"
PATH = f"/listener/{SOURCE}/{SECRET}"


@dataclass(frozen=True, slots=True)
class Bridge:
    """One that runs."""

    child: Child
    port: int


Tables = Mapping[str, Mapping[str, object]]


def configured(place: Path, dsn: str, source_url: str, more: Tables | None = None) -> Path:
    """Write a configuration with one source, and `more`, everything else as by default; return its path."""
    source = {f"sources.{SOURCE}": {"url": source_url, "callback_secret": SECRET}}
    return configured_with(place, dsn, source | dict(more or {}))


def configured_with(place: Path, dsn: str, more: Tables) -> Path:
    """The same with the sources of `more` and none besides."""
    place.mkdir(parents=True, exist_ok=True)
    tables = {"database": {"dsn": dsn}, "http": {"port": 0}, "log": {"format": "json"}} | dict(more)
    lines = [f"data_dir = {toml(str(place / 'data'))}"]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in table.items())]
    path = place / "bridge.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@asynccontextmanager
async def bridge(place: Path, config: Path, *, workers: int) -> AsyncIterator[Bridge]:
    """Run the bridge until the block ends; all of it is ready when this yields."""
    command = python("bridge", "run", "--config", config, "--workers", workers)
    event, url = f'"event": ?"{"all workers are ready" if workers > 1 else "ready"}"', r'"url": ?"http://[^"]*:(\d+)"'
    ready = f"{event}.*?{url}|{url}.*?{event}"
    async with running(command, ready, place / "bridge.log") as child:
        yield Bridge(child, int(child.said[1] or child.said[2]))


async def synced(place: Path, dsn: str, source_url: str) -> Finished:
    """Run `sync --full` to its end."""
    config = configured(place, dsn, source_url)
    command = python("bridge", "sync", SOURCE, "--full", "--config", config)
    return await finished(command, place / "sync.log", env=environment(COLUMNS="100"))


def toml(value: object) -> str:
    """A value as a configuration file has it."""
    return orjson.dumps(value).decode()
