"""Reads what is stored of a source again when its `status_map` or `priority_map` changed.

Words that are not understood are often mapped after weeks. The next pass reads current problems again by itself; this
does the same for what no list shows any more, and for the past: versions and status changes, from which the reports
follow. Only the leader does this, each step is fenced, and it pauses as long as each step took, so that senders do not
wait.
"""

from dataclasses import dataclass
from time import monotonic

import anyio
import structlog

from bridge.domain.vocabulary import BUILT_IN
from bridge.schedule import run_job
from bridge.sources.state import SourceState
from bridge.storage import vocabulary_walk
from bridge.storage.database import Database
from bridge.storage.vocabulary_walk import VocabularyWalk
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_PROBLEMS = 200
"""Problems in a step."""
_LOG_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 10.0
"""A process that has not read the new settings yet may write with the old words behind the walk."""


@dataclass(slots=True)
class VocabularyUpkeep:
    """Keeps what is stored of one source in step with its words; another object is made when these change."""

    source: SourceState
    database: Database
    metrics: Metrics
    wait_seconds: float = _LOOK_AGAIN_SECONDS
    _logged_at: float = 0.0

    async def run(self) -> None:
        """Read again what was read with other words, once all processes know these."""
        await anyio.sleep(self.wait_seconds)
        await run_job(self.source.job("vocabulary", self.metrics), self.run_once, anyio.sleep_forever)

    async def run_once(self) -> int:
        """Walk to the end; return how many problems changed."""
        began = False
        while True:
            started = monotonic()
            async with self.database.transaction() as connection:
                await self.source.fence.hold(connection)
                walk = await vocabulary_walk.read(connection, self.source.source_id)
                known = BUILT_IN.digest if walk is None else walk.digest
                if known != self.source.vocabulary.digest:
                    walk = VocabularyWalk(self.source.vocabulary.digest, "", 0, finished=False)
                    await vocabulary_walk.begin(connection, self.source.source_id, walk.digest)
                elif walk is None or walk.finished:
                    return 0
                changed = await vocabulary_walk.step(
                    connection, self.source.source_id, walk, self.source.vocabulary, problems=_PROBLEMS
                )
            if not began:
                began = True
                log.info("reading what is stored again with other words", source=self.source.name)
            if changed is not None:
                log.info("read again with other words", source=self.source.name, changed=changed)
                return changed
            self._log_progress(walk)
            await anyio.sleep(monotonic() - started)

    def _log_progress(self, walk: VocabularyWalk) -> None:
        if monotonic() - self._logged_at > _LOG_SECONDS:
            self._logged_at = monotonic()
            log.info("reading again goes on", source=self.source.name, after=walk.walked_id, changed=walk.changed)
