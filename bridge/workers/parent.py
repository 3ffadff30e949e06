"""The parent of the workers: reserves the port, starts and restarts the workers, and adds up their metrics.

Start: the parent first binds the address exclusively, so that a conflict with another program is an error (sockets
that share a port report none), and then holds it without listening, so that no program takes it while no worker runs.
Without a DSN the parent starts and migrates the embedded Postgres. The first worker starts alone: a fault that would
stop every worker is then reported once. The others start when it is ready.

The parent asks each worker for its metrics every few seconds. A worker that dies is replaced; its counters stay in the
totals, except for what it counted after the last answer. A worker that does not answer for a minute is killed and
replaced. When the system has no process or file left, the others go on and the parent tries again.

Stop (SIGTERM, SIGINT): the parent stops the workers in order; it kills one that takes too long, logs that and exits
with status 1. The workers have sessions of their own, so that Ctrl-C in a terminal reaches the parent only. When the
parent is killed, the channels close and the workers stop.
"""

import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from math import ceil

import anyio
import structlog
from anyio.abc import Process, TaskGroup
from pydantic import SecretStr

from bridge.bootstrap import OpenDatabase, ensure_schema
from bridge.errors import ConfigurationError, PermanentError
from bridge.postgres.embedded import embedded
from bridge.schedule import Backoff
from bridge.settings import Settings
from bridge.settings.changes import change_of
from bridge.storage.database import opened
from bridge.telemetry import logs, systemd, worker_totals
from bridge.telemetry.worker_totals import Family
from bridge.web.server import bind, cannot_listen
from bridge.workers import channel, spawn
from bridge.workers.channel import Channel, FailedError, GoneError, Message
from bridge.workers.child import Task
from bridge.workers.front import FrontProcess

log = structlog.get_logger(__name__)

_ASK_SECONDS = 5.0
_SILENT_ASKS = 6
"""Questions in a row without an answer. Not a time: after a pause of the whole machine no worker is at fault."""
_STEADY_SECONDS = 60.0
_STOP_SECONDS = 8.0
"""For stopping all workers, and again for the one that deregisters: together less than systemd and Kubernetes wait,
and more than the sum of the limits within a bridge.
"""
_REAP_SECONDS = 1.0
_RELOAD_SECONDS = 60.0
_RESERVED_CONNECTIONS = 20
"""In an embedded Postgres, for the console, psql and similar programs, beside the connections of the workers."""


@dataclass(slots=True)
class _Worker:
    """One of the numbered workers; when its process ends, another takes its place."""

    number: int
    unsubscribe: bool
    process: Process | None = None
    channel: Channel | None = None
    url: str = ""
    ready: anyio.Event = field(default_factory=anyio.Event)
    metrics: list[Family] = field(default_factory=list)
    """Its latest answer."""


@dataclass(slots=True)
class Workers:
    """`count` workers, until `stop`."""

    settings: Settings
    count: int
    unsubscribe: bool = False
    reread: Callable[[], Settings] | None = None
    _shared: Settings | None = None
    """The settings of each worker; None while Postgres starts."""
    _ended: list[Family] = field(default_factory=list)
    """Counters and histograms of processes that have ended."""
    _workers: list[_Worker] = field(default_factory=list)
    _front: FrontProcess | None = None
    _stopping: anyio.Event = field(default_factory=anyio.Event)
    _killed: list[int] = field(default_factory=list)
    """Numbers of the workers that did not stop in time."""

    def stop(self) -> None:
        """Stop all workers; safe to call twice and at any time."""
        systemd.notify("STOPPING=1")
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`. PermanentError when the first worker cannot start, or a worker had to be killed."""
        async with AsyncExitStack() as stack:
            settings = stack.enter_context(_reserved(self.settings))
            settings = await stack.enter_async_context(_with_database(settings, self.count))
            self._shared = change_of(_share(settings, self.count), self.settings).settings
            self._workers = [_Worker(number, self.unsubscribe and number == 1) for number in range(1, self.count + 1)]
            async with anyio.create_task_group() as keeping:
                self._front = FrontProcess(self.settings)
                keeping.start_soon(self._front.run, settings.database.dsn.get_secret_value())
                try:
                    await self._start(keeping)
                    await self._stopping.wait()
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._end()
                    keeping.cancel_scope.cancel()
        if self._killed:
            raise PermanentError(f"{len(self._killed)} of {self.count} workers did not stop in time and were killed")

    async def reload(self) -> None:
        """Read the configuration again and send it to each worker; stop when there is no configuration file."""
        if self.reread is None:
            self.stop()
            return
        try:
            read = self.reread()
        except ConfigurationError as error:
            remedy = "correct it and send SIGHUP again"
            log.warning("configuration not reloaded", faults=error.faults, remedy=remedy)
            return
        self.settings = change_of(self.settings, read).settings
        logs.set_level(self.settings.log.level)
        if self._shared is not None:
            self._shared = change_of(self._shared, read).settings
        async with anyio.create_task_group() as sending:
            for worker in self._workers:
                if worker.channel is not None:
                    sending.start_soon(self._send_settings, worker, worker.channel)
            if self._front is not None:
                sending.start_soon(self._front.update, read)

    async def _send_settings(self, worker: _Worker, to: Channel) -> None:
        try:
            with anyio.fail_after(_RELOAD_SECONDS):
                await to.ask(what="settings", task=self._task_of(worker).packed())
        except (FailedError, GoneError, TimeoutError) as error:
            log.warning("a worker has not reloaded", worker=worker.number, error=str(error) or "no answer in time")

    def _task_of(self, worker: _Worker) -> Task:
        return Task(worker.number, self._shared or self.settings, worker.unsubscribe)

    async def _start(self, keeping: TaskGroup) -> None:
        first, *others = self._workers
        keeping.start_soon(self._keep, first)
        await _either(first.ready, self._stopping)
        for worker in others:
            keeping.start_soon(self._keep, worker)
        for worker in others:
            await _either(worker.ready, self._stopping)
        if not self._stopping.is_set():
            log.info("all workers are ready", url=first.url, workers=self.count)
            systemd.notify(f"READY=1\nSTATUS={self.count} workers listening at {first.url}")

    async def _end(self) -> None:
        """Stop the workers; the one that deregisters stops last, so that no other registers again after it."""
        last = self._workers[:1] if self.unsubscribe else []
        await self._stop_all([each for each in self._workers if each not in last])
        await self._stop_all(last)

    async def _stop_all(self, workers: Sequence[_Worker]) -> None:
        running = [(each, each.process) for each in workers if each.process is not None]
        for _, process in running:
            spawn.signalled(process, signal.SIGTERM)
        with anyio.move_on_after(_STOP_SECONDS):
            for _, process in running:
                await process.wait()
        for worker, process in running:
            if process.returncode is None:
                log.error("a worker does not stop, killing it", worker=worker.number, pid=process.pid)
                self._killed.append(worker.number)
                spawn.signalled(process, signal.SIGKILL)
        with anyio.move_on_after(_REAP_SECONDS):
            for _, process in running:
                await process.wait()

    async def _keep(self, worker: _Worker) -> None:
        """Start a process for this worker, and another whenever it ends, until `stop`."""
        backoff = Backoff(first_seconds=0.2, last_seconds=10)
        while not self._stopping.is_set():
            started = anyio.current_time()
            try:
                status = await self._run_process(worker)
            except OSError as error:  # too many processes or open files, say, which may pass
                self._not_first(worker, f"cannot be started: {error}")
                log.warning("a worker cannot be started, trying again later", worker=worker.number, error=str(error))
            else:
                self._ended = worker_totals.total([worker_totals.counters(worker.metrics), self._ended])
                worker.metrics = []
                if self._stopping.is_set():
                    return
                self._not_first(worker, f"ended with status {status}, for what it says")
                log.error("a worker ended, starting another", worker=worker.number, status=status)
            if anyio.current_time() - started > _STEADY_SECONDS:
                backoff.reset()
            await anyio.sleep(backoff.next_seconds())

    def _not_first(self, worker: _Worker, what: str) -> None:
        """Raise PermanentError for the first worker while it was never ready."""
        if worker is self._workers[0] and not worker.ready.is_set():
            raise PermanentError(f"the first of {self.count} workers {what}")

    async def _run_process(self, worker: _Worker) -> int:
        """Start a process, serve it until it ends, and return its status; OSError when it cannot be started."""
        ours, process = await spawn.started("worker")
        try:
            await self._serve(worker, process, ours)
        finally:
            worker.process, worker.channel = None, None
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                status = await process.wait()
        return status

    async def _serve(self, worker: _Worker, process: Process, end: socket.socket) -> None:
        async def answer(question: Message) -> Message:
            return await self._answer(worker, question)

        async with channel.opened(end, answer) as opened_channel, anyio.create_task_group() as serving:
            worker.process, worker.channel = process, opened_channel
            serving.start_soon(opened_channel.run)
            serving.start_soon(self._watch, worker)
            await process.wait()
            worker.process, worker.channel = None, None
            serving.cancel_scope.cancel()

    async def _answer(self, worker: _Worker, question: Message) -> Message:
        match question["what"]:
            case "task":
                return {"task": self._task_of(worker).packed()}
            case "ready":
                worker.url = question["url"]
                worker.ready.set()
                return {}
            case "page":
                text, content_type = await self._page(question["accept"])
                return {"page": text.decode(), "type": content_type}
            case what:
                raise AssertionError(what)

    async def _page(self, accept: str) -> tuple[bytes, str]:
        async with anyio.create_task_group() as asking:
            for worker in self._workers:
                if worker.channel is not None:
                    asking.start_soon(self._ask, worker, worker.channel)
        of_workers = [*(each.metrics for each in self._workers), self._ended]
        of_front = [] if self._front is None else [self._front.families()]
        return worker_totals.page(worker_totals.total([*of_workers, *of_front]), accept)

    async def _watch(self, worker: _Worker) -> None:
        """Ask a worker for its metrics every few seconds; kill it when it does not answer several times in a row."""
        unanswered = 0
        while worker.channel is not None and worker.process is not None:
            await anyio.sleep(_ASK_SECONDS)
            unanswered = 0 if await self._ask(worker, worker.channel) else unanswered + 1
            if unanswered == _SILENT_ASKS:
                log.error("a worker says nothing, killing it", worker=worker.number, pid=worker.process.pid)
                worker.process.kill()
                return

    async def _ask(self, worker: _Worker, to: Channel | None) -> bool:
        """Ask a worker for its metrics; False, and its former answer stays, when it does not answer in time."""
        if to is None:
            return False
        with anyio.move_on_after(_ASK_SECONDS):
            try:
                answer = await to.ask(what="samples")
            except (FailedError, GoneError):
                return False
            worker.metrics = [Family(**family) for family in answer["samples"]]
            return True
        return False


async def _either(one: anyio.Event, other: anyio.Event) -> None:
    """Wait for one of two events."""
    async with anyio.create_task_group() as waiting:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            waiting.cancel_scope.cancel()

        waiting.start_soon(wait, one)
        waiting.start_soon(wait, other)


def _share(settings: Settings, count: int) -> Settings:
    """Divide the limits that hold for all workers by their number."""
    http, journal = settings.http, settings.journal
    return settings.model_copy(
        update={
            "http": http.model_copy(
                update={
                    "max_waiting_bytes": ceil(http.max_waiting_bytes / count),
                    "max_connections": ceil(http.max_connections / count),
                    "max_connections_per_peer": ceil(http.max_connections_per_peer / count),
                }
            ),
            "journal": journal.model_copy(update={"max_bytes": ceil(journal.max_bytes / count)}),
        }
    )


@contextmanager
def _reserved(settings: Settings) -> Iterator[Settings]:
    """Hold the addresses while workers start and end; return the settings with the ports that the system chose."""
    http = settings.http
    with ExitStack() as stack:
        ports = {"port": _hold(stack, http.host, http.port, "http.port")}
        if http.metrics_port is not None:
            ports["metrics_port"] = _hold(stack, http.host, http.metrics_port, "http.metrics_port")
        yield settings.model_copy(update={"http": http.model_copy(update=ports)})


def _hold(stack: ExitStack, host: str, port: int, key: str) -> int:
    """Bind to all addresses of a host, to be shared with the workers only, and return the port."""
    try:
        for alone in bind(host, port):
            alone.close()
        held = [stack.enter_context(one) for one in bind(host, port, reuse_port=True)]
    except OSError as error:
        raise cannot_listen(host, port, key, error) from error
    return int(held[0].getsockname()[1])


@asynccontextmanager
async def _with_database(settings: Settings, count: int) -> AsyncIterator[Settings]:
    """Run the embedded Postgres when no DSN is set; yield settings with its DSN."""
    database = settings.database
    if database.dsn.get_secret_value():
        yield settings
        return
    most = str(count * database.pool_max_size + _RESERVED_CONNECTIONS)
    async with embedded(settings.data_dir, bin_dir=database.bin_dir, settings={"max_connections": most}) as own:
        async with opened(own.dsn, wait=False, min_size=1, max_size=2) as opening:
            await ensure_schema(OpenDatabase(opening, own.dsn, own.bin_dir, own.owned))
        yield settings.model_copy(update={"database": database.model_copy(update={"dsn": SecretStr(own.dsn)})})
