"""A rule that gets another name, has its sides exchanged or joins other sources makes no second counterpart, and ends
no ticket.
"""

from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.domain.link.word_map import Side
from bridge.links.decide import Decider
from bridge.links.plan import plan_rule
from bridge.links.rule_jobs import run_of
from bridge.links.take_over import find_left_behind
from bridge.schedule import now
from bridge.settings import Settings
from bridge.storage import conflict, link_rule
from bridge.storage import source as source_table
from bridge.storage.database import Database
from bridge.storage.outbox import WriteKind
from tests.links.rule_rig import RULE, RuleRig, problem

pytestmark = pytest.mark.anyio

MATCH: dict[str, Any] = RULE | {"match": {"by": ["key", "externalId = id"]}, "create": "both"}
EXCHANGED: dict[str, Any] = MATCH | {
    "left": "right",
    "right": "left",
    "match": {"by": ["key", "id = externalId"]},
    "fields": MATCH["fields"] | {"number": {"left": "@id", "right": "externalId", "direction": "left_to_right"}},
}


class Moved(RuleRig):
    """The rules as a person has them in the configuration now."""

    def configuration(self) -> Settings:
        sources = {side: {"url": f"https://{side}.example/v4", "write": True} for side in ("left", "right", "third")}
        return Settings.model_validate({"sources": sources, "links": self.rules})

    async def begin(self) -> Decider:
        async with self.database.transaction() as connection:
            for name in ("left", "right", "third"):
                row = await source_table.ensure(connection, name, f"https://{name}.example/v4")
                if name != "third":
                    self.ids[Side(name)] = row.id
        [run] = await self.jobs().register()
        await self.read_completely()
        return self.decider(run)

    async def states(self) -> dict[str, str]:
        async with self.database.connection() as connection:
            return {row.name: row.state for row in await link_rule.find(connection)}

    async def planned(self, name: str) -> dict[str, int]:
        """What a plan in another process says, before the rules are read again here."""
        settings = self.configuration()
        async with self.database.connection() as connection:
            run = await run_of(connection, name, settings.links[name], settings.sources)
            assert run is not None
            await find_left_behind(connection, run, settings.links)
            return (await plan_rule(run, connection, now())).counts()


@pytest.fixture
async def rig(database: Database) -> Moved:
    """1 and R1 are linked, a conflict of their titles waits, and R1 is behind; 2 wants a counterpart."""
    rig = Moved(database, rules={"one": MATCH | {"on_conflict": "manual"}})
    decider = await rig.begin()
    await rig.say(Side.RIGHT, problem("R1", name="same"))
    await rig.say(Side.LEFT, problem(1, name="same", externalId="R1"))
    await decider.run_once()
    await rig.say(Side.LEFT, problem(1, name="left", externalId="R1", status="held"))
    await rig.say(Side.RIGHT, problem("R1", name="right"))
    await rig.say(Side.LEFT, problem(2, name="alone"))
    await decider.run_once()
    return rig


async def waiting(rig: RuleRig) -> list[tuple[str, str, str | None, str | None]]:
    async with rig.database.connection() as connection:
        found = await conflict.of_links(connection, [1])
    return [(row.field, row.outcome, row.left_value, row.right_value) for row in found[1]]


async def shown(rig: RuleRig) -> list[tuple[int, str, str | None, str | None]]:
    return [(link.id, link.state.value, link.left_id, link.right_id) for link in await rig.links()]


async def writes(rig: RuleRig) -> list[tuple[int, WriteKind, Side]]:
    return [(write.link_id, write.kind, write.side) for write in await rig.open_writes()]


async def test_a_rule_of_another_name_takes_over_what_was_linked(rig: Moved) -> None:
    before = await shown(rig), await waiting(rig), await writes(rig)
    assert before[1] == [("title", "waiting", "left", "right")]
    rig.rules = {"two": MATCH | {"on_conflict": "manual"}}
    assert await rig.planned("two") == {"write": 1, "conflict": 1, "create": 1}
    await (await rig.begin()).run_once()
    assert (await shown(rig), await waiting(rig), await writes(rig)) == before
    assert await rig.states() == {"one": "gone", "two": "on"}
    assert {write.rule_id for write in await rig.open_writes()} == {link.rule_id for link in await rig.links()}


@pytest.mark.parametrize("state", ["paused", "held"])
@pytest.mark.parametrize("sides", [MATCH, EXCHANGED], ids=["same sides", "exchanged"])
async def test_a_pause_stays_when_its_rule_gets_another_name(rig: Moved, state: str, sides: dict[str, Any]) -> None:
    """The defect: a rule that was paused, or held, wrote again at once under its new name."""
    async with rig.database.transaction() as connection:
        await connection.execute("update bridge.link_rule set state = $1, state_reason = 'carrier moves'", state)
    rig.rules = {"two": sides | {"on_conflict": "manual"}}
    with capture_logs() as logged:
        decider = await rig.begin()
    assert [(one["rule"], one["state"]) for one in logged if one["log_level"] == "warning"] == [("two", state)]
    assert not await decider.run_once()
    assert await rig.states() == {"one": "gone", "two": state}
    async with rig.database.connection() as connection:
        [row] = await link_rule.find(connection, "two")
    assert row.state_reason == "carrier moves"
    async with rig.database.transaction() as connection:
        assert await link_rule.write_state(connection, row.id, "on", None, only_from=[state])
    assert await (await rig.begin()).run_once()
    assert (await rig.states())["two"] == "on", "a person has released it"


async def test_a_pause_stays_when_its_rule_joins_other_sources(rig: Moved) -> None:
    """The defect: what a person paused by name wrote to another system at once."""
    async with rig.database.transaction() as connection:
        await connection.execute("update bridge.link_rule set state = 'paused'")
    rig.rules = {"one": MATCH | {"right": "third"}}
    await rig.jobs().register()
    assert await rig.states() == {"one": "paused", "one (left, right) 1": "gone"}


async def test_a_rule_that_is_new_beside_a_paused_one_is_not_paused(rig: Moved) -> None:
    async with rig.database.transaction() as connection:
        await connection.execute("update bridge.link_rule set state = 'paused'")
    rig.rules |= {"two": MATCH | {"on_conflict": "manual"}}
    await rig.jobs().register()
    assert await rig.states() == {"one": "paused", "two": "on"}


@pytest.mark.parametrize("name", ["one", "two"])
async def test_exchanged_sides_are_the_same_pairs(rig: Moved, name: str) -> None:
    rig.rules = {name: EXCHANGED | {"on_conflict": "manual"}}
    assert await rig.planned(name) == {"write": 1, "conflict": 1, "create": 1}
    await (await rig.begin()).run_once()
    assert await shown(rig) == [(1, "linked", "R1", "1"), (2, "creating", None, "2")]
    assert await waiting(rig) == [("title", "waiting", "right", "left")]
    assert await writes(rig) == [(1, WriteKind.UPDATE, Side.LEFT), (2, WriteKind.CREATE, Side.LEFT)]
    [link, _] = await rig.links()
    assert link.base["status"] == ("inProgress", "inProgress")
    assert link.base["title"] == ("same", "same")
    rig.rules = {"one": MATCH | {"on_conflict": "manual"}}
    await (await rig.begin()).run_once()
    assert await shown(rig) == [(1, "linked", "1", "R1"), (2, "creating", "2", None)]
    assert await waiting(rig) == [("title", "waiting", "left", "right")]


async def test_a_rule_that_joins_other_sources_ends_nothing_and_takes_its_links_back(rig: Moved) -> None:
    other = MATCH | {"right": "third", "on_delete": "end"}
    rig.rules = {"one": other}
    decider = await rig.begin()
    await decider.run_once()
    assert (await shown(rig))[:2] == [(1, "linked", "1", "R1"), (2, "creating", "2", None)]
    states = await rig.states()
    assert states.pop("one") == "on"
    assert list(states.values()) == ["gone"]
    assert "one (left, right)" in next(iter(states))
    assert [write.kind for write in await rig.open_writes() if write.rule_id == decider.run_of_rule.rule_id] == []
    async with rig.database.transaction() as connection:
        third = await source_table.find(connection, "third")
        await connection.execute(
            """
            insert into bridge.last_pass (source_id, kind, started_at, finished_at, complete_at, problems)
            values ($1, 'reconcile', now(), now(), now(), 0)
            """,
            third,
        )
    await decider.run_once()
    made = [link for link in await rig.links() if link.rule_id == decider.run_of_rule.rule_id]
    assert {(link.left_id, link.right_id, link.generation) for link in made} == {("1", None, 1), ("2", None, 1)}
    rig.rules = {"one": MATCH}
    await (await rig.begin()).run_once()
    assert (await shown(rig))[0] == (1, "linked", "1", "R1")
    assert len(await rig.links()) == 4


async def test_a_pair_that_was_separated_stays_so_and_one_outside_the_filter_is_left(rig: Moved) -> None:
    async with rig.database.transaction() as connection:
        await connection.execute("update bridge.link set state = 'unlinked' where id = 1")
        await connection.execute("update bridge.outbox set state = 'dropped' where link_id = 1")
    rig.rules = {"two": MATCH | {"filter": {"left": {"name": ["left"]}}}}
    await (await rig.begin()).run_once()
    by_rule = {link.id: link.rule_id for link in await rig.links()}
    assert await shown(rig) == [(1, "unlinked", "1", "R1"), (2, "creating", "2", None)]
    assert by_rule[1] != by_rule[2]


async def test_notes_of_one_name_on_both_sides_are_exchanged(rig: Moved) -> None:
    async with rig.database.transaction() as connection:
        for side in Side:
            await connection.execute(
                "insert into bridge.link_note (link_id, side, note, code, state) values (1, $1, '1', $2, 'origin')",
                side.value,
                f"n:{side.value}",
            )
    rig.rules = {"one": EXCHANGED}
    await (await rig.begin()).run_once()
    async with rig.database.connection() as connection:
        rows = await connection.fetch("select side, note, code from bridge.link_note order by side")
    assert [tuple(row.values()) for row in rows] == [("left", "1", "n:right"), ("right", "1", "n:left")]
