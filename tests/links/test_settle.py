"""What came of a write without an answer is found out in time, whatever else waits to be sent."""

from typing import Any

import pytest

from bridge.domain.ticket_system import OutcomeUnknownError
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT
from tests.links.test_send import linked, settle_down
from tests.links.test_send_contained import failing, link_of, second_link

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
