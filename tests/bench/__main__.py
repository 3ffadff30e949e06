"""`python -m tests.bench`: see the package's docstring."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from time import monotonic

import anyio
import asyncpg
from rich.console import Console
from rich.markup import escape

from tests.bench import plot, report
from tests.bench.bench import Bench, Measure, Sample
from tests.bench.environment import described
from tests.bench.measures.table import GOALS, SLICES, Goal
from tests.bench.peers import install
from tests.bench.postgres import postgres
from tests.bench.process import ROOT, BenchError, LostError

console = Console() if sys.stdout.isatty() else Console(width=150)


def main() -> None:
    """Parse the arguments and do it."""
    arguments = _arguments()
    if arguments.page:
        page = ROOT / "docs/performance.md"
        page.write_text(report.into_page(page.read_text(), report.markdown(report.read())))
        return
    goals = _chosen(arguments.only, long=arguments.long)
    began = monotonic()
    try:
        results = anyio.run(_run, goals, arguments)
    except (BenchError, LostError) as error:
        console.print(f"[red]{escape(str(error))}[/]", highlight=False)
        sys.exit(1)
    report.show(results["measures"], console)
    console.print(f"{(monotonic() - began) / 60:.1f} minutes", highlight=False)
    if arguments.write or not arguments.only:
        full = {goal.key for goal in goals if arguments.long or not goal.long_only}
        worthy = {key: each for key, each in results["measures"].items() if key in full}
        everything = report.merged(report.read(), results | {"measures": worthy})
        report.write(everything)
        plot.draw(everything)
    if unmeasured := [goal.key for goal in goals if goal.key not in results["measures"]]:
        console.print(f"[red]not measured: {', '.join(unmeasured)}[/]", highlight=False)
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="The bridge against its peers, as ratios."
    )
    parser.add_argument(
        "--only",
        metavar="N,N",
        help="these measures, with their parts (8 with 8-memory): " + ", ".join(goal.key for goal in GOALS),
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a slice under load (default 3)")
    parser.add_argument(
        "--workers",
        type=int,
        default=max(1, min(4, len(os.sched_getaffinity(0)) - 1)),
        help="processes of the bridge where it is under load (default: one less than there are cores, 1 to 4)",
    )
    parser.add_argument(
        "--problems",
        type=int,
        default=1_000_000,
        metavar="N",
        help="problems that the console shows (default 1,000,000)",
    )
    parser.add_argument("--long", action="store_true", help="the measures that need much data or time, at full size")
    parser.add_argument(
        "--write", action="store_true", help="with --only: write the results all the same (of 8 to 10 only with --long)"
    )
    parser.add_argument("--page", action="store_true", help="only write the table into docs/performance.md")
    return parser.parse_args()


def _chosen(only: str | None, *, long: bool) -> list[Goal]:
    if only is None:
        return [goal for goal in GOALS if (goal.in_long if long else not goal.long_only)]
    known = {goal.key: goal for goal in GOALS}
    wanted = [key.strip() for key in only.split(",")]
    if unknown := [key for key in wanted if key not in known]:
        raise SystemExit(f"no measure {', '.join(unknown)}; there are {', '.join(known)}")
    with_parts = [each for key in wanted for each in known if each == key or each.startswith(f"{key}-")]
    return [known[key] for key in dict.fromkeys(with_parts)]


async def _run(goals: Sequence[Goal], arguments: argparse.Namespace) -> report.Json:
    names = {name for goal in goals for name in goal.slices}
    _install(names)
    cache = ROOT / ".cache" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=cache, prefix="run-"))  # on a disk: fsync in memory costs nothing
    try:
        async with postgres(scratch) as server, AsyncExitStack() as stack:
            bench = Bench(
                server,
                scratch,
                stack,
                long=arguments.long,
                seconds=arguments.seconds,
                workers=arguments.workers,
                problems=arguments.problems,
            )
            rounds = await _rounds(bench, [name for name in SLICES if name in names], arguments.rounds)
            results = {goal.key: report.judged(goal, rounds, long=arguments.long) for goal in goals}
            return described(server.version) | {"measures": {key: each for key, each in results.items() if each}}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def _rounds(bench: Bench, names: Sequence[str], rounds: int) -> list[dict[str, Sample]]:
    """Measure every slice once a round. One that fails is reported and left out, in this round or, unmade, in all."""
    measures: dict[str, Measure] = {}
    for name in names:
        with console.status(f"preparing {name}"), _told(name):
            measures[name] = await bench.stack.enter_async_context(SLICES[name].make(bench))
    done: list[dict[str, Sample]] = []
    for number in range(1, rounds + 1):
        bench.last = {name: done[0][name] for name in names if SLICES[name].once and done and name in done[0]}
        for name, measure in measures.items():
            if name in bench.last:
                continue
            with console.status(f"round {number} of {rounds}: {name}"), _told(name):
                bench.last[name] = await measure(number)
                _say(f"{number}/{rounds} {name}", bench.last[name])
        done.append(bench.last)
    return done


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell what keeps a slice from being measured; the others go on."""
    try:
        yield
    except (BenchError, TimeoutError, OSError, asyncpg.PostgresError) as error:
        console.print(f"[red]{name}: {type(error).__name__}: {escape(str(error))}[/]", highlight=False)


def _say(what: str, sample: Sample) -> None:
    cpu = ", ".join(f"{who} {report.number(spent)}" for who, spent in sample.cpu.items())
    console.print(f"{what}: {report.number(sample.value)}  {cpu}", highlight=False)


def _install(names: set[str]) -> None:
    if names & {"fastify", "node-red"}:
        with console.status("installing Fastify, pg and Node-RED"):
            install.node_packages()
    if "dlt" in names:
        with console.status("installing dlt"):
            install.dlt()


if __name__ == "__main__":
    main()
