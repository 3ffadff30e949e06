"""The front process: the console, as its parent started it.

It receives the settings over its channel (standard input), reports its address, and answers that it is alive. It stops
on SIGTERM, SIGINT, or when the parent has ended. It runs at a lower priority: where there are more pages to draw than
the processor can, senders come first.
"""

import os
import socket

import anyio
import structlog

from bridge.bootstrap import client_for, run_until_signal
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.worker_totals import of_console, samples
from bridge.web.console.front import Front
from bridge.workers import channel
from bridge.workers.channel import GoneError, Message
from bridge.workers.front import FrontTask

log = structlog.get_logger(__name__)

_NICENESS = 10


async def run() -> None:
    """Serve the console until stopped."""
    end = socket.socket(fileno=os.dup(0))
    os.nice(_NICENESS)
    front: Front | None = None
    metrics = Metrics()

    async def answer(question: Message) -> Message:
        if question["what"] == "settings" and front is not None:
            front.take_over(FrontTask.unpacked(question["task"]).settings)
        return {"samples": of_console(samples(metrics.registry))}

    async with channel.opened(end, answer) as parent, anyio.create_task_group() as tasks:

        async def listen() -> None:
            await parent.run()
            log.info("the parent is gone, stopping")
            tasks.cancel_scope.cancel()

        tasks.start_soon(listen)
        task = FrontTask.unpacked((await parent.ask(what="task"))["task"])
        logs.configure(task.settings.log.level, task.settings.log.format)
        for secret in task.settings.secrets():
            logs.hide(secret)
        structlog.contextvars.bind_contextvars(process="front")

        def ready(url: str) -> None:
            tasks.start_soon(_report_ready, parent, url)

        front = Front(
            task.settings,
            task.demo,
            ready,
            lambda name, source: client_for(name, source, metrics),
            task.dsn,
            metrics.console,
        )
        await run_until_signal(front)
        tasks.cancel_scope.cancel()


async def _report_ready(parent: channel.Channel, url: str) -> None:
    try:
        await parent.ask(what="ready", url=url)
    except GoneError:
        return
