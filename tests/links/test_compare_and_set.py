"""An edit of a person between our read and our write: not overwritten where the target compares, told elsewhere."""

from typing import Any

import pytest

from bridge.links import send
from bridge.simulator import Faults, Simulator
from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT, paired
from tests.links.test_send import linked, settle_down
from tests.links.test_work_notes import carry, desk

pytestmark = pytest.mark.anyio


def between(monkeypatch: pytest.MonkeyPatch, edit: Any) -> None:
    """Have somebody edit once, after the sender has read and decided, before its request."""
    real, edits = send.carry_out, [edit]

    async def carry_out(*arguments: Any) -> Any:
        while edits:
            await edits.pop()()
        return await real(*arguments)

    monkeypatch.setattr(send, "carry_out", carry_out)


@pytest.mark.parametrize("same_field", [True, False])
async def test_version_5_keeps_the_edit(database: Database, monkeypatch: pytest.MonkeyPatch, same_field: bool) -> None:
    async with linked(database, ("4", "5")) as (pair, left, right):
        await pair.sims[LEFT].patch(left, status="held")
        edit = {"status": "pending"} if same_field else {"description": "by a person"}
        between(monkeypatch, lambda: pair.sims[RIGHT].patch(right, **edit))
        await settle_down(pair)
        await settle_down(pair, rounds=2)
        assert pair.says(LEFT, left) == pair.says(RIGHT, right)
        if same_field:  # on_conflict = left: the person's value lost, and is kept
            kept = await pair.value("select right_value from bridge.conflict where kind = 'overruled'")
            assert kept == "pending"
        else:
            assert pair.says(LEFT, left)["title"] == "by a person"
            assert await pair.value("select count(*) from bridge.conflict") == 0


async def test_the_routes_of_dataminer_keep_the_edit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        Simulator(id_prefix="L", faults=Faults(), seed=1) as left,
        DataminerSimulator("dataminer-api", token="t0ken", seed=2) as right,
        paired(
            database,
            left,
            right,
            {RIGHT: {"kind": "dataminer-api", "token": "t0ken"}},
            fields={
                "title": {"left": ["name"], "right": ["name"], "max_length": 160},
                "text": {"left": ["description"], "right": ["description"]},
            },
            maps={},
            create_left={},
            create_right={},
            notes={"direction": "none"},
        ) as pair,
    ):
        ticket = right.create(name="a", description="dark")
        problem = await left.create(name="a", description="dark")
        await pair.pull()
        await pair.join(problem["id"], ticket.guid)
        await left.patch(problem["id"], name="b")

        async def edit() -> None:
            right.change(ticket, description="by a person")

        between(monkeypatch, edit)
        await settle_down(pair)
        await settle_down(pair, rounds=2)
        assert right.routes.said(ticket)["name"] == "b"
        assert left.problems[problem["id"]]["description"] == "by a person"
        assert await pair.value("select count(*) from bridge.conflict where kind = 'overwritten'") == 0
        retried = {"target": "right", "kind": "update", "outcome": "retried"}
        assert pair.metrics.registry.get_sample_value("tmf656_bridge_writes_total", retried) == 1


@pytest.mark.parametrize("raced", [True, False])
async def test_a_target_that_only_counts_tells_that_somebody_wrote_between(
    database: Database, monkeypatch: pytest.MonkeyPatch, raced: bool
) -> None:
    async with desk(database, {"direction": "none"}) as (pair, incident, problem):
        await pair.sims[RIGHT].patch(problem, name="new title")

        async def edit() -> None:
            if raced:
                pair.sims[LEFT].change(incident, short_description="by a person")

        between(monkeypatch, edit)
        await carry(pair)
        assert pair.says(RIGHT, problem)["title"] == "new title"
        told = await pair.value(
            "select field || ': ' || left_value || ' ' || outcome from bridge.conflict where kind = 'overwritten'"
        )
        assert told == ("title: no light right" if raced else None)
        assert await pair.value("select count(*) from bridge.conflict where settled_at is null") == 0
        passed = pair.metrics.registry.get_sample_value
        assert passed("tmf656_bridge_conflicts_total", {"rule": "pair", "kind": "overwritten"}) == int(raced)
