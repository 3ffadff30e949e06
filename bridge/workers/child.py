"""One worker: a bridge that a parent started.

It receives its number and the settings over its channel (standard input), as the parent read them, so that all workers
run with the same settings even when the file changes. It reports when it is ready, answers with its metrics, and asks
the parent for the metrics page of all workers. It stops on SIGTERM, SIGINT, or when the parent has ended; the exit
status is that of any bridge.
"""

import base64
import os
import pickle  # nosec B403
import socket
from dataclasses import dataclass

import anyio
import structlog

from bridge.app import Bridge, RunningBridge
from bridge.bootstrap import run_until_signal
from bridge.errors import OverdueError
from bridge.settings import Settings
from bridge.telemetry import logs
from bridge.telemetry.worker_totals import samples
from bridge.workers import channel
from bridge.workers.channel import GoneError, Message

log = structlog.get_logger(__name__)

_PAGE_SECONDS = 8.0
"""Longer than the parent waits for a worker that does not answer, shorter than Prometheus waits (10)."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is started with."""

    number: int
    settings: Settings
    unsubscribe: bool

    def packed(self) -> str:
        """Return it as text."""
        return base64.b64encode(pickle.dumps(self)).decode()

    @classmethod
    def unpacked(cls, text: str) -> "Task":
        """Return what the parent packed."""
        task = pickle.loads(base64.b64decode(text))  # noqa: S301 -- of the process that started us  # nosec B301
        assert isinstance(task, cls)  # noqa: S101 -- for the type checker
        return task


async def run() -> None:
    """Run a worker until it is stopped."""
    end = socket.socket(fileno=os.dup(0))
    bridge: Bridge | None = None
    number = 0

    async def answer(question: Message) -> Message:
        if question["what"] == "settings" and bridge is not None:
            await bridge.apply(Task.unpacked(question["task"]).settings)
        return {"samples": samples(bridge.metrics.registry) if bridge else []}

    async with channel.opened(end, answer) as parent, anyio.create_task_group() as tasks:

        async def listen() -> None:
            await parent.run()
            if bridge is None:
                tasks.cancel_scope.cancel()
            else:
                log.info("the parent is gone, stopping", worker=number)
                bridge.stop()

        async def page(accept: str) -> tuple[bytes, str]:
            try:
                with anyio.fail_after(_PAGE_SECONDS):
                    answered = await parent.ask(what="page", accept=accept)
            except TimeoutError as error:
                raise OverdueError("the parent of the workers, which adds their metrics up, does not answer") from error
            return answered["page"].encode(), answered["type"]

        def ready(running: RunningBridge) -> None:
            tasks.start_soon(_report_ready, parent, running.url)

        tasks.start_soon(listen)
        task = Task.unpacked((await parent.ask(what="task"))["task"])
        logs.configure(task.settings.log.level, task.settings.log.format)
        for secret in task.settings.secrets():
            logs.hide(secret)
        number = task.number
        structlog.contextvars.bind_contextvars(worker=number)
        bridge = Bridge(
            task.settings,
            unsubscribe=task.unsubscribe,
            shared=True,
            page=page,
            on_ready=ready,
            reread=lambda: bridge.settings if bridge else task.settings,  # the parent reads the file
        )
        await run_until_signal(bridge)
        tasks.cancel_scope.cancel()


async def _report_ready(parent: channel.Channel, url: str) -> None:
    try:
        await parent.ask(what="ready", url=url)
    except GoneError:
        return
