"""What only the process that leads does: jobs for the whole database, and jobs for each source."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from bridge.bootstrap import writer_for
from bridge.maintenance.extra_columns import ExtraColumns
from bridge.maintenance.report_summary import Summariser
from bridge.maintenance.retention import RetentionJob
from bridge.maintenance.search_upkeep import SearchUpkeep
from bridge.maintenance.vocabulary_upkeep import VocabularyUpkeep
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.pull.refetch import Refetcher
from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.schedule import Job, every, run_job
from bridge.settings import Settings
from bridge.sources.runner import RunJob, SourceRunners
from bridge.sources.silence_watch import SilenceWatch
from bridge.sources.state import SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage import link_rule
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.storage.problem_search import Kept
from bridge.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from bridge.links.link_jobs import LinkJobs

_RELOAD_SECONDS: Final = 2.0


@dataclass(slots=True)
class LeaderJobs:
    """The jobs of one process. `settings` returns the configuration as it is now; `retention` is None where nothing is
    ever deleted.
    """

    database: Database
    metrics: Metrics
    fence: LeaderFence
    settings: Callable[[], Settings]
    retention: RetentionJob | None
    _links: "LinkJobs | None" = None

    async def run(self, sources: SourceRunners) -> None:
        """Run until cancelled, when this process leads no more."""
        handlers = RequestHandlers(sources.states, self.database, self.metrics, sources.wake_refetch, self.fence)
        async with anyio.create_task_group() as jobs:
            jobs.start_soon(Summariser(self.database, self.fence).run)
            jobs.start_soon(ExtraColumns(self.database, self._extra_columns, self.fence).run)
            jobs.start_soon(SearchUpkeep(self.database, self._search, self.fence, self.metrics).run)
            jobs.start_soon(run_job, Job("links", self.metrics), self._decide_links, every(_RELOAD_SECONDS))
            jobs.start_soon(RequestWorker(handlers, self.database, self.metrics, self.fence).run)
            if self.retention is not None:
                jobs.start_soon(self.retention.run)
            jobs.start_soon(sources.run)

    def of_source(self, source: SourceState) -> list[RunJob]:
        """Return what is to be run for one source."""
        database, metrics, wake = self.database, self.metrics, source.wake_refetch
        jobs: list[RunJob] = [Subscriber(source, database, metrics).run]
        if source.settings.kind == "tmf656":  # other kinds keep no word of the source beside what it means
            jobs.append(VocabularyUpkeep(source, database, metrics).run)
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
            jobs.append(partial(self._link_jobs().send, source, writer_for(source)))
        return jobs

    async def _decide_links(self) -> None:
        """Run the rules once there are any: in the configuration, or left in the database by an earlier one."""
        if not self.settings().links:
            async with self.database.connection() as connection:
                if not await link_rule.find(connection):
                    return
        await self._link_jobs().decide()

    def _link_jobs(self) -> "LinkJobs":
        """Return the jobs of links. Their modules take a fifth of the start, and most bridges have no links."""
        if self._links is None:
            from bridge.links.link_jobs import LinkJobs  # noqa: PLC0415 -- see above

            self._links = LinkJobs(self.database, self.metrics, self.fence, self.settings)
        return self._links

    def _extra_columns(self) -> dict[str, dict[str, str]]:
        """What is configured now for report.service_problem_extra."""
        return {name: source.columns for name, source in self.settings().sources.items() if source.columns}

    def _search(self) -> Kept | None:
        """For which problems words are kept. A process without the console leaves them as they are: they may be of the
        console of another one.
        """
        console = self.settings().console
        return console.search if console.enabled or console.search == "off" else None
