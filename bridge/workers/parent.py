"""The parent of the workers: reserves the port, starts them, starts them again, and adds their metrics up.

Start: the address is tried first, alone, so that another program on it is noticed (sockets that share a port say
nothing), and then held without listening, so that nobody else takes it between two workers. With no DSN the embedded
Postgres is started and migrated here. The first worker starts alone: what keeps it from running would keep all of them,
and is then said once. The others follow when it is ready.

Every few seconds each worker is asked for its metrics. One that dies is started again, and what it had counted stays in
the totals; what it counted since it was last asked is lost. One that says nothing for a minute is killed first. Where
the system has no process or file to give, the others go on, and it is tried again.

Stop (SIGTERM, SIGINT): every worker stops as a bridge does; one that takes too long is killed, which is said, and the
exit status is 1. The workers are in sessions of their own, so that Ctrl-C in a terminal comes to the parent alone,
which knows the order. Killed: the workers see their lines end, and stop.
"""

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
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
from bridge.workers import channel
from bridge.workers.channel import FailedError, GoneError, Line, Message
from bridge.workers.child import Task

log = structlog.get_logger(__name__)

_ASK_SECONDS = 5.0
_SILENT_ASKS = 6
"""Questions in a row without an answer. Not time: when all of a machine was stopped for a while, nobody hangs."""
_STEADY_SECONDS = 60.0
_STOP_SECONDS = 8.0
"""For the stop of all workers, and once more for the one that deregisters: together less than systemd and Kubernetes
wait, and more than the limits within a bridge come to.
"""
_REAP_SECONDS = 1.0
_RELOAD_SECONDS = 60.0
_RESERVED_CONNECTIONS = 20
"""For psql and the like, beside those of the workers, in an embedded Postgres."""


@dataclass(slots=True)
class _Worker:
    """One place that is filled by one process after the other."""

    number: int
    unsubscribe: bool
    process: Process | None = None
    channel: Line | None = None
    url: str = ""
    ready: anyio.Event = field(default_factory=anyio.Event)
    said: list[Family] = field(default_factory=list)
    """What it had to say of itself when it was last asked."""


@dataclass(slots=True)
class Workers:
    """`count` workers, until `stop`."""

    settings: Settings
    count: int
    unsubscribe: bool = False
    reread: Callable[[], Settings] | None = None
    _shared: Settings | None = None
    """What each worker runs by; None while Postgres starts."""
    _gone: list[Family] = field(default_factory=list)
    """What processes had counted that are gone."""
    _workers: list[_Worker] = field(default_factory=list)
    _stopping: anyio.Event = field(default_factory=anyio.Event)
    _killed: list[int] = field(default_factory=list)
    """Numbers of those that did not stop in time."""

    def stop(self) -> None:
        """End all of them; safe to call twice and at any time."""
        systemd.notify("STOPPING=1")
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`. PermanentError when the first worker does not come up, or one had to be killed."""
        async with AsyncExitStack() as stack:
            settings = stack.enter_context(_reserved(self.settings))
            settings = await stack.enter_async_context(_with_database(settings, self.count))
            self._shared = change_of(_share(settings, self.count), self.settings).settings
            self._workers = [_Worker(number, self.unsubscribe and number == 1) for number in range(1, self.count + 1)]
            async with anyio.create_task_group() as keeping:
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
        """Read the configuration again and have each worker take over what can be; stop where there is none to read."""
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
        async with anyio.create_task_group() as telling:
            for worker in self._workers:
                if worker.channel is not None:
                    telling.start_soon(self._tell_settings, worker, worker.channel)

    async def _tell_settings(self, worker: _Worker, said: Line) -> None:
        try:
            with anyio.fail_after(_RELOAD_SECONDS):
                await said.ask(what="settings", task=self._task_of(worker).packed())
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
        """Stop the workers; the one that deregisters is the last, so that no other registers again after it."""
        last = self._workers[:1] if self.unsubscribe else []
        await self._stop_all([each for each in self._workers if each not in last])
        await self._stop_all(last)

    async def _stop_all(self, workers: Sequence[_Worker]) -> None:
        running = [(each, each.process) for each in workers if each.process is not None]
        for _, process in running:
            _signal(process, signal.SIGTERM)
        with anyio.move_on_after(_STOP_SECONDS):
            for _, process in running:
                await process.wait()
        for worker, process in running:
            if process.returncode is None:
                log.error("a worker does not stop, killing it", worker=worker.number, pid=process.pid)
                self._killed.append(worker.number)
                _signal(process, signal.SIGKILL)
        with anyio.move_on_after(_REAP_SECONDS):
            for _, process in running:
                await process.wait()

    async def _keep(self, worker: _Worker) -> None:
        """Fill the place of a worker, again and again."""
        backoff = Backoff(first_seconds=0.2, last_seconds=10)
        while not self._stopping.is_set():
            started = anyio.current_time()
            try:
                status = await self._fill(worker)
            except OSError as error:  # too many processes or open files, say, which may pass
                self._not_first(worker, f"cannot be started: {error}")
                log.warning("a worker cannot be started, trying again later", worker=worker.number, error=str(error))
            else:
                self._gone = worker_totals.total([worker_totals.counted(worker.said), self._gone])
                worker.said = []
                if self._stopping.is_set():
                    return
                self._not_first(worker, f"ended with status {status}, for what it says")
                log.error("a worker ended, starting another", worker=worker.number, status=status)
            if anyio.current_time() - started > _STEADY_SECONDS:
                backoff.reset()
            await anyio.sleep(backoff.next_seconds())

    def _not_first(self, worker: _Worker, what: str) -> None:
        """PermanentError when it is the first that was never ready."""
        if worker is self._workers[0] and not worker.ready.is_set():
            raise PermanentError(f"the first of {self.count} workers {what}")

    async def _fill(self, worker: _Worker) -> int:
        """Start a process, talk to it until it ends, and return its status; OSError when it cannot be started."""
        ours, process = await _started()
        try:
            await self._talk(worker, process, ours)
        finally:
            worker.process, worker.channel = None, None
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                status = await process.wait()
        return status

    async def _talk(self, worker: _Worker, process: Process, end: socket.socket) -> None:
        async def answer(question: Message) -> Message:
            return await self._answer(worker, question)

        async with channel.opened(end, answer) as said, anyio.create_task_group() as talking:
            worker.process, worker.channel = process, said
            talking.start_soon(said.run)
            talking.start_soon(self._watch, worker)
            await process.wait()
            worker.process, worker.channel = None, None
            talking.cancel_scope.cancel()

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
        return worker_totals.page(worker_totals.total([*(each.said for each in self._workers), self._gone]), accept)

    async def _watch(self, worker: _Worker) -> None:
        """Ask a worker now and then what it has counted; kill it when it says nothing for long."""
        unanswered = 0
        while worker.channel is not None and worker.process is not None:
            await anyio.sleep(_ASK_SECONDS)
            unanswered = 0 if await self._ask(worker, worker.channel) else unanswered + 1
            if unanswered == _SILENT_ASKS:
                log.error("a worker says nothing, killing it", worker=worker.number, pid=worker.process.pid)
                worker.process.kill()
                return

    async def _ask(self, worker: _Worker, said: Line | None) -> bool:
        """Ask a worker for its metrics; False, and what it said before stays, when it does not answer in time."""
        if said is None:
            return False
        with anyio.move_on_after(_ASK_SECONDS):
            try:
                answer = await said.ask(what="samples")
            except (FailedError, GoneError):
                return False
            worker.said = [Family(**family) for family in answer["samples"]]
            return True
        return False


async def _started() -> tuple[socket.socket, Process]:
    """Start a process; return our end of its line, and it."""
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as unless_started:
        unless_started.enter_context(ours)
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", "bridge", "worker"],  # -P: nothing from the current directory
            stdin=theirs.fileno(),
            stdout=None,
            stderr=None,
            env=_environment(),
            start_new_session=True,
        )
        unless_started.pop_all()
    return ours, process


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


async def _either(one: anyio.Event, other: anyio.Event) -> None:
    """Wait for one of two events."""
    async with anyio.create_task_group() as waiting:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            waiting.cancel_scope.cancel()

        waiting.start_soon(wait, one)
        waiting.start_soon(wait, other)


def _environment() -> dict[str, str]:
    """Ours, without what systemd wants to hear of: only the parent speaks to it."""
    return {name: value for name, value in os.environ.items() if name not in systemd.VARIABLES}


def _share(settings: Settings, count: int) -> Settings:
    """Return what one of `count` workers may take of what is bounded for all."""
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
    """Hold the addresses to listen on while the workers come and go; return the settings with the ports that are
    theirs.
    """
    http = settings.http
    with ExitStack() as stack:
        ports = {"port": _hold(stack, http.host, http.port, "http.port")}
        if http.metrics_port is not None:
            ports["metrics_port"] = _hold(stack, http.host, http.metrics_port, "http.metrics_port")
        yield settings.model_copy(update={"http": http.model_copy(update=ports)})


def _hold(stack: ExitStack, host: str, port: int, key: str) -> int:
    """Bind to all addresses of a host, so that only sockets of ours that share it can, and return the port."""
    try:
        for alone in bind(host, port):
            alone.close()
        held = [stack.enter_context(one) for one in bind(host, port, reuse_port=True)]
    except OSError as error:
        raise cannot_listen(host, port, key, error) from error
    return int(held[0].getsockname()[1])


@asynccontextmanager
async def _with_database(settings: Settings, count: int) -> AsyncIterator[Settings]:
    """Run the embedded Postgres where no DSN is set, and return settings that lead to it."""
    database = settings.database
    if database.dsn.get_secret_value():
        yield settings
        return
    most = str(count * database.pool_max_size + _RESERVED_CONNECTIONS)
    async with embedded(settings.data_dir, bin_dir=database.bin_dir, settings={"max_connections": most}) as own:
        async with opened(own.dsn, wait=False, min_size=1, max_size=2) as opening:
            await ensure_schema(OpenDatabase(opening, own.dsn, own.bin_dir, own.owned))
        yield settings.model_copy(update={"database": database.model_copy(update={"dsn": SecretStr(own.dsn)})})
