"""Taking over callback secrets that changed while we run: by `tmf656-bridge rotate-secret`, or by another process that
was started with another configured one.

Every process looks every other second, because every process listens. From then on it accepts the new secret and the
one before, and answers 410 to retired ones; the leader registers the new callback, make before break. Until it has, the
server posts to the old one, which is still accepted: nothing is refused. While Postgres is away nothing changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from bridge.errors import PermanentError
from bridge.schedule import Job, every, run_job
from bridge.settings import SourceSettings
from bridge.sources.state import SourceState
from bridge.storage import source as source_table
from bridge.storage.database import Connection, Database
from bridge.telemetry.logs import hide
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0


def refuse_configured_secret(name: str, settings: SourceSettings) -> None:
    """PermanentError when the configuration sets the secret of a source: another one would not be used."""
    if settings.callback_secret.get_secret_value():
        raise PermanentError(
            f"the secret of {name} is configured: change sources.{name}.callback_secret and restart; the one "
            "before stays accepted"
        )


async def rotate(connection: Connection, name: str) -> None:
    """Put another secret in force; PermanentError when the source has none yet. Run inside a transaction."""
    if not await source_table.rotate_secret(connection, name):
        raise PermanentError(f"{name} has no callback yet: the first `tmf656-bridge run` makes it")


@dataclass(slots=True)
class CallbackSecretWatch:
    """Keeps the secrets of the sources as the database has them."""

    sources: Mapping[str, SourceState]
    database: Database
    metrics: Metrics = field(default_factory=Metrics)

    async def run(self) -> None:
        """Look every other second, until cancelled."""
        await run_job(Job("callback_secret", self.metrics), self.run_once, every(_EVERY_SECONDS), wait_first=True)

    async def run_once(self) -> list[str]:
        """Take over what has changed; return the names of the sources with another secret in force."""
        async with self.database.connection() as connection:
            accepted = await source_table.accepted(connection)
        changed = []
        for source in list(self.sources.values()):
            secrets, retired = accepted.get(source.source_id, (source.secrets, source.retired))
            if (secrets, retired) == (source.secrets, source.retired):
                continue
            for secret in secrets:
                hide(secret)
            renewed = secrets[0] != source.secrets[0]
            source.secrets, source.retired = secrets, retired
            if renewed:
                source.callback = f"{source.callback.rpartition('/')[0]}/{secrets[0]}"
                changed.append(source.name)
                log.info("callback secret changed", source=source.name)
                if source.leads:
                    source.subscribe_wake.call("changed")
        return changed
