"""Keeps the front process: the console, apart from the bridge, so that drawing pages never delays a sender.

It is started when the database's address is known and the console is enabled, and again whenever it ends; sessions are
in Postgres, so nobody has to log in again. One that does not answer for half a minute is killed and replaced; one whose
table [console] is another after SIGHUP is replaced. It ends with us, also after kill -9: its channel closes then.

`WithFront` puts a bridge and its front together, for a `run` of one process and for the demo.
"""

import base64
import pickle  # nosec B403
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import Process

from bridge.bootstrap import Stoppable
from bridge.errors import ConfigurationError
from bridge.schedule import Backoff
from bridge.settings import Settings
from bridge.settings.changes import change_of
from bridge.telemetry import worker_totals
from bridge.telemetry.worker_totals import Family
from bridge.workers import channel, spawn
from bridge.workers.channel import Channel, FailedError, GoneError, Message

log = structlog.get_logger(__name__)

_ASK_SECONDS = 5.0
_SILENT_ASKS = 6
_STEADY_SECONDS = 60.0
_STOP_SECONDS = 5.0
_UPDATE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class FrontTask:
    """What the front process is started with; see `bridge.web.console.front.Front`."""

    settings: Settings
    demo: bool
    dsn: str

    def packed(self) -> str:
        """Return it as text."""
        return base64.b64encode(pickle.dumps(self)).decode()

    @classmethod
    def unpacked(cls, text: str) -> "FrontTask":
        """Return what the parent packed."""
        task = pickle.loads(base64.b64decode(text))  # noqa: S301 -- of the process that started us  # nosec B301
        assert isinstance(task, cls)  # noqa: S101 -- for the type checker
        return task


@dataclass(slots=True)
class FrontProcess:
    """One front process at a time, until cancelled. `on_ready` is called with its address, at each start."""

    settings: Settings
    demo: bool = False
    on_ready: Callable[[str], None] = lambda _: None
    pid: int | None = None
    _counted: list[Family] = field(default_factory=list)
    """The latest answer of the process."""
    _ended: list[Family] = field(default_factory=list)
    """Counters of processes that have ended."""
    _channel: Channel | None = None
    _dsn: str = ""
    _other_console: anyio.Event = field(default_factory=anyio.Event)

    async def update(self, read: Settings) -> None:
        """Take over what can be of settings that were read again; a process that is just starting gets them, too."""
        before, self.settings = self.settings, change_of(self.settings, read).settings
        if self.settings.console != before.console:
            self._other_console.set()
            return
        if self._channel is None:
            return
        try:
            with anyio.fail_after(_UPDATE_SECONDS):
                await self._channel.ask(what="settings", task=self._task().packed())
        except (FailedError, GoneError, TimeoutError) as error:
            log.warning("the console has not reloaded", error=str(error) or "no answer in time")

    def families(self) -> list[Family]:
        """Return the metrics of the console, as they were a few seconds ago."""
        return worker_totals.total([self._counted, self._ended])

    def _task(self) -> FrontTask:
        return FrontTask(self.settings, self.demo, self._dsn)

    async def run(self, dsn: str) -> None:
        """Keep a front process on this database while the console is enabled, until cancelled; then stop it."""
        backoff = Backoff(first_seconds=0.2, last_seconds=10)
        self._dsn = dsn
        while True:
            other = self._other_console = anyio.Event()
            if not self.settings.console.enabled:
                await other.wait()
                continue
            started = anyio.current_time()
            try:
                status = await self._run_process(other)
                if other.is_set():
                    what = "starting another" if self.settings.console.enabled else "it is no longer enabled"
                    log.info("the console has other settings", consequence=what)
                else:
                    log.error("the console ended, starting another", status=status)
            except OSError as error:  # too many processes or open files, say, which may pass
                log.warning("the console cannot be started, trying again later", error=str(error))
            if other.is_set() or anyio.current_time() - started > _STEADY_SECONDS:
                backoff.reset()
            with anyio.move_on_after(0 if other.is_set() else backoff.next_seconds()):
                await other.wait()

    async def _run_process(self, other: anyio.Event) -> int | None:
        """Start a process, serve it until it ends or `other` is set, and return its status."""

        async def answer(question: Message) -> Message:
            if question["what"] == "ready":
                self.on_ready(question["url"])
            return {"task": self._task().packed()}

        ours, process = await spawn.started("front")
        self.pid = process.pid
        async with channel.opened(ours, answer) as opened_channel:
            self._channel = opened_channel
            try:
                async with anyio.create_task_group() as serving:
                    serving.start_soon(opened_channel.run)
                    serving.start_soon(self._watch, opened_channel, process)
                    serving.start_soon(_end_when, other, serving.cancel_scope)
                    await process.wait()
                    serving.cancel_scope.cancel()
            finally:
                self.pid = self._channel = None
                self._ended = worker_totals.total([worker_totals.counters(self._counted), self._ended])
                self._counted = []
                with anyio.CancelScope(shield=True):
                    await _end(process)
        return process.returncode

    async def _watch(self, to: Channel, process: Process) -> None:
        """Ask for the metrics; kill a process that leaves several questions in a row unanswered."""
        unanswered = 0
        while True:
            await anyio.sleep(_ASK_SECONDS)
            answered = False
            with anyio.move_on_after(_ASK_SECONDS):
                try:
                    answer = await to.ask(what="samples")
                    self._counted = [Family(**family) for family in answer["samples"]]
                    answered = True
                except FailedError:
                    answered = True
                except GoneError:
                    return
            unanswered = 0 if answered else unanswered + 1
            if unanswered == _SILENT_ASKS:
                log.error("the console says nothing, killing it", pid=process.pid)
                process.kill()
                return


async def _end_when(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    spawn.signalled(process, signal.SIGTERM)
    with anyio.move_on_after(_STOP_SECONDS):
        await process.wait()
    if process.returncode is None:
        log.error("the console does not stop, killing it", pid=process.pid)
        spawn.signalled(process, signal.SIGKILL)
    await process.wait()


@dataclass(slots=True)
class WithFront:
    """A bridge with its front. The embedded Postgres is the bridge's: its address comes by `found`; a configured one is
    known from the start, so that the console can say that Postgres is away.
    """

    bridge: Stoppable
    front: FrontProcess
    reread: Callable[[], Settings] | None = None
    _dsn: str = ""
    _found: anyio.Event = field(default_factory=anyio.Event)
    _front_runs: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def found(self, dsn: str) -> None:
        """Start the front process on this database."""
        self._dsn = dsn
        self._found.set()

    def stop(self) -> None:
        """End both at once: the console is gone before an embedded Postgres is."""
        self._front_runs.cancel()
        self.bridge.stop()

    async def reload(self) -> None:
        """Read the configuration again, for both; a faulty one changes nothing, and the bridge says why."""
        await self.bridge.reload()
        if self.reread is not None:
            with suppress(ConfigurationError):
                await self.front.update(self.reread())

    async def run(self) -> None:
        """Run until `stop`."""
        configured = self.front.settings.database.dsn.get_secret_value()
        if configured:
            self.found(configured)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run_front)
            await self.bridge.run()
            tasks.cancel_scope.cancel()

    async def _run_front(self) -> None:
        with self._front_runs:
            await self._found.wait()
            await self.front.run(self._dsn)
