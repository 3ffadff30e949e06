"""Two processes, and the lease is lost in the middle of a request: nothing more is written under it, and what was on
the wire is settled once by the next leader.
"""

import copy
from typing import Any

import pytest

from bridge.links import send
from bridge.links.send import WriteSender
from bridge.links.target import WriteTarget
from bridge.storage import lease
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence, LeaseLostError
from tests.links.pair import LEFT, RIGHT, Pair
from tests.links.test_send import linked, settle_down

pytestmark = pytest.mark.anyio


async def leading(pair: Pair, holder: str, before: str = "") -> int:
    """Another process leads; return its token."""
    async with pair.database.connection() as connection:
        if before:
            await lease.release(connection, lease.LEADER, before)
        token = await lease.take(connection, lease.LEADER, holder, seconds=60)
    assert token is not None
    return token


def sender_of(pair: Pair, token: int) -> WriteSender:
    """A process that sends to the right, as long as this token is the current one."""
    source = copy.copy(pair.senders[RIGHT].target.source)
    source.fence = LeaderFence(token)
    target = WriteTarget(source, pair.senders[RIGHT].target.writer)
    return WriteSender(target, pair.decisions, pair.database, pair.metrics)


@pytest.mark.parametrize("arrives", [True, False], ids=["request arrived", "request did not arrive"])
@pytest.mark.parametrize("kind", ["update", "note"])
async def test_what_was_on_the_wire_is_settled_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, kind: str, arrives: bool
) -> None:
    async with linked(database) as (pair, left, right):
        first = sender_of(pair, await leading(pair, "first"))
        changes: dict[str, Any] = {"status": "held"}
        note = {"note": [{"id": "n1", "author": "Eve", "text": "on it"}]}
        await pair.sims[LEFT].patch(left, **(changes if kind == "update" else note))
        await pair.pull()
        await pair.decide()
        real, tokens = send.carry_out, list[int]()

        async def paused(*arguments: Any) -> Any:
            """The process stops in the middle of its request, and goes on once another one leads."""
            answer = await real(*arguments) if arrives or tokens else None
            if not tokens:
                tokens.append(await leading(pair, "second", before="first"))
            return answer if answer is not None else await pair.senders[RIGHT].target.writer.fetch(right)

        monkeypatch.setattr(send, "carry_out", paused)
        with pytest.raises(LeaseLostError):
            await first.run_once()
        before = pair.written()
        assert before == (1 if arrives else 0)
        assert await first.run_once() == 0
        await pair.ripen()
        if arrives:
            with pytest.raises(LeaseLostError):
                await first.run_once()
        pair.senders[RIGHT] = sender_of(pair, tokens[0])
        await settle_down(pair)
        await settle_down(pair, rounds=2)
        assert pair.written() == 1
        assert pair.says(RIGHT, right) == pair.says(LEFT, left)
        assert pair.notes(RIGHT, right) == pair.notes(LEFT, left)
        assert await pair.open_writes() == 0
        assert await pair.value("select count(*) from bridge.conflict") == 0
