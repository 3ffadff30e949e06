"""What every slice gets: the server, a place for files, the client, and what the slices before it measured.

A slice is one side of a ratio, measured once a round. It is made once, as a context that keeps its servers running
and warm between the rounds, and yields the function that measures.
"""

import itertools
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import orjson

from tests.bench.bridge import PATH, Bridge, Tables, bridge, configured
from tests.bench.load import Plan, Report
from tests.bench.postgres import Postgres
from tests.bench.process import BenchError, Child, LostError, environment, python, running

_VISIBLE_SECONDS = 60.0
_LOAD_SLACK_SECONDS = 700.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. `cpu`: processor seconds per 1,000 notifications (or problems), by who spent them."""

    value: float
    cpu: dict[str, float] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)


Measure = Callable[[int], Awaitable[Sample]]
"""Takes the number of the round."""

Make = Callable[["Bench"], AbstractAsyncContextManager[Measure]]


@dataclass(slots=True)
class Bench:
    """One run. `last` holds this round's samples so far; `workers` is how many processes a bridge under load has,
    `problems` how many the console shows.
    """

    postgres: Postgres
    scratch: Path
    stack: AsyncExitStack
    long: bool
    seconds: float
    workers: int = 1
    problems: int = 1_000_000
    last: dict[str, Sample] = field(default_factory=dict)
    _shared: dict[str, Bridge] = field(default_factory=dict)
    _pages: dict[tuple[int, int], str] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def sample(self, name: str) -> Sample:
        """What a slice measured in this round; BenchError when it failed."""
        if name not in self.last:
            raise BenchError(f"{name} was not measured")
        return self.last[name]

    def place(self, name: str) -> Path:
        """A fresh directory."""
        path = self.scratch / f"{name}-{next(self._numbers)}"
        path.mkdir()
        return path

    def bridge(
        self, dsn: str, source_url: str, *, workers: int | None = None, more: Tables | None = None
    ) -> AbstractAsyncContextManager[Bridge]:
        """A bridge on a database, with so many workers, or as many as the run is about; `more` configuration."""
        place = self.place("bridge")
        return bridge(place, configured(place, dsn, source_url, more), workers=workers or self.workers)

    async def shared_bridge(self, name: str, *, workers: int | None = None, more: Tables | None = None) -> Bridge:
        """The bridge on the database of this name; made at the first call, kept until the run is over."""
        if name not in self._shared:
            dsn = await self.postgres.create(name)
            own = self.bridge(dsn, await self.source(0), workers=workers, more=more)
            self._shared[name] = await self.stack.enter_async_context(own)
        return self._shared[name]

    async def source(self, count: int, generation: int = 0) -> str:
        """The address of a server that lists so many problems; it runs until the run is over."""
        key = (count, generation)
        if key not in self._pages:
            command = python("tests.bench.pages", count, "--generation", generation)
            served = running(command, r"listening (\d+)", self.place("pages") / "log")
            self._pages[key] = f"http://127.0.0.1:{(await self.stack.enter_async_context(served)).said[1]}"
        return self._pages[key]

    async def load(self, port: int, *, answered: Path | None = None, **how: Any) -> Report:
        """Let the client do its work."""
        prefix = f"n{next(self._numbers)}"
        path = str(answered) if answered else ""
        plan = Plan(
            "127.0.0.1", port, PATH, **({"prefix": prefix, "seconds": self.seconds, "answered_path": path} | how)
        )
        with anyio.fail_after(plan.seconds + _LOAD_SLACK_SECONDS):
            ran = await anyio.run_process(
                python("tests.bench.load"), input=orjson.dumps(asdict(plan)), env=environment(), check=False
            )
        if ran.returncode:
            raise BenchError(f"the client failed:\n{ran.stderr.decode(errors='replace')[-1500:]}")
        return Report(**orjson.loads(ran.stdout))

    async def push(self, port: int, child: Child, *, database: str = "", **how: Any) -> tuple[Report, dict[str, float]]:
        """Send to a server; return what the client says, and processor seconds per 1,000. What was answered must be in
        `database`, when one is named: LostError if it is not.
        """
        answered = self.place("answered") / "ids" if database else None
        await self.postgres.settle()
        before = child.cpu_seconds(), self.postgres.cpu_seconds()
        report = await self.load(port, answered=answered, **how)
        spent = child.cpu_seconds() - before[0], self.postgres.cpu_seconds() - before[1]
        if not report.answered:
            raise BenchError(f"nothing was answered: {report}")
        if answered is not None:
            await self._all_visible(database, answered)
        thousands = report.answered / 1000
        return report, {"app": spent[0] / thousands, "postgres": spent[1] / thousands}

    async def _all_visible(self, database: str, answered: Path) -> None:
        """Every answered event is in report.notification: at once, or from the journal within a minute."""
        ends = monotonic() + _VISIBLE_SECONDS
        while missing := await self.postgres.missing(database, answered):
            if monotonic() > ends:
                raise LostError(f"{missing} answered events are not in report.notification of {database}")
            await anyio.sleep(0.1)
