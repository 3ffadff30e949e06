"""What a target answered ends its write: with what it said in one transaction, and locked in one order."""

from typing import Any

import anyio
import pytest

from bridge.links.one_request import carry_out
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT
from tests.links.test_send import linked
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
