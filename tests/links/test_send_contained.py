"""An error that nobody expected costs one write some time: its intent stays, and every other write goes on."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Ticket
from bridge.errors import PermanentError, TransientError
from bridge.http.errors import NotFoundError
from bridge.links.send_outcomes import SendOutcomes
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT, Pair
from tests.links.test_send import SAME, linked, settle_down

pytestmark = pytest.mark.anyio

STATE = "select state || coalesce(': ' || error, '') from bridge.outbox where link_id = $1 order by id desc limit 1"


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What is logged, not rendered: a traceback with all local variables takes seconds."""
    with capture_logs() as entries:
        yield entries


def failing(pair: Pair, side: Side, method: str, error: Exception, *, when: str, ticket: str | None = None) -> Any:
    """Have a method of a writer fail, before it does its work or after; for one ticket, or for all. Return the writer's
    own method, to be put back.
    """
    writer = pair.senders[side].target.writer
    real: Callable[..., Awaitable[Any]] = getattr(writer, method)

    async def fail(first: Any, *arguments: Any, **options: Any) -> Any:
        if ticket is not None and first != ticket:
            return await real(first, *arguments, **options)
        if when == "after":
            await real(first, *arguments, **options)
        raise error

    setattr(writer, method, fail)
    return lambda: setattr(writer, method, real)


async def second_link(pair: Pair) -> tuple[str, str, int]:
    one, other = await pair.sims[LEFT].create(**SAME), await pair.sims[RIGHT].create(**SAME)
    await pair.pull()
    number = await pair.join(one["id"], other["id"])
    await pair.decide()
    return one["id"], other["id"], number


async def link_of(pair: Pair, left: str) -> int:
    return int(await pair.value("select id from bridge.link where left_id = $1", left))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("stage", ["request", "answer"])
async def test_an_unexpected_error_after_a_write_was_sent_keeps_its_intent_and_is_settled(
    database: Database, monkeypatch: pytest.MonkeyPatch, stage: str, when: str
) -> None:
    """The defect: the intent was dropped, and our own write was taken for a change by a person."""
    async with linked(database) as (pair, left, right):
        number = await link_of(pair, left)
        await pair.sims[LEFT].patch(left, status="inProgress")
        await pair.pull()
        await pair.decide()
        if stage == "request":
            restore = failing(pair, RIGHT, "change", KeyError("defect"), when=when)
        else:
            real = SendOutcomes.store

            async def store(*arguments: Any) -> None:
                if when == "after":
                    await real(*arguments)
                raise KeyError("defect")

            monkeypatch.setattr(SendOutcomes, "store", store)
            restore = monkeypatch.undo
        await pair.send()
        restore()
        ended = stage == "answer" and when == "after"
        shown = await pair.value(STATE, number)
        assert shown == ("done" if ended else "sending: unexpected KeyError, see the log")
        assert (await pair.value("select intent from bridge.link where id = $1", number) is None) is ended
        passed = pair.metrics.registry.get_sample_value
        labels = {"target": "right", "kind": "update", "outcome": "unexpected"}
        assert passed("tmf656_bridge_writes_total", labels) == 1
        await pair.sims[LEFT].patch(left, status="held")  # a person goes on meanwhile
        await settle_down(pair)
        assert pair.says(LEFT, left)["status"] == pair.says(RIGHT, right)["status"] == "held"
        assert await pair.value("select count(*) from bridge.conflict") == 0


async def test_an_unexpected_error_before_a_write_is_an_attempt_of_that_write_alone(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        other_left, other_right, _ = await second_link(pair)
        for ticket in (left, other_left):
            await pair.sims[LEFT].patch(ticket, status="held")
        await pair.pull()
        await pair.decide()
        restore = failing(pair, RIGHT, "fetch", KeyError("defect"), when="before", ticket=right)
        await pair.send()
        assert pair.says(RIGHT, other_right)["status"] == "held"
        number = await link_of(pair, left)
        assert await pair.value(STATE, number) == "waiting: unexpected KeyError, see the log"
        assert await pair.value("select attempts from bridge.outbox where link_id = $1", number) == 1
        restore()
        await settle_down(pair)
        assert pair.says(RIGHT, right)["status"] == "held"


@pytest.mark.parametrize(
    "error", [KeyError("defect"), TransientError("500 for this ticket"), PermanentError("no ticket in the answer")]
)
async def test_a_write_that_cannot_be_settled_holds_up_no_other(database: Database, error: Exception) -> None:
    """The defect: the sender's pass ended for the whole target, or the intent was dropped."""
    async with linked(database) as (pair, left, right):
        number = await link_of(pair, left)
        other_left, other_right, _ = await second_link(pair)
        await pair.sims[LEFT].patch(left, status="inProgress")
        await pair.pull()
        await pair.decide()
        restore = failing(pair, RIGHT, "change", KeyError("defect"), when="after")
        await pair.send()
        restore()
        await pair.sims[LEFT].patch(other_left, status="held")
        await pair.pull()
        await pair.decide()
        restore = failing(pair, RIGHT, "fetch", error, when="before", ticket=right)
        await pair.ripen()
        await pair.send()
        assert pair.says(RIGHT, other_right)["status"] == "held"
        text = "unexpected KeyError, see the log" if isinstance(error, KeyError) else str(error)
        assert await pair.value(STATE, number) == f"sending: {text}"
        later = "select intent is not null and unsure_until > now() from bridge.link where id = $1"
        assert await pair.value(later, number)
        settled = pair.metrics.registry.get_sample_value
        assert settled("tmf656_bridge_intents_settled_total", {"target": "right", "outcome": "failed"}) == 1
        restore()
        await settle_down(pair)
        assert await pair.value(STATE, number) == "done"
        assert await pair.value("select count(*) from bridge.conflict") == 0


async def test_a_ticket_that_cannot_be_read_for_now_holds_up_no_other(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        others = [await second_link(pair) for _ in range(6)]
        for ticket in (left, *(one[0] for one in others)):
            await pair.sims[LEFT].patch(ticket, status="held")
        await pair.pull()
        await pair.decide()
        restore = failing(pair, RIGHT, "fetch", TransientError("500 for this ticket"), when="before", ticket=right)
        await pair.send()
        assert {pair.says(RIGHT, one[1])["status"] for one in others} == {"held"}
        number = await link_of(pair, left)
        assert await pair.value(STATE, number) == "waiting: 500 for this ticket"
        assert await pair.value("select attempts from bridge.outbox where link_id = $1", number) == 0
        restore()
        await settle_down(pair)
        assert pair.says(RIGHT, right)["status"] == "held"


async def test_a_target_that_is_away_is_not_asked_for_every_row(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        others = [await second_link(pair) for _ in range(12)]
        for ticket in (left, *(one[0] for one in others)):
            await pair.sims[LEFT].patch(ticket, status="held")
        await pair.pull()
        await pair.decide()
        asked = 0

        async def away(_ticket: str) -> Ticket:
            nonlocal asked
            asked += 1
            raise TransientError("no connection")

        pair.senders[RIGHT].target.writer.fetch = away  # type: ignore[method-assign]  # for this test only
        with pytest.raises(TransientError, match="no connection"):
            await pair.send()
        assert asked <= 3 + pair.senders[RIGHT].target.writer.capabilities.concurrency


async def test_a_create_is_kept_when_the_list_to_look_it_up_in_is_not_found(database: Database) -> None:
    async with linked(database) as (pair, _, _):
        lone = (await pair.sims[LEFT].create(description="lone", status="held"))["id"]
        await pair.pull()
        await pair.want(RIGHT, lone)
        before = len(pair.sims[RIGHT].problems)
        restore = failing(pair, RIGHT, "create", KeyError("defect"), when="after")
        await pair.send()
        restore()
        restore = failing(pair, RIGHT, "find", NotFoundError("404 for the list"), when="before")
        await pair.ripen()
        await pair.send()
        number = await link_of(pair, lone)
        assert await pair.value(STATE, number) == "sending: 404 for the list"
        restore()
        await settle_down(pair)
        assert await pair.value("select state from bridge.link where id = $1", number) == "linked"
        assert len(pair.sims[RIGHT].problems) == before + 1


async def test_a_note_that_was_written_and_not_read_afterwards_stands_there_once(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        await pair.sims[LEFT].patch(left, note=[{"id": "n1", "author": "Eve", "text": "on it"}])
        await pair.pull()
        await pair.decide()
        restore = failing(pair, RIGHT, "fetch", PermanentError("no ticket in the answer"), when="before")
        with pytest.raises(TransientError, match="written, but not read afterwards"):
            await pair.send()
        assert (await pair.value(STATE, await link_of(pair, left))).startswith("sending: written, but not read")
        restore()
        await settle_down(pair)
        assert pair.notes(RIGHT, right) == ["on it"]
        assert await pair.open_writes() == 0
