"""Whatever happens to a rule's position and to its walks, pairs are found, and nothing is made beside what is there."""

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.decide import Decider
from bridge.storage.database import Database
from bridge.storage.outbox import WriteKind
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio

TO_THE_RULE = {
    "the walk is due": "update bridge.link_rule set walked_at = now() - interval '7 hours'",
    "the position is lost": "update bridge.link_rule set committed = '0'",
    "changes are pruned": "delete from bridge.change where id < (select max(id) from bridge.change)",
    "the walk begins again": "update bridge.link_rule set walked_at = null, walked_source_id = 0, walked_id = ''",
    "the rule is paused": "update bridge.link_rule set state = 'paused'",
    "the rule goes on": "update bridge.link_rule set state = 'on'",
}
STEPS = ("a pair", "one alone", "decide", "the process starts", *TO_THE_RULE)


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=14))
@example(["decide", "a pair", "the walk is due"])
@example(["decide", "one alone", "a pair", "changes are pruned", "decide", "the walk begins again", "a pair"])
@example(["decide", "the rule is paused", "a pair", "decide", "changes are pruned", "the rule goes on"])
async def test_pairs_are_found_and_lonely_ones_get_one_counterpart(
    database: Database, numbers: Callable[[], int], steps: list[str]
) -> None:
    rig = RuleRig(database, {"match": {"by": ["key", "externalId = id"]}})
    decider = await rig.start()
    pairs: list[tuple[str, str]] = []
    alone: list[str] = []

    async def take(step: str, decider: Decider) -> Decider:
        number = numbers()
        match step:
            case "a pair":
                pairs.append((f"L{number}", f"R{number}"))
                await rig.say(Side.LEFT, problem(f"L{number}", externalId=f"R{number}"))
                await rig.say(Side.RIGHT, problem(f"R{number}"))
            case "one alone":
                alone.append(f"L{number}")
                await rig.say(Side.LEFT, problem(f"L{number}"))
            case "decide":
                await decider.run_once()
            case "the process starts":
                return rig.decider((await rig.start()).run_of_rule)
            case _:
                async with database.transaction() as connection:
                    await connection.execute(TO_THE_RULE[step])
        return decider

    for step in (*steps, "the rule goes on", "decide", "decide"):
        decider = await take(step, decider)
    links = {link.left_id: link for link in await rig.links()}
    assert [(one, links[one].right_id, links[one].state) for one, _ in pairs] == [
        (one, other, LinkState.LINKED) for one, other in pairs
    ]
    assert [(links[one].right_id, links[one].state) for one in alone] == [(None, LinkState.CREATING)] * len(alone)
    ours = {links[one].id: one for one in (*alone, *(one for one, _ in pairs))}
    writes = [(ours[row.link_id], row.kind) for row in await rig.open_writes() if row.link_id in ours]
    assert sorted(writes) == sorted((one, WriteKind.CREATE) for one in alone)


@pytest.fixture
def numbers() -> Callable[[], int]:
    """Numbers of tickets, new ones in each example."""
    return count(1).__next__
