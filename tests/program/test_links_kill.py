"""kill -9 while both sides of many links are edited: the end is that of a run without kills, and notes stand once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import anyio
import asyncpg
import pytest

from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656.background import background

pytestmark = pytest.mark.anyio

LINKS = 24
WRITES_BETWEEN = 12
_PATIENCE_SECONDS = 240
_OPEN = """
    select (select count(*) from bridge.link where state = 'linked' and intent is null) < 24
        or exists (select from bridge.outbox where state not in ('done', 'dropped'))
"""
_WAITING = """
    select
        o.state, o.kind, count(*) as writes, count(*) filter (where o.due_at <= now()) as due,
        min(o.created_at) as since,
        count(l.intent) as intents, count(*) filter (where l.unsure_until < now()) as to_be_settled,
        max(o.attempts) as attempts, max(o.error) as error
    from bridge.outbox as o inner join bridge.link as l on o.link_id = l.id
    group by o.state, o.kind order by o.state, o.kind
"""
RULE = """
[links.pair]
left = "left"
right = "right"
on_conflict = "left"
[links.pair.match]
by = ["name = name"]
[links.pair.fields]
title = { left = "description", right = "description", max_length = 200 }
reason = { left = "reason", right = "reason", max_length = 200 }
[links.pair.notes]
direction = "both"
since = "all"
[links.pair.limits]
writes_per_minute = 100000
writes_per_ticket_per_hour = 100000
changes_at_once = 1
"""


Said = dict[tuple[str, str], str]
"""(name of a ticket, field) → what a person wrote last."""


@asynccontextmanager
async def edited(left: Simulator, right: Simulator, round_number: int, said: Said) -> AsyncIterator[None]:
    """People edit while this lasts: titles on the left, reasons on the right, notes on both."""
    dice = Random(round_number)

    async def edit() -> None:
        for number in count(1):
            sim, name = dice.choice([(left, "description"), (right, "reason")])
            ticket, text = dice.choice(list(sim.problems)), f"{round_number} {number}"
            problem = await sim.patch(ticket, **{name: text})
            said[problem["name"], name] = text
            notes = problem.get("note") or []
            if number % 5 == 0 and len(notes) < 12:
                await sim.patch(ticket, note=[*notes, {"id": f"{name} {text}", "author": "Eve", "text": text}])
            await anyio.sleep(0.02)

    async with background() as tasks:
        tasks.start_soon(edit)
        yield


def written(*sims: Simulator) -> int:
    return sum(sim.request_counts["patch"] for sim in sims)


def texts(sim: Simulator) -> dict[str, tuple[str, str, list[str]]]:
    """Name of a ticket → title, reason, and its notes without the first lines of copies."""
    return {
        problem["name"]: (
            problem["description"],
            problem["reason"],
            sorted(note["text"].rpartition("\n")[2] for note in problem.get("note") or []),
        )
        for problem in sim.problems.values()
    }


async def in_step(dsn: str, left: Simulator, right: Simulator) -> None:
    """Wait until all are linked, nothing waits, and both sides say the same."""
    connection = await asyncpg.connect(dsn)
    try:
        with anyio.fail_after(_PATIENCE_SECONDS):
            while await connection.fetchval(_OPEN) or texts(left) != texts(right):  # noqa: ASYNC110 -- no signal
                await anyio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(await _what_waits(connection, left, right)) from None
    finally:
        await connection.close()


async def _what_waits(connection: Any, left: Simulator, right: Simulator) -> str:
    """What keeps both sides from being in step, for the log of a failed run."""
    lines = [" ".join(f"{name}={value}" for name, value in row.items()) for row in await connection.fetch(_WAITING)]
    said = texts(left), texts(right)
    lines += [
        f"{name}: {said[0][name]} | {said[1].get(name)}" for name in said[0] if said[0][name] != said[1].get(name)
    ]
    return "\n".join(["not in step", *lines])


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
async def test_kill_9_while_both_sides_are_edited_ends_as_without_kills(
    dsn: str, start: Any, configured: Any, kills: int
) -> None:
    async with (
        Simulator(version="5", id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(version="5", id_prefix="R", faults=Faults(), seed=2) as right,
    ):
        for number in range(LINKS):
            for sim in (left, right):
                await sim.create(name=f"ticket {number}", description="begin", reason="begin", note=None)
        source = {
            "poll_interval_seconds": 1,
            "push": False,
            "write": True,
            "settle_seconds": 2,
            "request_timeout_seconds": 4,
        }
        at = {"left": {"url": left.url}, "right": {"url": right.url}}
        config: Path = configured(dsn=dsn, sources={side: source | url for side, url in at.items()})
        config.write_text(config.read_text() + RULE)
        said: Said = {}

        async with start("run", "--config", config) as program:
            await in_step(dsn, left, right)
            await program.killed()
        for kill in range(kills):
            async with start("run", "--config", config) as program, edited(left, right, kill, said):
                before = written(left, right)
                await right.wait_until(
                    partial(_more, left, right, before + WRITES_BETWEEN), timeout_seconds=_PATIENCE_SECONDS
                )
                await program.killed()
        async with start("run", "--config", config) as program:
            await in_step(dsn, left, right)
            await program.killed()
        for name, (title, reason, notes) in texts(left).items():
            assert said.get((name, "description"), "begin") == title
            assert said.get((name, "reason"), "begin") == reason
            assert len(notes) == len(set(notes))
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("select count(*) from bridge.conflict") == 0
        await connection.close()


def _more(left: Simulator, right: Simulator, wanted: int) -> bool:
    return written(left, right) >= wanted
