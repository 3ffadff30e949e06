"""A request is done once, by the process that leads, and none is ever stuck."""

from typing import Any

import anyio
import pytest

from bridge.requests.outcome import RequestEnd
from bridge.requests.worker import RequestWorker
from bridge.schedule import Wake
from bridge.storage import lease
from bridge.storage.database import opened

pytestmark = pytest.mark.anyio


class Handlers:
    """Does nothing until a test says so. `begun` counts."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.began = Wake()
        self.go = anyio.Event()
        self.error: Exception | None = None

    async def handle(self, request: Any, progress: Any) -> RequestEnd:
        self.begun.append(request.id)
        self.began.call("begun")
        progress.done, progress.total = 3, 9
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return RequestEnd("done", "as asked")


@pytest.fixture
async def rig(rig_for: Any) -> Any:
    return await rig_for("http://127.0.0.1:9")


def working(rig: Any, handlers: Handlers) -> RequestWorker:
    return RequestWorker(handlers, rig.database, rig.metrics, rig.source.fence)


async def test_a_request_under_way_is_not_begun_twice(rig: Any, ask: Any, state_of: Any, eventually: Any) -> None:
    handlers = Handlers()
    number = await ask("poll")
    async with anyio.create_task_group() as running:
        running.start_soon(working(rig, handlers).run)
        await handlers.began.wait()
        assert await ask("poll") == number
        other = await ask("reconcile")
        await handlers.began.wait()
        assert handlers.begun == [number, other]
        assert (await state_of(number)).state == "running"
        handlers.go.set()

        async def ended() -> bool:
            return (await state_of(number)).state == (await state_of(other)).state == "done"

        await eventually(ended)
        running.cancel_scope.cancel()
    state = await state_of(number)
    assert (state.detail, state.progress_done, state.progress_total, state.attempts) == ("as asked", 3, 9, 1)


async def test_what_was_cut_off_is_begun_again_and_ends(rig: Any, ask: Any, state_of: Any) -> None:
    number = await ask("poll")
    handlers = Handlers()
    async with anyio.create_task_group() as killed:
        killed.start_soon(working(rig, handlers).run_once)
        await handlers.began.wait()
        killed.cancel_scope.cancel()
    assert (await state_of(number)).state == "running"
    handlers.go.set()
    await working(rig, handlers).run_once()
    assert handlers.begun == [number, number]
    assert ((await state_of(number)).state, (await state_of(number)).attempts) == ("done", 2)


async def test_what_ends_the_process_each_time_fails_in_the_end(rig: Any, ask: Any, state_of: Any) -> None:
    number = await ask("poll")
    handlers = Handlers()
    for _ in range(3):
        async with anyio.create_task_group() as killed:
            killed.start_soon(working(rig, handlers).run_once)
            await handlers.began.wait()
            killed.cancel_scope.cancel()
    await working(rig, handlers).run_once()
    assert len(handlers.begun) == 3
    ended = await state_of(number)
    assert (ended.state, "begun 3 times" in (ended.detail or "")) == ("failed", True)


async def test_who_lost_the_lease_ends_nothing(rig: Any, ask: Any, state_of: Any, dsn: str) -> None:
    async with rig.database.connection() as connection:
        rig.source.fence.token = await lease.take(connection, "jobs", rig.database.identity, seconds=600)
    number = await ask("poll")
    handlers = Handlers()
    async with anyio.create_task_group() as running:
        running.start_soon(working(rig, handlers).run_once)
        await handlers.began.wait()
        async with opened(dsn, wait=False) as other, other.connection() as connection:
            await connection.execute("update bridge.lease set expires_at = '-infinity'")
            assert await lease.take(connection, "jobs", other.identity, seconds=600) is not None
        handlers.go.set()
    assert (await state_of(number)).ended_at is None


async def test_a_defect_fails_one_request_and_no_other(rig: Any, ask: Any, state_of: Any) -> None:
    handlers = Handlers()
    handlers.go.set()
    handlers.error = RuntimeError("a defect with a s3cret")
    number = await ask("poll")
    await working(rig, handlers).run_once()
    ended = await state_of(number)
    assert (ended.state, ended.detail) == ("failed", "unexpected RuntimeError: see the log")
    handlers.error = None
    again = await ask("poll")
    await working(rig, handlers).run_once()
    assert again != number
    assert (await state_of(again)).state == "done"


async def test_a_request_that_nobody_takes_says_that_there_is_no_leader(rig: Any, ask: Any, state_of: Any) -> None:
    number = await ask("poll")
    assert (await state_of(number)).state == "asked"
    await rig.execute("update bridge.request set asked_at = now() - interval '61 seconds'")
    assert (await state_of(number)).state == "no_leader"
