"""What one ticket is costs no other ticket anything: a batch goes on, and the ticket is shown."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.domain.link.life import LinkState
from bridge.domain.link.rule import LinkRule
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.counterpart_index import CounterpartIndex
from bridge.links.rule_run import RuleRun
from bridge.storage.database import Database
from bridge.storage.link_ticket import TicketRow
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
def rig(database: Database) -> RuleRig:
    return RuleRig(database, {"match": {"by": ["key", "externalId = id"]}, "on_delete": "end"})


async def test_a_ticket_that_cannot_be_read_keeps_back_no_other_and_is_shown(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defect: the step of the rule failed, again and again, and nothing was decided any more."""
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1"), problem("R2"))
    await rig.say(Side.LEFT, problem(1, externalId="R1"), problem(2, externalId="R2"))
    await decider.run_once()
    run, real = decider.run_of_rule, RuleRun.ticket

    def ticket(self: RuleRun, side: Side, row: TicketRow) -> SideTicket:
        if row.id == "1":
            raise LookupError("a defect")
        return real(self, side, row)

    monkeypatch.setattr(RuleRun, "ticket", ticket)
    await rig.say(Side.LEFT, problem(1, name="b", externalId="R1"), problem(2, name="b", externalId="R2"))
    await rig.say(Side.LEFT, problem(3))
    with capture_logs():
        await decider.run_once()
        await rig.decider(run).run_once()  # reads all tickets once more
    links = {row.left_id: row for row in await rig.links()}
    assert links["1"].state_reason == "ticket 1 of left cannot be read: unexpected LookupError, see the log"
    assert {row.link_id for row in await rig.open_writes()} == {links["2"].id, links["3"].id}, "it is not deleted"
    counted = rig.metrics.registry.get_sample_value
    assert (counted("tmf656_bridge_job_failures_total", {"source": "", "job": "links one"}) or 0) >= 1
    monkeypatch.undo()
    await rig.say(Side.LEFT, problem(1, name="c", externalId="R1"))
    await decider.run_once()
    [link] = [row for row in await rig.links() if row.left_id == "1"]
    assert link.state_reason is None
    assert link.id in {row.link_id for row in await rig.open_writes()}


@pytest.mark.parametrize("what", ["put", "find"])
async def test_a_ticket_that_cannot_be_compared_keeps_back_no_other(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    decider = await rig.start()
    real = getattr(CounterpartIndex, what)

    def compare(self: CounterpartIndex, side: Side, ticket: SideTicket, *more: str) -> Any:
        if ticket.id == "1":
            raise LookupError("a defect")
        return real(self, side, ticket, *more)

    monkeypatch.setattr(CounterpartIndex, what, compare)
    await rig.say(Side.LEFT, problem(1), problem(2))
    with capture_logs():
        await decider.run_once()
    assert "2" in {row.left_id for row in await rig.links()}


async def test_a_counterpart_that_cannot_be_drafted_is_shown_and_keeps_back_no_other(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider, real = await rig.start(), LinkRule.draft

    def draft(self: LinkRule, side: Side, ticket: SideTicket) -> Any:
        if ticket.id == "1":
            raise LookupError("a defect")
        return real(self, side, ticket)

    monkeypatch.setattr(LinkRule, "draft", draft)
    await rig.say(Side.LEFT, problem(1), problem(2))
    with capture_logs():
        await decider.run_once()
    states = {row.left_id: row.state for row in await rig.links()}
    assert states == {"1": LinkState.BLOCKED, "2": LinkState.CREATING}
