"""Notes of the desk stay with the desk: a rule copies only the journals that it may, and writes to the one it names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT, Pair, paired

pytestmark = pytest.mark.anyio

FIELDS = {"title": {"left": ["short_description"], "right": ["name"], "max_length": 160}}


@asynccontextmanager
async def desk(
    database: Database, notes: dict[str, Any], journals: str = "sys_journal_field"
) -> AsyncIterator[tuple[Pair, Any, str]]:
    """An incident on the left and a problem on the right, linked."""
    snow = {"kind": "servicenow", "journals": journals}
    async with (
        ServiceNowSimulator(seed=1) as left,
        Simulator(id_prefix="R", faults=Faults(), seed=2) as right,
        paired(
            database,
            left,
            right,
            {LEFT: snow},
            fields=FIELDS,
            maps={},
            create_left={},
            create_right={},
            notes={"direction": "both", "since": "all"} | notes,
        ) as pair,
    ):
        incident = left.create(short_description="no light")
        problem = await right.create(name="no light", status="inProgress")
        await pair.pull()
        await pair.join(incident["sys_id"], problem["id"])
        yield pair, incident, problem["id"]


async def carry(pair: Pair) -> None:
    for _ in range(3):
        await pair.pull()
        await pair.decide()
        await pair.send()


def journal(pair: Pair, name: str) -> list[str]:
    rows = pair.sims[LEFT].store.tables["sys_journal_field"].values()
    return [row["value"].rpartition("\n")[2] for row in rows if row["element"] == name]


@pytest.mark.parametrize("journals", ["sys_journal_field", "display"])
@pytest.mark.parametrize(
    ("notes", "copied", "written"),
    [
        ({}, ["for the caller"], "work_notes"),
        ({"write_left": "comments"}, ["for the caller"], "comments"),
        ({"left": ["comments", "work_notes"]}, ["for the caller", "the customer is difficult"], "work_notes"),
        ({"left": ["work_notes"], "write_left": "comments"}, ["the customer is difficult"], "comments"),
    ],
)
async def test_only_the_journals_of_the_rule_are_copied_and_written(
    database: Database, journals: str, notes: dict[str, Any], copied: list[str], written: str
) -> None:
    async with desk(database, notes, journals) as (pair, incident, problem):
        pair.sims[LEFT].change(incident, comments="for the caller")
        pair.sims[LEFT].change(incident, work_notes="the customer is difficult")
        await pair.sims[RIGHT].patch(problem, note=[{"id": "r1", "author": "Bob", "text": "from the carrier"}])
        await carry(pair)
        assert sorted(pair.notes(RIGHT, problem)) == sorted([*copied, "from the carrier"])
        other = "comments" if written == "work_notes" else "work_notes"
        assert journal(pair, written).count("from the carrier") == 1
        assert "from the carrier" not in journal(pair, other)
        await carry(pair)
        assert await pair.open_writes() == 0
        assert len(pair.notes(RIGHT, problem)) == len(copied) + 1


async def test_a_note_that_waits_is_not_sent_when_its_journal_is_no_longer_copied(database: Database) -> None:
    async with desk(database, {"left": ["work_notes"]}) as (pair, incident, problem):
        pair.sims[LEFT].change(incident, work_notes="the customer is difficult")
        await pair.pull()
        await pair.decide()
        assert await pair.open_writes() == 1
        run = pair.run
        run.rule.notes.journals[LEFT] = frozenset({"comments"})  # type: ignore[index]  # settings of a rule that runs
        await pair.send()
        assert pair.notes(RIGHT, problem) == []
        assert await pair.value("select outcome from bridge.outbox where kind = 'note'") == "dropped"
