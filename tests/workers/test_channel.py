"""Questions and answers between two processes."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from bridge.telemetry.metrics import Metrics
from bridge.telemetry.worker_totals import Family, page, samples, total
from bridge.workers import channel
from bridge.workers.channel import Answer, Channel, FailedError, GoneError, Message

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

pytestmark = pytest.mark.anyio


async def nothing(_: Message) -> Message:
    return {}


@asynccontextmanager
async def talking(answer: Answer) -> AsyncIterator[Channel]:
    """One end of a line at whose other end `answer` answers."""
    ours, theirs = socket.socketpair()
    async with (
        channel.opened(ours, nothing) as asking,
        channel.opened(theirs, answer) as answering,
        anyio.create_task_group() as running,
    ):
        running.start_soon(asking.run)
        running.start_soon(answering.run)
        yield asking
        running.cancel_scope.cancel()


async def test_a_question_that_cannot_be_answered_is_an_answer_too_and_the_line_stays() -> None:
    async def answer(question: Message) -> Message:
        match question["what"]:
            case "defect":
                raise ValueError("secret detail")
            case "unspeakable":
                return {"text": "\udcff"}
        return {"text": "well"}

    async with talking(answer) as asking:
        for what in ("defect", "unspeakable"):
            with pytest.raises(FailedError) as failed:
                await asking.ask(what=what)
            assert "secret detail" not in str(failed.value)
        assert (await asking.ask(what="any"))["text"] == "well"


async def test_metrics_arrive_as_they_were_said() -> None:
    worker = Metrics()
    worker.introduce("snow")
    worker.event_age.labels("snow").observe(3, {"trace_id": "0af7"})
    families = samples(worker.registry)

    async def answer(_: Message) -> Message:
        return {"samples": families}

    async with talking(answer) as asking:
        answered = [Family(**family) for family in (await asking.ask(what="metrics"))["samples"]]
    assert page(total([answered]), OPENMETRICS) == page(total([families]), OPENMETRICS)


async def test_who_waits_for_an_answer_hears_that_the_other_side_is_gone() -> None:
    ours, theirs = socket.socketpair()

    async def ask(asking: Channel) -> None:
        with pytest.raises(GoneError):
            await asking.ask()

    async with channel.opened(ours, nothing) as asking, anyio.create_task_group() as running:
        running.start_soon(asking.run)
        running.start_soon(ask, asking)
        assert await anyio.to_thread.run_sync(theirs.recv, 4096)
        theirs.close()
