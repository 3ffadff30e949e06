"""Taking up callback secrets that were changed while we run: by `tmf656-bridge rotate-secret`, or by another process
that was started with another configured one.

Every process looks every other second, because every process listens. From then on it accepts the new secret and the
one before, and answers 410 to what was retired; the one that leads registers the new callback, make before break. Until
it has, the server posts to the old one, which is still accepted: nothing is refused. Postgres away: everything stays as
it is until it is back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import structlog

from bridge.errors import BridgeError
from bridge.jobs.feed import Feed
from bridge.jobs.pacing import jittered
from bridge.logs import hide
from bridge.storage import source
from bridge.storage.database import Database

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0


@dataclass(slots=True)
class Rotator:
    """Keeps the secrets of the feeds as the database has them."""

    feeds: Sequence[Feed]
    database: Database

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await anyio.sleep(jittered(_EVERY_SECONDS))
            try:
                await self.run_once()
            except BridgeError as error:
                log.debug("cannot look for changed secrets", error=str(error))

    async def run_once(self) -> list[str]:
        """Take up what has changed; return the names of the sources with another secret in force."""
        async with self.database.connection() as connection:
            accepted = await source.accepted(connection)
        changed = []
        for feed in self.feeds:
            secrets, retired = accepted.get(feed.source_id, (feed.secrets, feed.retired))
            if (secrets, retired) == (feed.secrets, feed.retired):
                continue
            for secret in secrets:
                hide(secret)
            renewed = secrets[0] != feed.secrets[0]
            feed.secrets, feed.retired = secrets, retired
            if renewed:
                feed.callback = f"{feed.callback.rpartition('/')[0]}/{secrets[0]}"
                changed.append(feed.name)
                log.info("callback secret changed", source=feed.name)
                if feed.follows is None:
                    feed.subscribe_wake.call("changed")
        return changed
