"""What senders do around their requests: in one transaction for many links, locked in one order, and what one of them
meets is its own.
"""

from dataclasses import replace
from typing import Any

import anyio
import pytest
from msgspec import structs
from structlog.testing import capture_logs

from bridge.domain.link.sent_write import answer_of
from bridge.links.conclude import EndedWrite
from bridge.links.decided_write import DecidedWrite
from bridge.links.one_request import carry_out
from bridge.links.send import WriteSender
from bridge.links.write_steps import DividedError, _StepItem
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.outbox import OutboxRow, WriteOutcome
from tests.links.pair import LEFT, RIGHT, Pair
from tests.links.test_send import linked, settle_down
from tests.links.test_send_contained import link_of, second_link

pytestmark = pytest.mark.anyio

_WAITS_FOR_US = "select exists (select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid)))"


async def test_a_link_is_waited_for_before_its_ticket_is_locked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defect: the sender held the ticket and waited for the link, whose holder waited for the ticket."""
    async with linked(database) as (pair, left, right):
        number = await link_of(pair, left)
        await pair.sims[LEFT].patch(left, status="held")
        await pair.pull()
        await pair.decide()
        answered, go_on = anyio.Event(), anyio.Event()

        async def call(*arguments: Any) -> Any:
            ticket = await carry_out(*arguments)
            answered.set()
            await go_on.wait()
            return ticket

        monkeypatch.setattr("bridge.links.send.carry_out", call)
        async with anyio.create_task_group() as group:
            group.start_soon(pair.senders[RIGHT].run_once)
            await answered.wait()
            async with database.transaction() as connection:
                await connection.execute("select from bridge.link where id = $1 for update", number)
                go_on.set()
                with anyio.fail_after(20):
                    while not await connection.fetchval(_WAITS_FOR_US):  # noqa: ASYNC110 -- another session makes it true
                        await anyio.sleep(0.01)
                await connection.execute("select from bridge.service_problem where id = $1 for update nowait", right)
        assert await pair.value("select state from bridge.outbox where link_id = $1", number) == "done"


async def test_answers_that_come_together_are_stored_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with linked(database) as (pair, left, _):
        tickets = [left, *[(await second_link(pair))[0] for _ in range(2)]]
        for ticket in tickets:
            await pair.sims[LEFT].patch(ticket, status="held")
        await pair.pull()
        await pair.decide()
        answered = 0
        all_answered = anyio.Event()

        async def call(*arguments: Any) -> Any:
            nonlocal answered
            ticket = await carry_out(*arguments)
            answered += 1
            if answered == len(tickets):
                all_answered.set()
            await all_answered.wait()
            return ticket

        monkeypatch.setattr("bridge.links.send.carry_out", call)
        await pair.send()
        assert await pair.value("select count(*) from bridge.outbox where outcome = 'done'") == 3
        transactions = await pair.value("select count(distinct xmin::text) from bridge.outbox where outcome = 'done'")
        assert transactions < 3


async def _answered(pair: Pair, sender: WriteSender, row: OutboxRow) -> tuple[EndedWrite, Entry]:
    """Claim a row, carry it out, and return what its answer ends."""
    target = sender.target
    ticket = await target.writer.fetch(await _target_of(pair, row))
    claimed = await sender._steps.claim(row, target.read(ticket, routine=True))
    assert isinstance(claimed, DecidedWrite)
    answer = await carry_out(target, pair.database, row, claimed)
    result = answer_of(pair.decisions.fields(row.rule_id), claimed.sent, pair.run.rule.found_in(RIGHT, answer.record))
    return EndedWrite(row, WriteOutcome.DONE, answer, result), target.written(answer)


async def _target_of(pair: Pair, row: OutboxRow) -> str:
    return str(await pair.value("select right_id from bridge.link where id = $1", row.link_id))


async def _one_answered_one_claimed(pair: Pair, left: str) -> tuple[WriteSender, list[_StepItem]]:
    """A sender, and what it has to do for two links: the first was answered, the second is to be claimed."""
    other, _, _ = await second_link(pair)
    for ticket in (left, other):
        await pair.sims[LEFT].patch(ticket, status="held", description="dark")
    await pair.pull()
    await pair.decide()
    sender = pair.senders[RIGHT]
    (first, _), (second, _) = await sender._due()
    write, says = await _answered(pair, sender, first)
    read = sender.target.read(await sender.target.writer.fetch(await _target_of(pair, second)), routine=True)
    return sender, [_StepItem(first, says, write), _StepItem(second, read)]


async def test_answers_and_claims_share_a_transaction(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        sender, parts = await _one_answered_one_claimed(pair, left)
        _, claimed = await sender._steps._do(parts)
        assert isinstance(claimed, DecidedWrite)
        assert await pair.value("select array_agg(state order by id) from bridge.outbox") == ["done", "sending"]
        assert await pair.value("select count(distinct xmin::text) from bridge.outbox") == 1
        assert await pair.value("select array_agg(intent is null order by id) from bridge.link") == [True, False]
        await settle_down(pair)
        assert pair.written() == 2, "what was claimed and not sent is settled, and sent"
        assert await pair.open_writes() == 0
        assert await pair.value("select count(*) from bridge.conflict") == 0


async def test_an_answer_that_postgres_refuses_keeps_back_no_other_and_ends_its_write(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        sender, parts = await _one_answered_one_claimed(pair, left)
        assert parts[0].says is not None
        seen = parts[0].says.observation
        assert seen is not None
        poisoned = structs.replace(seen, category="poison")
        parts[0] = replace(parts[0], says=structs.replace(parts[0].says, observation=poisoned))
        await pair.execute("alter table bridge.service_problem add constraint no_poison check (category <> 'poison')")
        with pytest.raises(DividedError):
            await sender._steps._do(parts)
        assert await pair.value("select count(*) from bridge.outbox where state = 'waiting'") == 1
        with capture_logs():
            results = [await sender._steps._do([part]) for part in parts]
        assert isinstance(results[1][0], DecidedWrite)
        assert await pair.value("select array_agg(state order by id) from bridge.outbox") == ["done", "sending"]
        assert await pair.value("select reason from bridge.dead_letter") == "refused_by_postgres"
