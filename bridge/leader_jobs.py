"""What only the process that leads does: jobs for the whole database, and jobs for each source."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from bridge.links.rule_jobs import RuleJobs
from bridge.maintenance.extra_columns import ExtraColumns
from bridge.maintenance.report_summary import Summariser
from bridge.maintenance.retention import RetentionJob
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.pull.refetch import Refetcher
from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.settings import Settings
from bridge.sources.runner import RunJob, SourceRunners
from bridge.sources.silence_watch import SilenceWatch
from bridge.sources.state import SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
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

    async def run(self, sources: SourceRunners) -> None:
        """Run until cancelled, when this process leads no more."""
        handlers = RequestHandlers(sources.states, self.database, self.metrics, sources.wake_refetch)
        async with anyio.create_task_group() as jobs:
            jobs.start_soon(Summariser(self.database, self.fence).run)
            jobs.start_soon(ExtraColumns(self.database, self._extra_columns, self.fence).run)
            jobs.start_soon(RuleJobs(self.database, self.metrics, self.fence, self.settings).run)
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
        return jobs

    def _extra_columns(self) -> dict[str, dict[str, str]]:
        """What is configured now for report.service_problem_extra."""
        return {name: source.columns for name, source in self.settings().sources.items() if source.columns}
