"""What came of a write without an answer is found out in time, whatever else waits to be sent."""

from typing import Any

import anyio
import pytest

from bridge.domain.ticket_system import OutcomeUnknownError
from bridge.errors import PermanentError
from bridge.links import operator
from bridge.links.send import WriteSender
from bridge.links.send_outcomes import SendOutcomes
from bridge.links.settle import Settler
from bridge.storage import link as link_table
from bridge.storage.database import Connection, Database
from bridge.storage.link import LinkRow
from tests.links.pair import LEFT, RIGHT, Pair
from tests.links.test_send import linked, settle_down
from tests.links.test_send_contained import STATE, failing, link_of, second_link

pytestmark = pytest.mark.anyio


async def test_a_write_without_an_answer_is_settled_while_a_backlog_is_sent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defect: nothing was settled until all that waited had been sent."""
    monkeypatch.setattr("bridge.links.send._BATCH", 1)
    async with linked(database) as (pair, left, right):
        number = await link_of(pair, left)
        others = [await second_link(pair) for _ in range(12)]
        await pair.sims[LEFT].patch(left, status="held")
        await pair.pull()
        await pair.decide()
        restore = failing(pair, RIGHT, "change", OutcomeUnknownError("no answer"), when="after")
        with pytest.raises(OutcomeUnknownError):
            await pair.send()
        restore()
        for one, _, _ in others:
            await pair.sims[LEFT].patch(one, status="held")
        await pair.pull()
        await pair.decide()
        writer, seen = pair.senders[RIGHT].target.writer, []
        change, fetch = writer.change, writer.fetch

        async def changed(ticket: str, *arguments: Any, **options: Any) -> Any:
            if not any(
                one.startswith("changed") for one in seen
            ):  # the backlog is being sent when the target cannot be working on it any more
                await pair.execute("update bridge.link set unsure_until = now() where id = $1", number)
            answer = await change(ticket, *arguments, **options)
            seen.append(f"changed {ticket}")
            return answer

        async def fetched(ticket: str) -> Any:
            seen.append(f"read {ticket}")
            return await fetch(ticket)

        monkeypatch.setattr(writer, "change", changed)
        monkeypatch.setattr(writer, "fetch", fetched)
        await pair.send()
        monkeypatch.undo()
        assert f"read {right}" in seen, "settled in the pass in which it became possible"
        assert "changed" in " ".join(seen[seen.index(f"read {right}") :])
        await settle_down(pair)
        assert pair.says(RIGHT, right)["status"] == "held"
        assert await pair.value("select count(*) from bridge.conflict") == 0


async def without_answer(pair: Pair, method: str, *, when: str) -> None:
    """Send a write that is not answered, and let ten minutes pass."""
    restore = failing(pair, RIGHT, method, OutcomeUnknownError("no answer"), when=when)
    await pair.pull()
    await pair.decide()
    with pytest.raises(OutcomeUnknownError):
        await pair.send()
    restore()
    async with pair.database.transaction() as connection:
        link = await link_without_answer(connection)
        with pytest.raises(PermanentError, match="is settled by itself; it can be given up after 5 minutes"):
            await operator.give_up(connection, link, by="anna")
    await pair.execute("update bridge.outbox set sent_at = sent_at - interval '10 minutes' where state = 'sending'")


async def link_without_answer(connection: Connection) -> LinkRow:
    number = await connection.fetchval("select link_id from bridge.outbox where state = 'sending'")
    return (await link_table.lock(connection, [number]))[number]


async def give_up(pair: Pair) -> None:
    async with pair.database.transaction() as connection:
        await operator.give_up(connection, await link_without_answer(connection), by="anna")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_change_that_is_given_up_overwrites_nothing_and_waits_for_a_person(
    database: Database, when: str
) -> None:
    async with linked(database) as (pair, left, right):
        await pair.sims[LEFT].patch(left, status="held")
        await without_answer(pair, "change", when=when)
        await give_up(pair)
        assert await pair.value(STATE, await link_of(pair, left)) == "dropped"
        assert await pair.value("select count(*) from bridge.link where intent is not null") == 0
        kept = "select kind || ' ' || left_value || ' ' || right_value from bridge.conflict where outcome = 'waiting'"
        assert await pair.value(kept) == "uncertain held acknowledged"
        written = pair.written()
        await settle_down(pair)
        assert pair.written() == written
        if when == "after":  # it was done after all
            assert await pair.value("select outcome from bridge.conflict") == "agreed"
            return
        assert (pair.says(LEFT, left)["status"], pair.says(RIGHT, right)["status"]) == ("held", "acknowledged")
        async with database.transaction() as connection:
            [link] = (await link_table.lock(connection, [await link_of(pair, left)])).values()
            await operator.resolve(connection, link, "status", LEFT, by="anna")
        await settle_down(pair)
        assert pair.says(RIGHT, right)["status"] == "held"


async def test_a_note_that_is_given_up_is_not_copied_a_second_time(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        await pair.sims[LEFT].patch(left, note=[{"id": "n1", "author": "Eve", "text": "on it"}])
        await without_answer(pair, "add_note", when="after")
        await give_up(pair)
        await settle_down(pair)
        assert pair.notes(RIGHT, right) == ["on it"]
        assert (await pair.value("select field from bridge.conflict where kind = 'uncertain'")).startswith("note n:")


async def test_a_counterpart_that_is_given_up_is_not_made_a_second_time(database: Database) -> None:
    async with linked(database) as (pair, _, _):
        lone = (await pair.sims[LEFT].create(description="lone", status="held"))["id"]
        await pair.pull()
        await pair.want(RIGHT, lone)
        before = len(pair.sims[RIGHT].problems)
        await without_answer(pair, "create", when="after")
        await give_up(pair)
        await settle_down(pair)
        assert len(pair.sims[RIGHT].problems) == before + 1
        shown = await pair.value("select state || ': ' || state_reason from bridge.link where left_id = $1", lone)
        assert shown == "unlinked: given up by anna: nobody knows whether its counterpart was made"


async def test_what_is_not_without_an_answer_cannot_be_given_up(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        number = await link_of(pair, left)
        async with pair.database.transaction() as connection:
            link = (await link_table.lock(connection, [number]))[number]
            with pytest.raises(PermanentError, match="no write is without an answer"):
                await operator.give_up(connection, link, by="anna")


async def test_a_pass_that_finds_nothing_begins_no_other(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defect: the call of the settler, which nobody waited for, ended the wait for the next pass."""
    async with linked(database) as (pair, _, _):
        sender, settled = pair.senders[RIGHT], anyio.Event()
        due, settle = WriteSender._due, Settler.run_once

        async def settle_first(self: Settler, busy: Any) -> int:
            try:
                return await settle(self, busy)
            finally:
                settled.set()

        async def due_later(self: WriteSender) -> Any:
            await settled.wait()
            await anyio.wait_all_tasks_blocked()
            return await due(self)

        monkeypatch.setattr(Settler, "run_once", settle_first)
        monkeypatch.setattr(WriteSender, "_due", due_later)
        await sender.run_once()
        assert not sender.wake.called


async def test_rows_that_are_sent_while_a_settling_lasts_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with linked(database) as (pair, left, _):
        await pair.sims[LEFT].patch(left, description="dark")
        await pair.pull()
        await pair.decide()
        sent, settle, confirm = anyio.Event(), Settler.run_once, SendOutcomes.store

        async def settle_last(self: Settler, busy: Any) -> int:
            await sent.wait()
            return await settle(self, busy)

        async def sent_first(self: SendOutcomes, *given: Any) -> None:
            await confirm(self, *given)
            sent.set()

        monkeypatch.setattr(Settler, "run_once", settle_last)
        monkeypatch.setattr(SendOutcomes, "store", sent_first)
        with anyio.fail_after(60):
            assert await pair.senders[RIGHT].run_once() == 1
