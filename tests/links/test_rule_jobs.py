"""Rules run as configured, start again with others after a reload, and are shown."""

import anyio
import pytest

from bridge.domain.link.word_map import Side
from bridge.links import rule_jobs
from bridge.schedule import Wake
from bridge.storage import link_rule, outbox
from bridge.storage.database import Database
from bridge.storage.outbox import Wanted, WriteKind
from tests.links.rule_rig import RULE, RuleRig, problem

pytestmark = pytest.mark.anyio


async def states(rig: RuleRig) -> dict[str, str]:
    async with rig.database.connection() as connection:
        return {row.name: row.state for row in await link_rule.find(connection)}


async def test_rules_become_rows_and_are_gone_when_they_are_taken_out(database: Database) -> None:
    rig = RuleRig(database, rules={"two": RULE | {"mode": "plan"}, "three": RULE | {"enabled": False}})
    async with database.transaction() as connection:
        assert await rule_jobs.run_of(connection, "one", rig.configuration().links["one"], {}) is None
    assert await rig.jobs().register() == []
    await RuleRig(database).start()
    assert len(await rig.jobs().register()) == 3
    assert await states(rig) == {"one": "on", "two": "plan", "three": "off"}
    rig.rules = {}
    await rig.jobs().register()
    assert await states(rig) == {"one": "on", "two": "gone", "three": "gone"}


async def test_the_rules_run_until_they_are_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_jobs, "_RELOAD_SECONDS", 0.02)
    rig = RuleRig(database)
    await rig.start()
    await rig.say(Side.LEFT, problem(1))
    jobs = rig.jobs()
    woken = anyio.Event()
    jobs.on_wanted = woken.set
    async with anyio.create_task_group() as group:
        group.start_soon(jobs.run)
        with anyio.fail_after(20):
            await woken.wait()
        [rule_id] = jobs.decisions.runs
        rig.settings = {"enabled": False}
        with anyio.fail_after(20):
            while await states(rig) != {"one": "off"}:  # noqa: ASYNC110 -- a job that reloads sends no signal
                await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    assert list(jobs.decisions.runs) == [rule_id]
    assert [write.kind for write in await rig.open_writes()] == [WriteKind.CREATE]


async def test_what_waits_is_shown_by_rule_and_target(database: Database) -> None:
    rig = RuleRig(database)
    await rig.jobs().report_once()
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1), problem(2))
    await decider.run_once()
    async with database.transaction() as connection:
        [first, second] = await rig.links()
        wanted = Wanted(first.id, first.rule_id, rig.ids[Side.RIGHT], Side.RIGHT, WriteKind.NOTE, item="x")
        await outbox.put(connection, [wanted])
        [row] = (await outbox.open_of(connection, [second.id]))[second.id]
        await outbox.block(connection, row.id, "no")
    await rig.jobs().report_once()
    figures = rig.metrics.links
    assert figures.links.labels("one", "creating")._value.get() == 2
    assert figures.rule_state.labels("one", "on")._value.get() == 1
    assert figures.rule_state.labels("one", "held")._value.get() == 0
    assert figures.waiting.labels("right", "create")._value.get() == 1
    assert figures.blocked.labels("one", "create")._value.get() == 1
    assert figures.oldest.labels("right")._value.get() > 0
    assert figures.oldest.labels("left")._value.get() == 0
    assert figures.conflicts_waiting.labels("one")._value.get() == 0


async def test_what_is_committed_anywhere_calls_the_deciders(database: Database) -> None:
    rig, wake = RuleRig(database), Wake()
    await rig.start()
    async with anyio.create_task_group() as group:
        group.start_soon(rig.jobs()._listen, [wake])
        assert await wake.wait(20) == "committed", "for what was committed before"
        await rig.say(Side.LEFT, problem(1))
        assert await wake.wait(20) == "committed"
        group.cancel_scope.cancel()
