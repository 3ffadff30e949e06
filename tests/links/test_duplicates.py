"""Each duplicate of a link is kept once, on its side, whatever became of it since; or it is ended, with a note."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.duplicates import keep_duplicates
from bridge.simulator import Faults, Simulator
from bridge.storage import link as link_table
from bridge.storage.database import Database
from bridge.storage.link import NewLink
from tests.links.pair import LEFT, RIGHT, Pair, paired
from tests.links.rule_rig import RuleRig
from tests.links.test_send import SAME, settle_down

pytestmark = pytest.mark.anyio


async def test_each_duplicate_is_kept_once(database: Database) -> None:
    rig = RuleRig(database)
    decider = await rig.start()
    new = NewLink(decider.run_of_rule.rule_id, "k", "match", LinkState.LINKED, "L1", "R1")
    async with database.transaction() as connection:
        (number,) = (await link_table.add(connection, [new])).values()
        links = await link_table.lock(connection, [number])
        run = decider.run_of_rule
        assert await keep_duplicates(connection, run, links, {}, {}) == 0
        assert await keep_duplicates(connection, run, links, {number: [(Side.RIGHT, "R2")]}, {}) == 1
        assert await keep_duplicates(connection, run, links, {number: [(Side.RIGHT, "R2")]}, {}) == 0
        await connection.execute("update bridge.conflict set outcome = 'dismissed', settled_at = now()")
        found = {number: [(Side.RIGHT, "R2"), (Side.LEFT, "L2")]}
        assert await keep_duplicates(connection, run, links, found, {}) == 1
        rows = await connection.fetch("select left_value, right_value, outcome from bridge.conflict order by id")
    assert [tuple(row) for row in rows] == [(None, "R1, R2", "dismissed"), ("L1, L2", None, "waiting")]


@asynccontextmanager
async def doubled(database: Database, **rule: Any) -> AsyncIterator[tuple[Pair, str, str]]:
    """A ticket on the left with its counterpart on the right, and a second one there with the same key."""
    async with (
        Simulator(version="4", id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(version="4", id_prefix="R", faults=Faults(), seed=2) as right,
        paired(database, left, right, create="both", **rule) as pair,
    ):
        await left.create(**SAME)
        await settle_down(pair)
        (kept,) = right.problems
        key = await pair.value("select key from bridge.link")
        other = (await right.create(**SAME, externalIdentifier=[{"id": key, "owner": "tmf656-bridge"}]))["id"]
        yield pair, kept, other


async def conflicts(pair: Pair) -> Any:
    return await pair.value("select string_agg(kind || ' ' || outcome, ', ' order by id) from bridge.conflict")


@pytest.mark.parametrize("fate", ["done", "lose_request", "lose_answer", "late"])
async def test_a_duplicate_is_ended_once_with_a_note_whatever_happens_to_the_requests(
    database: Database, fate: str
) -> None:
    async with doubled(database, duplicates="cancel") as (pair, kept, other):
        writes = pair.sims[RIGHT].faults.writes
        writes.fates, writes.late_seconds = deque(["done", fate]), None
        await settle_down(pair)
        await settle_down(pair, rounds=3)
        assert pair.sims[RIGHT].problems[other]["status"] == "cancelled"
        assert pair.sims[RIGHT].problems[kept]["status"] == SAME["status"]
        [note] = pair.sims[RIGHT].problems[other]["note"]
        assert note["text"].endswith(f"Duplicate of {kept}, which stays.")
        assert len(pair.sims[LEFT].problems) == 1
        assert await conflicts(pair) == "duplicate agreed"
        assert await pair.open_writes() == 0
        await pair.sims[RIGHT].patch(other, status="inProgress")
        await settle_down(pair)
        assert pair.sims[RIGHT].problems[other]["status"] == "inProgress", "what a person reopens stays open"


async def test_a_duplicate_is_left_to_a_person_where_the_rule_says_nothing_else(database: Database) -> None:
    async with doubled(database) as (pair, _, other):
        await settle_down(pair)
        assert pair.sims[RIGHT].problems[other]["status"] == SAME["status"]
        assert await conflicts(pair) == "duplicate waiting"


async def test_a_duplicate_that_lost_the_key_meanwhile_is_left_alone(database: Database) -> None:
    async with doubled(database, duplicates="cancel") as (pair, _, other):
        await pair.pull()
        await pair.decide()
        assert await pair.open_writes() == 1
        await pair.sims[RIGHT].patch(other, externalIdentifier=[])
        await settle_down(pair)
        assert pair.sims[RIGHT].problems[other]["status"] == SAME["status"]
        assert await pair.open_writes() == 0


async def test_a_server_that_does_not_end_it_leaves_it_to_a_person(database: Database) -> None:
    async with doubled(database, duplicates="cancel") as (pair, _, other):
        pair.sims[RIGHT].faults.writes.rewrite = lambda changes: {
            name: value for name, value in changes.items() if name != "status"
        }
        await settle_down(pair)
        assert pair.sims[RIGHT].problems[other]["status"] == SAME["status"]
        assert await conflicts(pair) == "duplicate waiting"
        assert await pair.value("select outcome from bridge.outbox where kind = 'end_duplicate'") == "refused"
