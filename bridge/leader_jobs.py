"""What only the process that leads does: jobs for the whole database, and jobs for each source."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from bridge.bootstrap import writer_for
from bridge.links.decisions import RuleDecisions
from bridge.links.rule_jobs import RuleJobs
from bridge.links.send import WriteSender
from bridge.links.target import WriteTarget
from bridge.maintenance.extra_columns import ExtraColumns
from bridge.maintenance.report_summary import Summariser
from bridge.maintenance.retention import RetentionJob
from bridge.maintenance.search_upkeep import SearchUpkeep
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.pull.refetch import Refetcher
from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.schedule import Wake
from bridge.settings import Settings
from bridge.sources.runner import RunJob, SourceRunners
from bridge.sources.silence_watch import SilenceWatch
from bridge.sources.state import SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.storage.problem_search import Kept
from bridge.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class LeaderJobs:
    """The jobs of one process. `settings` returns the configuration as it is now; `retention` is None where nothing is
    ever deleted.
    """

    database: Database
    metrics: Metrics
    fence: LeaderFence
    settings: Callable[[], Settings]
    retention: RetentionJob | None
    decisions: RuleDecisions = field(default_factory=RuleDecisions)
    send_wakes: dict[str, Wake] = field(default_factory=dict)

    async def run(self, sources: SourceRunners) -> None:
        """Run until cancelled, when this process leads no more."""
        handlers = RequestHandlers(sources.states, self.database, self.metrics, sources.wake_refetch, self.fence)
        async with anyio.create_task_group() as jobs:
            jobs.start_soon(Summariser(self.database, self.fence).run)
            jobs.start_soon(ExtraColumns(self.database, self._extra_columns, self.fence).run)
            jobs.start_soon(SearchUpkeep(self.database, self._search, self.fence, self.metrics).run)
            jobs.start_soon(self._rule_jobs().run)
            jobs.start_soon(RequestWorker(handlers, self.database, self.metrics, self.fence).run)
            if self.retention is not None:
                jobs.start_soon(self.retention.run)
            jobs.start_soon(sources.run)

    def of_source(self, source: SourceState) -> list[RunJob]:
        """Return what is to be run for one source."""
        database, metrics, wake = self.database, self.metrics, source.wake_refetch
        jobs: list[RunJob] = [Subscriber(source, database, metrics).run]
        if source.settings.enabled:
            reconciler = Reconciler(source, database, metrics, on_stored=wake)
            jobs += [
                Poller(source, database, metrics, reconciler, on_stored=wake).run,
                reconciler.run,
                Refetcher(source, database, metrics, on_stored=wake).run,
            ]
        if source.wants_push:
            jobs.append(SilenceWatch(source, metrics).run)
        if source.settings.enabled and source.settings.write:
            target = WriteTarget(source, writer_for(source))
            due = self.send_wakes.setdefault(source.name, Wake())
            jobs.append(WriteSender(target, self.decisions, database, metrics, due).run)
        return jobs

    def _rule_jobs(self) -> RuleJobs:
        """The deciders; what they want written wakes the senders."""

        def wake_senders() -> None:
            for wake in self.send_wakes.values():
                wake.call("wanted")

        return RuleJobs(self.database, self.metrics, self.fence, self.settings, wake_senders, self.decisions)

    def _extra_columns(self) -> dict[str, dict[str, str]]:
        """What is configured now for report.service_problem_extra."""
        return {name: source.columns for name, source in self.settings().sources.items() if source.columns}

    def _search(self) -> Kept | None:
        """For which problems words are kept. A process without the console leaves them as they are: they may be of the
        console of another one.
        """
        console = self.settings().console
        return console.search if console.enabled or console.search == "off" else None
