"""Waiting: no call is lost, delays grow and are never shorter than asked for."""

import math
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import DatabaseUnavailableError, PermanentError, TransientError
from bridge.schedule import Backoff, Job, Wake, jittered, run_job
from bridge.simulator.tmf656.background import background
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


async def test_a_call_while_nobody_waits_is_kept_and_several_are_one() -> None:
    wake = Wake()
    wake.call("first")
    wake.call("second")
    assert await wake.wait() == "second"
    assert await wake.wait(0) is None


async def test_a_kept_call_beats_a_time_that_is_over() -> None:
    wake = Wake()
    wake.call("kept")
    assert await wake.wait(0) == "kept"


async def test_a_call_wakes_the_waiter() -> None:
    wake = Wake()
    reasons: list[str | None] = []

    async def wait() -> None:
        reasons.append(await wake.wait(60))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        wake.call("now")
    assert reasons == ["now"]


async def test_a_cancelled_wait_leaves_the_call_for_the_next() -> None:
    wake = Wake()
    async with background() as tasks:
        tasks.start_soon(wake.wait)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    wake.call("still there")
    assert await wake.wait(0) == "still there"


@given(failures=st.integers(0, 60), asked=st.none() | st.floats(0, 3600))
def test_delays_grow_to_a_ceiling_and_are_never_shorter_than_asked_for(failures: int, asked: float | None) -> None:
    backoff = Backoff()
    for _ in range(failures):
        backoff.next_seconds()
    ceiling = min(30, 0.8 * 2 ** min(failures, 32))
    delay = backoff.next_seconds(asked)
    assert max(ceiling / 2, asked or 0) <= delay <= max(ceiling, asked or 0)
    backoff.reset()
    assert backoff.next_seconds() <= 0.8


@given(seconds=st.floats(0.1, 1e6), spread=st.floats(0, 0.5))
def test_jitter_stays_within_its_spread(seconds: float, spread: float) -> None:
    assert seconds * (1 - spread) * 0.999 <= jittered(seconds, spread) <= seconds * (1 + spread) * 1.001


class _UnexpectedError(Exception):
    """What nobody expects of a job."""


def _counted(metrics: Metrics, source: str = "snow", job: str = "poll") -> float | None:
    return metrics.registry.get_sample_value("tmf656_bridge_job_failures_total", {"source": source, "job": job})


async def _run_through(job: Job, runs: list[Exception | None], **options: Any) -> list[str]:
    """Run a job whose runs end as the list says, until the list ends; return what happened, in order."""
    happened: list[str] = []
    over = anyio.Event()
    left = list(runs)

    async def run_once() -> None:
        if not left:
            over.set()
            await anyio.sleep_forever()
        outcome = left.pop(0)
        happened.append("worked" if outcome is None else type(outcome).__name__)
        if outcome is not None:
            raise outcome

    async def wait() -> None:
        happened.append("waited")

    with anyio.fail_after(30):
        async with background() as tasks:
            tasks.start_soon(partial(run_job, job, run_once, wait, backoff=Backoff(0.001, 0.002), **options))
            await over.wait()
            tasks.cancel_scope.cancel()
    return happened


@pytest.mark.parametrize(
    "trouble",
    [
        TransientError("away"),
        PermanentError("refused"),
        OverflowError("date value out of range"),
        _UnexpectedError(),
        MemoryError(),
        RecursionError(),
        TimeoutError(),
        ExceptionGroup("tasks", [_UnexpectedError(), TransientError("away")]),
    ],
)
async def test_a_job_goes_on_after_any_failure_which_is_counted(trouble: Exception) -> None:
    metrics = Metrics()
    job = Job("poll", metrics, "snow")
    assert _counted(metrics) == 0
    assert await _run_through(job, [None, trouble, trouble, None]) == [
        "worked", "waited", type(trouble).__name__, type(trouble).__name__, "worked", "waited",
    ]  # fmt: skip
    assert (_counted(metrics), job.failures, job.failures_in_a_row, job.error) == (2, 2, 0, None)
    assert job.failed_at is not None


async def test_a_failing_job_says_why_until_it_works_again() -> None:
    job = Job("poll", Metrics(), "snow")
    failures: list[Exception] = []
    await _run_through(
        job, [TransientError("503 from snow.example"), _UnexpectedError("secret")], on_failure=failures.append
    )
    assert (job.failures_in_a_row, job.error) == (2, "unexpected _UnexpectedError, see the log")
    assert [type(error) for error in failures] == [TransientError, _UnexpectedError]


async def test_an_expected_error_out_of_a_task_group_is_taken_for_itself() -> None:
    job = Job("refetch", Metrics(), "snow")
    away = DatabaseUnavailableError("no connection")
    failures: list[Exception] = []
    await _run_through(job, [ExceptionGroup("outer", [ExceptionGroup("inner", [away])])], on_failure=failures.append)
    assert (job.error, failures) == ("no connection", [away])


async def test_a_wait_that_fails_is_a_failure_of_the_job_and_does_not_make_it_run_more_often() -> None:
    job = Job("reconcile", Metrics(), "snow")
    runs = 0
    delays: list[int] = []
    backoff = Backoff(0.0001, 0.0001)
    over = anyio.Event()

    async def run_once() -> None:
        nonlocal runs
        runs += 1
        delays.append(backoff.failures)
        if runs == 5:
            over.set()

    async def wait() -> None:
        raise _UnexpectedError

    with anyio.fail_after(30):
        async with background() as tasks:
            tasks.start_soon(partial(run_job, job, run_once, wait, backoff=backoff))
            await over.wait()
            tasks.cancel_scope.cancel()
    assert delays == [0, 1, 2, 3, 4]


async def test_a_job_that_waits_first_is_not_run_before() -> None:
    happened = await _run_through(Job("callback_secret", Metrics()), [None, None], wait_first=True)
    assert happened == ["waited", "worked", "waited", "worked", "waited"]


@pytest.mark.parametrize("asked", [1e12, math.inf])
def test_a_remote_system_cannot_ask_for_an_endless_pause(asked: float) -> None:
    assert Backoff().next_seconds(asked) <= 3600


@pytest.mark.parametrize("asked", [math.nan, -5.0, -math.inf])
def test_a_pause_that_is_none_is_not_one(asked: float) -> None:
    assert 0.4 <= Backoff().next_seconds(asked) <= 0.8


@pytest.mark.usefixtures("nothing_hidden")
async def test_an_error_that_is_kept_can_be_stored_and_holds_no_secret() -> None:
    job = Job("poll", Metrics(), "snow")
    text = "nul \0, half \ud800, postgresql://bridge:pa55w0rd@host/x " + "x" * 10_000_000
    await _run_through(job, [TransientError(text)])
    assert job.error is not None
    assert job.error.encode().startswith(b"nul \\x00, half \\ud800, postgresql://bridge:**********@host/x xxx")
    assert len(job.error) < 3000
