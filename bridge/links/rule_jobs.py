"""Runs the rules of the configuration in the process that leads, and shows how they are.

Rules become rows (`bridge.link_rule`) when they are first read, and are marked as gone when they are taken out. After a
reload with other rules the deciders start again, each with its walk where its settings changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import anyio
import structlog

from bridge.domain.link.word_map import Side
from bridge.links.decide import Decider
from bridge.links.decisions import RuleDecisions
from bridge.links.rule_run import RuleRun
from bridge.links.rule_series import count_edited, introduce_rule, show_nothing
from bridge.links.rules import hash_of_settings, rule_of, state_of
from bridge.links.take_over import find_left_behind
from bridge.schedule import Job, Wake, every, now, run_job
from bridge.settings import LinkSettings, Settings, SourceSettings
from bridge.storage import change, conflict, link_audit, link_move, link_rule, outbox
from bridge.storage import link as link_table
from bridge.storage import source as source_table
from bridge.storage.database import Connection, Database
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_RELOAD_SECONDS: Final = 2.0
_REPORT_SECONDS: Final = 15.0
_WATCH_SECONDS: Final = 60.0
_HOUR: Final = timedelta(hours=1)
OSCILLATES_FROM: Final = 6
"""Writes of one field within an hour, to both sides, from which on it is called oscillating."""


@dataclass(slots=True)
class RuleJobs:
    """All rules. `settings` returns the configuration as it is now; `on_wanted` is called when something is to be
    written. `decisions`: what senders ask.
    """

    database: Database
    metrics: Metrics
    fence: LeaderFence
    settings: Callable[[], Settings]
    on_wanted: Callable[[], None] = lambda: None
    decisions: RuleDecisions = field(default_factory=RuleDecisions)
    _drift: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Count what senders find."""
        self.decisions.on_edited = partial(count_edited, self.metrics)

    async def run(self) -> None:
        """Run the rules until cancelled, again with others after a reload."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._report)
                group.start_soon(self._watch)
                job = Job("links", self.metrics)
                await run_job(job, self._run_rules, every(_RELOAD_SECONDS))
        finally:  # another process leads and shows them from now on
            self._forget_figures()
            self.metrics.links.oscillating.clear()

    async def register(self) -> list[RuleRun]:
        """Write the rules as configured, and return those that may run: both sources are known."""
        settings = self.settings()
        runs = []
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            for name, rule in settings.links.items():
                introduce_rule(self.metrics, rule_of(name, rule), _poll_seconds(settings, rule))
                run = await run_of(connection, name, rule, settings.sources)
                if run is None:
                    log.warning("rule waits for its sources", rule=name, left=rule.left, right=rule.right)
                    continue
                sources = run.source_ids[Side.LEFT], run.source_ids[Side.RIGHT]
                if former := await link_move.retire(connection, name, sources):
                    log.warning(
                        "rule joins other sources than before; its links stay with the former one",
                        rule=name,
                        former=former,
                    )
                rule_id = await link_rule.ensure(
                    connection,
                    name,
                    sources,
                    state=state_of(rule),
                    settings=rule.describe(),
                    settings_hash=hash_of_settings(rule),
                )
                run.rule_id = rule_id
                runs.append(run)
            for name, state, former in await link_rule.carry_pause(connection, list(settings.links)):
                remedy = f"`tmf656-bridge links {'resume' if state == 'paused' else 'release'} {name}`"
                log.warning(
                    "new rule waits as the one that is gone", rule=name, state=state, former=former, remedy=remedy
                )
            await link_rule.mark_gone(connection, list(settings.links))
            for run in runs:
                await find_left_behind(connection, run, settings.links)
        return runs

    async def _run_rules(self) -> None:
        """Run what is configured now until that changes."""
        configured = self.settings().links
        if not configured and not self.decisions.runs:
            async with self.database.connection() as connection:
                if not await link_rule.find(connection):
                    return
        runs = await self.register()
        self.decisions.runs = {run.rule_id: run for run in runs}
        await self.report_once()
        async with anyio.create_task_group() as group:
            deciders = [Decider(run, self.database, self.metrics, self.fence, self.on_wanted) for run in runs]
            for decider in deciders:
                group.start_soon(decider.run)
            if deciders:
                listen = partial(self._listen, [decider.wake for decider in deciders])
                group.start_soon(run_job, Job("link_listen", self.metrics), listen, every(_RELOAD_SECONDS))
            while self.settings().links == configured and len(runs) == len(configured):  # noqa: ASYNC110 -- settings change without a signal
                await anyio.sleep(_RELOAD_SECONDS)
            group.cancel_scope.cancel()

    async def _listen(self, wakes: Sequence[Wake]) -> None:
        """Call the deciders whenever changes are committed, by whatever process, until the connection is lost."""

        def call() -> None:
            for wake in wakes:
                wake.call("committed")

        async with self.database.connection() as connection, change.listening(connection, call):
            call()  # what was committed before
            while True:
                await anyio.sleep(_WATCH_SECONDS)
                await connection.execute("select")

    async def _report(self) -> None:
        await run_job(Job("link_report", self.metrics), self.report_once, every(_REPORT_SECONDS))

    async def _watch(self) -> None:
        await run_job(Job("link_watch", self.metrics), self.watch_once, every(_WATCH_SECONDS))

    async def report_once(self) -> None:
        """Show how many links there are in each state, and what waits."""
        figures = self.metrics.links
        async with self.database.connection() as connection:
            rules = await link_rule.find(connection)
            counts, waiting = await link_table.count(connection), await outbox.figures(connection)
            conflicts, lag = await conflict.waiting(connection), await link_rule.lag(connection)
            drift = await link_audit.drift(connection)
        self._forget_figures()
        for rule in rules:
            show_nothing(self.metrics, rule.name, (rule.left_source, rule.right_source))
        for rule in rules:
            figures.rule_state.labels(rule.name, rule.state).set(1)
            figures.conflicts_waiting.labels(rule.name).set(conflicts.get(rule.name, 0))
            figures.decide_lag.labels(rule.name).set(lag.get(rule.name, 0))
        for name, state, links in counts:
            figures.links.labels(name, state).set(links)
        oldest: dict[str, float] = {}
        for one in waiting:
            if one.state == "blocked":
                figures.blocked.labels(one.rule, one.kind).inc(one.writes)
                continue
            figures.waiting.labels(one.target, one.kind).inc(one.writes)
            if one.runs:
                oldest[one.target] = min(oldest.get(one.target, one.oldest_at.timestamp()), one.oldest_at.timestamp())
        for target, at in oldest.items():
            figures.oldest.labels(target).set(at)
        self._count_drift({rule.name: drift.get(rule.name, 0) for rule in rules})

    def _count_drift(self, found: dict[str, int]) -> None:
        """Count what audits, which are other processes, have found since this one leads."""
        for name, fields in found.items():
            self.metrics.links.drift.labels(name).inc(max(fields - self._drift.get(name, fields), 0))
        self._drift = found

    async def watch_once(self) -> None:
        """Show, and name in the log, the fields that are written to and fro."""
        async with self.database.connection() as connection:
            rules = await link_rule.find(connection)
            found = await outbox.oscillating(connection, since=now() - _HOUR, writes=OSCILLATES_FROM)
        links: dict[str, set[int]] = {rule.name: set() for rule in rules}
        for rule, link_id, name in found:
            links.setdefault(rule, set()).add(link_id)
            remedy = f"see `tmf656-bridge links show {link_id}`: something at one side changes back what we write"
            log.warning("field oscillates", rule=rule, link=link_id, field=name, remedy=remedy)
        for rule, ids in links.items():
            self.metrics.links.oscillating.labels(rule).set(len(ids))

    def _forget_figures(self) -> None:
        figures = self.metrics.links
        for gauge in (
            *(figures.links, figures.rule_state, figures.waiting, figures.oldest, figures.blocked),
            *(figures.conflicts_waiting, figures.decide_lag),
        ):
            gauge.clear()


def _poll_seconds(settings: Settings, rule: LinkSettings) -> dict[Side, float]:
    return {side: settings.sources[getattr(rule, side.value)].poll_interval_seconds for side in Side}


async def run_of(
    connection: Connection, name: str, settings: LinkSettings, sources: Mapping[str, SourceSettings]
) -> RuleRun | None:
    """Return a rule ready to run, without its key; None: the tables do not know one of its sources yet."""
    rule = rule_of(name, settings)
    ids = {side: await source_table.find(connection, source) for side, source in rule.sources.items()}
    known = {side: number for side, number in ids.items() if number is not None}
    if len(known) < len(ids):
        return None
    configured = {side: sources[source] for side, source in rule.sources.items()}
    return RuleRun(rule, 0, known, kinds_of(configured), addresses_of(configured))


def kinds_of(sources: Mapping[Side, SourceSettings]) -> dict[Side, str]:
    """The kind of system of each side."""
    return {side: source.kind for side, source in sources.items()}


def addresses_of(sources: Mapping[Side, SourceSettings]) -> dict[Side, str]:
    """Where the system of each side is."""
    return {side: source.url for side, source in sources.items()}
