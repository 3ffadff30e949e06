"""Taking requests of operators, in the process that leads.

It looks every second, which costs one read of a small index; a notification of Postgres would need a connection of its
own. Requests run side by side, so that a long reconcile of one source does not hold up a poll of another.

Every write is fenced: a process that lost the lease ends nothing. A request whose process ended, or whose end could
not be written, is taken again, `_ATTEMPTS` times at most: one that ends the process each time must not do so for ever.
"""

from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import TaskGroup

from bridge.errors import BridgeError, DatabaseUnavailableError, PermanentError
from bridge.requests.handlers import RequestHandlers
from bridge.requests.outcome import RequestEnd, RequestProgress
from bridge.schedule import Job, every, expected, run_job
from bridge.storage import request as requests
from bridge.storage.database import Database
from bridge.storage.errors import RefusedError
from bridge.storage.lease import LeaderFence, LeaseLostError
from bridge.storage.request import OperatorRequest
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_PROGRESS_SECONDS = 1.0
_ATTEMPTS = 3


@dataclass(slots=True)
class RequestWorker:
    """Takes requests until cancelled."""

    handlers: RequestHandlers
    database: Database
    metrics: Metrics
    fence: LeaderFence = field(default_factory=LeaderFence)
    _under_way: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Look every second, and do what is asked."""
        self._under_way.clear()
        async with anyio.create_task_group() as working:
            job = Job("requests", self.metrics)
            await run_job(job, lambda: self._look(working), every(_LOOK_SECONDS))

    async def run_once(self) -> None:
        """Take what is open, and return when all of it has ended."""
        async with anyio.create_task_group() as working:
            await self._look(working)

    async def _look(self, working: TaskGroup) -> None:
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            taken = await requests.take(connection, sorted(self._under_way))
            await requests.prune(connection)
        for request in taken:
            self._under_way.add(request.id)
            working.start_soon(self._work, request)

    async def _work(self, request: OperatorRequest) -> None:
        try:
            ended = await self._ended(request)
            if ended is not None:
                await self._end(request, ended)
        except BridgeError as error:  # it stays open, and is taken again
            log.warning("request not ended", request=request.id, kind=request.kind, error=str(error))
        finally:
            self._under_way.discard(request.id)

    async def _ended(self, request: OperatorRequest) -> RequestEnd | None:
        """Do what is asked; None when it is to be taken again."""
        if request.attempts > _ATTEMPTS:
            return RequestEnd("failed", f"it was begun {_ATTEMPTS} times and never ended: see the log of the bridge")
        progress = RequestProgress()
        async with anyio.create_task_group() as showing:
            showing.start_soon(self._show, request, progress)
            ended = await self._handled(request, progress)
            showing.cancel_scope.cancel()
        await self._write_progress(request, progress)
        return ended

    async def _handled(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd | None:
        try:
            return await self.handlers.handle(request, progress)
        except Exception as caught:  # the bulkhead: what one request does ends no other
            error = expected(caught)
            if isinstance(error, DatabaseUnavailableError | LeaseLostError):
                log.warning("request is taken again", request=request.id, kind=request.kind, error=str(error))
                return None
            if isinstance(error, BridgeError):
                return RequestEnd("failed", str(error) or type(error).__name__)
            log.exception("request failed unexpectedly", request=request.id, kind=request.kind)
            return RequestEnd("failed", f"unexpected {type(error).__name__}: see the log")

    async def _end(self, request: OperatorRequest, ended: RequestEnd) -> None:
        try:
            detail = await self._write_end(request, ended)
        except RefusedError:  # by Postgres: that is nothing that was asked
            raise
        except PermanentError as error:  # what was asked cannot be done
            ended = RequestEnd("failed", str(error) or type(error).__name__)
            detail = await self._write_end(request, ended)
        if detail is None:
            return
        log.info(
            "request ended",
            request=request.id,
            kind=request.kind,
            source=request.source,
            subject=request.subject,
            asked_by=request.asked_by,
            outcome=ended.outcome,
            detail=detail,
        )

    async def _write_end(self, request: OperatorRequest, ended: RequestEnd) -> str | None:
        """Write the end, with all that belongs to it, and return what came of it; None when it had ended already."""
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            if not await requests.lock_open(connection, request.id):
                return None
            detail = ended.detail
            if ended.write is not None:
                detail = await ended.write(connection) or detail
            await requests.end(connection, request.id, ended.outcome, detail)
        return detail

    async def _show(self, request: OperatorRequest, progress: RequestProgress) -> None:
        """Write down how far it has come, each second in which it has come further."""
        shown: tuple[int, int | None] = (0, None)
        while True:
            await anyio.sleep(_PROGRESS_SECONDS)
            if (now := (progress.done, progress.total)) != shown:
                await self._write_progress(request, progress)
                shown = now

    async def _write_progress(self, request: OperatorRequest, progress: RequestProgress) -> None:
        """A failure is no trouble: the next second, or the end, writes again."""
        if not progress.done and progress.total is None:
            return
        try:
            async with self.database.transaction() as connection:
                await self.fence.hold(connection)
                await requests.write_progress(connection, request.id, progress.done, progress.total)
        except BridgeError as error:
            log.debug("progress not written", request=request.id, error=str(error))
