"""An audit finds what differs at the sources and is not explained, and nothing else; an interrupted one goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge import schedule
from bridge.links.audit import AuditInterruptedError, Auditor, AuditResult
from bridge.links.rule_jobs import RuleJobs
from bridge.settings import Settings
from bridge.simulator import Faults, Simulator
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from tests.links.pair import LEFT, RIGHT, Pair, paired
from tests.links.test_send import SAME, linked

pytestmark = pytest.mark.anyio

OLD = (datetime.now(UTC) - timedelta(days=1)).isoformat()


def auditor(pair: Pair, **more: Any) -> Auditor:
    readers = {side: sender.target.writer for side, sender in pair.senders.items()}
    return Auditor(pair.run, pair.database, readers, {LEFT: 30, RIGHT: 30}, **{"per_second": 1000} | more)


def found(result: AuditResult) -> list[tuple[str, str | None, str | None, str]]:
    return [(one.field, one.left, one.right, one.reason) for one in result.differences]


async def test_tickets_in_step_have_no_drift(database: Database) -> None:
    async with linked(database) as (pair, _, _):
        result = await auditor(pair).run_once()
        assert (result.links, result.total, found(result)) == (1, 1, [])
        assert await pair.value("select finished_at is not null and links = 1 from bridge.link_audit")


async def test_a_change_that_its_source_hides_is_drift_and_is_read_again(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        await pair.sims[LEFT].patch(left, priority=1, lastUpdate=OLD)
        result = await auditor(pair).run_once()
        assert found(result) == [("priority", "1", "3", "")]
        assert result.drift[0].why == "the bridge has not seen this change at left"
        assert await pair.value("select problem_id from bridge.refetch") == left
        kept = await pair.value("select (rule, field, left_value, right_value)::text from report.link_drift")
        assert kept == "(pair,priority,1,3)"
        assert await pair.value("select drift from report.sync_quality where drift > 0") == 1
        assert result.as_json()["drift"] == 1


async def test_drift_is_counted_by_who_leads_once(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        jobs = RuleJobs(pair.database, pair.metrics, LeaderFence(), Settings)

        async def counted() -> float | None:
            await jobs.report_once()
            return pair.metrics.registry.get_sample_value("tmf656_bridge_link_drift_total", {"rule": "pair"})

        assert await counted() == 0
        await pair.sims[LEFT].patch(left, priority=1, lastUpdate=OLD)
        await auditor(pair).run_once()
        assert [await counted(), await counted()] == [1, 1]
        await pair.execute("delete from bridge.link_audit")
        assert await counted() == 1
        await auditor(pair).run_once()
        assert await counted() == 2


async def waits(pair: Pair) -> None:
    await pair.pull()
    await pair.decide()


async def conflicts(pair: Pair) -> None:
    await pair.execute(
        "insert into bridge.conflict (link_id, field, kind) select id, 'priority', 'both_changed' from bridge.link"
    )


async def pauses(pair: Pair) -> None:
    await pair.execute("update bridge.link_rule set state = 'paused'")


async def sends(pair: Pair) -> None:
    await pair.execute("update bridge.link set intent = '{}'")


REASONS = {
    "a write waits": waits,
    "a conflict waits: both_changed": conflicts,
    "the rule is paused": pauses,
    "a write is under way": sends,
}


@pytest.mark.parametrize("reason", REASONS)
async def test_what_is_known_is_no_drift(database: Database, reason: str) -> None:
    async with linked(database) as (pair, left, _):
        await pair.sims[LEFT].patch(left, priority=1, lastUpdate=OLD if reason != "a write waits" else None)
        await REASONS[reason](pair)
        result = await auditor(pair).run_once()
        assert found(result) == [("priority", "1", "3", reason)]
        assert result.drift == []
        assert await pair.value("select count(*) from bridge.link_drift") == 0


async def test_a_change_of_a_moment_ago_may_be_unknown(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        await pair.sims[LEFT].patch(left, priority=1)
        assert found(await auditor(pair).run_once()) == [("priority", "1", "3", "changed a moment ago at left")]


async def test_a_difference_that_was_accepted_is_none(database: Database) -> None:
    async with linked(database) as (pair, _, right):
        await pair.sims[RIGHT].patch(right, priority=5)
        await pair.pull()
        await pair.execute("update bridge.link set base = jsonb_set(base, '{priority}', '[\"3\", \"5\"]')")
        assert found(await auditor(pair).run_once()) == []


async def test_a_ticket_that_is_gone_is_drift_until_the_bridge_knows_it(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        await pair.sims[RIGHT].delete(right)
        assert found(await auditor(pair).run_once()) == [("", left, None, "")]
        assert await pair.value("select problem_id from bridge.refetch") == right
        await pair.execute("update bridge.service_problem set deleted_at = now() where id = $1", right)
        assert found(await auditor(pair).run_once()) == [("", left, None, "deleted at right, which is known")]


@asynccontextmanager
async def three_links(database: Database) -> AsyncIterator[Pair]:
    async with (
        Simulator(id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(id_prefix="R", faults=Faults(), seed=2) as right,
        paired(database, left, right) as pair,
    ):
        tickets = [((await left.create(**SAME))["id"], (await right.create(**SAME))["id"]) for _ in range(3)]
        await pair.pull()
        for one, other in tickets:
            await pair.join(one, other)
            await left.patch(one, priority=1, lastUpdate=OLD)
        yield pair


async def test_an_audit_that_was_interrupted_goes_on_and_counts_nothing_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "BACKOFF_FIRST_SECONDS", 0.001)
    async with three_links(database) as pair:

        def goes_away(_: AuditResult) -> None:
            pair.sims[LEFT].faults.down = True

        with pytest.raises(AuditInterruptedError, match="source left"):
            await auditor(pair, on_compared=goes_away).run_once()
        pair.sims[LEFT].faults.down = False
        before = pair.sims[LEFT].request_counts["get"]
        result = await auditor(pair).run_once(resume=True)
        assert pair.sims[LEFT].request_counts["get"] == before + 2
        assert (result.links, result.total, len(result.drift)) == (3, 3, 2)
        assert await pair.value("select count(*) from bridge.link_drift") == 3
        assert await pair.value("select count(*) from bridge.link_audit") == 1
        assert (await auditor(pair).run_once(resume=True)).links == 3, "nothing to resume: it begins again"


async def test_no_more_links_are_compared_than_the_rate_allows(database: Database) -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    async with three_links(database) as pair:
        await auditor(pair, per_second=0.001, pause=pause).run_once()
    assert len(paused) == 3
    assert all(900 < seconds <= 1000 for seconds in paused)


async def test_a_ticket_that_changes_all_the_time_is_said_to(database: Database) -> None:
    async with linked(database) as (pair, _, _):
        await pair.execute("update bridge.service_problem set observed_at = now() + interval '1 hour'")
        assert found(await auditor(pair).run_once()) == [("", None, None, "it changes while it is compared")]


async def test_a_ticket_that_cannot_be_read_is_said_to_be_so(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        pair.sims[LEFT].faults.by_id_status = 400
        [(name, _, _, reason)] = found(await auditor(pair).run_once())
        assert name == ""
        assert reason.startswith(
            f"cannot be read: source left: GET /tmf-api/serviceProblemManagement/v4/serviceProblem/{left}"
        )
