"""All that keeps tickets in step, in the process that leads: the deciders of the rules, and a sender a target."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.domain.ticket_system import TicketWriter
from bridge.links.decisions import RuleDecisions
from bridge.links.rule_jobs import RuleJobs
from bridge.links.send import WriteSender
from bridge.links.target import WriteTarget
from bridge.schedule import Wake
from bridge.settings import Settings
from bridge.sources.state import SourceState
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics


@dataclass(slots=True)
class LinkJobs:
    """The jobs of one process; what the deciders want written wakes the senders. `settings` returns the configuration
    as it is now.
    """

    database: Database
    metrics: Metrics
    fence: LeaderFence
    settings: Callable[[], Settings]
    _decisions: RuleDecisions = field(default_factory=RuleDecisions)
    _wakes: dict[str, Wake] = field(default_factory=dict)

    async def decide(self) -> None:
        """Run the rules until cancelled."""
        wake = self._wake_senders
        await RuleJobs(self.database, self.metrics, self.fence, self.settings, wake, self._decisions).run()

    async def send(self, source: SourceState, writer: TicketWriter) -> None:
        """Send to one target what is to be written there, until cancelled."""
        wake = self._wakes.setdefault(source.name, Wake())
        target = WriteTarget(source, writer)
        await WriteSender(target, self._decisions, self.database, self.metrics, wake).run()

    def _wake_senders(self) -> None:
        for wake in self._wakes.values():
            wake.call("wanted")
