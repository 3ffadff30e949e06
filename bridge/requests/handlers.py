"""What each kind of request does, by the same functions as the commands `sync`, `rotate-secret` and `dead-letters`.

A handler may run again after it was cut off at any line. Passes, registrations and replays change nothing the second
time. A rotated secret would retire the one before: it is written in the transaction that ends the request.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bridge.errors import PermanentError
from bridge.http.list_page import ListPage
from bridge.ingest.dead_letter_replay import replay
from bridge.pull.page_import import Tally
from bridge.pull.pass_summary import summary
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.requests.outcome import RequestEnd, RequestProgress
from bridge.sources.callback_secret import refuse_configured_secret, rotate
from bridge.sources.state import SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage import dead_letter
from bridge.storage.database import Connection, Database
from bridge.storage.lease import LeaderFence
from bridge.storage.observation import Stored
from bridge.storage.request import OperatorRequest, RequestOutcome
from bridge.telemetry.metrics import Metrics


@dataclass(slots=True)
class RequestHandlers:
    """Does what is asked, with the sources of the process that leads."""

    sources: Mapping[str, SourceState]
    database: Database
    metrics: Metrics
    on_stored: Callable[[Stored], None] | None = None
    fence: LeaderFence = field(default_factory=LeaderFence)
    _handlers: dict[str, Callable[[OperatorRequest, RequestProgress], Awaitable[RequestEnd]]] = field(init=False)

    def __post_init__(self) -> None:
        """Know the handler of each kind."""
        self._handlers = {
            "poll": self._poll,
            "reconcile": self._reconcile,
            "register": self._register,
            "rotate_secret": self._rotate,
            "replay": self._replay,
            "discard": self._discard,
        }

    async def handle(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd:
        """Do it. Raises PermanentError for what cannot be done, and what the flow itself raises."""
        handle = self._handlers.get(request.kind)
        if handle is None:
            from bridge.requests.link_handlers import LinkRequestHandlers  # noqa: PLC0415 -- few bridges have links

            handle = LinkRequestHandlers(self.database, self.fence).handle
        return await handle(request, progress)

    def _source(self, request: OperatorRequest) -> SourceState:
        source = self.sources.get(request.source or "")
        if source is None:
            raise PermanentError(f"{request.source} is not among the configured sources of the bridge that leads")
        return source

    def _enabled_source(self, request: OperatorRequest) -> SourceState:
        source = self._source(request)
        if not source.settings.enabled:
            raise PermanentError(f"synchronisation is off: set sources.{source.name}.enabled to true")
        return source

    async def _poll(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd:
        source = self._enabled_source(request)
        reconciler = self._reconciler(source, progress)
        show = reconciler.on_page
        poller = Poller(source, self.database, self.metrics, reconciler, on_stored=self.on_stored, on_page=show)
        tally = await poller.run_once()
        source.first_pass.set()
        return _of_pass(source.name, tally, full=False)

    async def _reconcile(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd:
        source = self._enabled_source(request)
        return _of_pass(source.name, await self._reconciler(source, progress).run_once(), full=True)

    def _reconciler(self, source: SourceState, progress: RequestProgress) -> Reconciler:
        def show(tally: Tally, page: ListPage) -> None:
            progress.total = page.total
            progress.done = min(tally.problems, page.total or tally.problems)

        return Reconciler(source, self.database, self.metrics, on_stored=self.on_stored, on_page=show)

    async def _register(self, request: OperatorRequest, _: RequestProgress) -> RequestEnd:
        source = self._enabled_source(request)
        if not source.wants_push:
            raise PermanentError(f"push is off: set sources.{source.name}.push to true")
        await Subscriber(source, self.database, self.metrics).run_once("requested")
        if not source.registered:
            return RequestEnd("done", "the server has no hub: it is polled")
        return RequestEnd("done", "registered at its hub")

    async def _rotate(self, request: OperatorRequest, _: RequestProgress) -> RequestEnd:
        source = self._source(request)
        refuse_configured_secret(source.name, source.settings)

        async def write(connection: Connection) -> None:
            await rotate(connection, source.name)

        detail = (
            "another secret is in force; the new callback is registered within seconds, and the one before is accepted"
        )
        return RequestEnd("done", f"{detail} until the next rotation", write)

    async def _replay(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd:
        failures: list[str] = []
        numbers = await self._letters(request, progress)
        settings = {name: source.settings for name, source in self.sources.items()}
        for number in numbers:
            failure = await replay(self.database, number, settings)
            progress.done += 1
            if failure is not None:
                failures.append(f"{number}: {failure}")
        detail = f"{len(numbers) - len(failures):,} of {len(numbers):,} replayed"
        if failures:
            return RequestEnd("incomplete", f"{detail}; {failures[0]}")
        return RequestEnd("done", detail)

    async def _discard(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd:
        discarded = 0
        for number in await self._letters(request, progress):
            async with self.database.transaction() as connection:
                discarded += await dead_letter.settle(connection, number, "discarded")
            progress.done += 1
        return RequestEnd("done", f"{discarded:,} discarded")

    async def _letters(self, request: OperatorRequest, progress: RequestProgress) -> list[int]:
        """Return the letters that are asked for and still wait."""
        chosen = request.arguments
        async with self.database.connection() as connection:
            numbers = await dead_letter.waiting(
                connection, request.source, reason=chosen.get("reason"), up_to=chosen.get("up_to")
            )
        if "numbers" in chosen:
            wanted = set(chosen["numbers"])
            numbers = [number for number in numbers if number in wanted]
        progress.total = len(numbers)
        return numbers


def _of_pass(name: str, tally: Tally, *, full: bool) -> RequestEnd:
    outcome: RequestOutcome = "done" if tally.completeness.complete else "incomplete"
    return RequestEnd(outcome, "; ".join(summary(name, tally, full=full)))
