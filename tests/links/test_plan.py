"""A plan names what would be done and why, agrees with what is then decided, and writes nothing."""

import pytest

from bridge.domain.link.key import link_key
from bridge.domain.link.word_map import Side
from bridge.links import plan as plan_module
from bridge.links.plan import RulePlan, plan_rule
from bridge.links.rule_jobs import run_of
from bridge.schedule import now
from bridge.storage import link_rule
from bridge.storage.database import Database
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio

TABLES = "select (select count(*) from bridge.link) + (select count(*) from bridge.outbox)"


async def planned(rig: RuleRig) -> RulePlan:
    settings = rig.configuration()
    async with rig.database.transaction() as connection:
        run = await run_of(connection, "one", settings.links["one"], settings.sources)
        assert run is not None
        known = await link_rule.find(connection, "one")
        run.rule_id = known[0].id if known else 0
        return await plan_rule(run, connection, now())


@pytest.mark.parametrize("page", [1000, 2])
async def test_each_step_is_named_with_its_reason_and_nothing_is_written(
    database: Database, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(plan_module, "_PAGE", page)
    rig = RuleRig(database, {"match": {"by": ["key", "externalId = id"]}, "mode": "plan"})
    await rig.start()
    await rig.say(Side.RIGHT, problem("R1", name="y"), problem("R2"), problem("R3", name="alone"))
    await rig.say(
        Side.LEFT,
        problem(1, name="x", externalId="R1"),
        problem(2, externalId="R2"),
        problem(3, externalId="R2"),
        problem(4, name="new", status="unheard of"),
        problem(5, status="closed"),
    )
    plan = await planned(rig)
    shown = {(step.action, step.left, step.right, step.field, step.text) for step in plan.steps}
    assert shown == {
        ("match", "1", "R1", None, None),
        ("write", "1", "R1", "title", "x"),
        ("ambiguous", "2", "R2", None, None),
        ("ambiguous", "3", "R2", None, None),
        ("ambiguous", "2, 3", "R2", None, None),
        ("create", "4", None, None, "title 'new'"),
    }
    assert plan.unmapped == {("status", "left", "unheard of"): 1}
    assert ("status", "left", ["held", "pending"]) in plan.lumped
    assert (plan.linked, plan.unlinked) == (0, 2)
    assert plan.as_json()["counts"] == {"match": 1, "write": 1, "ambiguous": 3, "create": 1}
    async with database.connection() as connection:
        assert await connection.fetchval(TABLES) == 0


async def test_a_plan_says_what_is_then_decided(database: Database) -> None:
    rig = RuleRig(database, {"match": {"by": ["externalId = id"]}})
    decider = await rig.start()
    await rig.say(Side.RIGHT, *[problem(f"R{n}", name="y", status="held") for n in range(4)])
    await rig.say(Side.LEFT, *[problem(n, name="y", externalId=f"R{n}") for n in range(3)], problem(9, name="new"))
    plan = await planned(rig)
    await decider.run_once()
    writes = await rig.open_writes()
    assert plan.counts()["create"] == sum(write.kind == "create" for write in writes)
    updates = [
        (write.side.value, change) for write in writes for change in write.fields.values() if write.kind == "update"
    ]
    fields = {(change["from"], change["to"], side) for side, change in updates}
    assert {(step.before, step.text, step.side) for step in plan.steps if step.action == "write"} == fields
    after = await planned(rig)
    assert (after.counts().get("match"), after.linked) == (None, 3)


async def test_where_both_are_in_step_there_is_nothing_to_do(database: Database) -> None:
    rig = RuleRig(database, {"match": {"by": ["externalId = id"]}, "create": "none"})
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1"))
    await rig.say(Side.LEFT, problem(1, externalId="R1"), problem(2))
    await decider.run_once()
    plan = await planned(rig)
    assert (plan.steps, plan.linked, plan.unlinked) == ([], 1, 1)


@pytest.mark.parametrize("duplicates", ["report", "cancel"])
async def test_a_duplicate_is_named_once_and_gets_no_counterpart(database: Database, duplicates: str) -> None:
    rig = RuleRig(database, {"create": "both", "duplicates": duplicates})
    decider = await rig.start()
    carried = [{"id": link_key("one", "left", "1"), "owner": "tmf656-bridge"}]
    await rig.say(Side.LEFT, problem(1))
    await rig.say(Side.RIGHT, problem("R1", externalIdentifier=carried))
    await decider.run_once()
    await rig.say(Side.RIGHT, problem("R2", externalIdentifier=carried))
    steps = [step for step in (await planned(rig)).steps if step.right == "R2"]
    shown = [(step.action, step.left, step.text, step.why) for step in steps]
    why = "duplicate: R1 has its key"
    assert shown == [("conflict", "1", None, why) if duplicates == "report" else ("write", "1", "closed", why)]
    await decider.run_once()
    assert [step for step in (await planned(rig)).steps if step.right == "R2"] == []


@pytest.mark.parametrize(
    ("on_delete", "step"),
    [
        ("leave", []),
        ("end", [("write", "left", "closed", "R1 was deleted")]),
        ("recreate", [("create", "right", "title 'a', status 'inProgress'", "deleted at right; it gets another one")]),
    ],
)
async def test_what_follows_a_deletion_is_named(database: Database, on_delete: str, step: list[object]) -> None:
    rig = RuleRig(database, {"match": {"by": ["externalId = id"]}, "on_delete": on_delete})
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1"))
    await rig.say(Side.LEFT, problem(1, externalId="R1"))
    await decider.run_once()
    async with database.connection() as connection:
        await connection.execute("update bridge.service_problem set deleted_at = now() where id = 'R1'")
    found = (await planned(rig)).steps
    assert [(one.action, one.side, one.text, one.why) for one in found] == step
