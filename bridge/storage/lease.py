"""Leases: work that only one of several processes on a database does at a time.

A lease is a row with a holder, a time at which it expires (Postgres' clock: those of the machines do not matter) and a
token that grows with every change of holder. It can be taken when it has expired, and at once when its holder has no
connection left (killed, or gone with its machine). A holder that was paused and comes back does not know that it lost
the lease; so what it writes under the lease is *fenced*: `hold` is called inside the same transaction, fails unless the
token is still the current one, and keeps the lease from changing hands until the commit. Paused between the two, it
keeps it for as long as Postgres lets a transaction idle (`bridge.storage.database`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from bridge.errors import TransientError
from bridge.storage.database import Connection
from bridge.storage.queries import queries

_RENEWAL_SECONDS = 1.0
"""A renewal that takes longer waits for a transaction that waits for us."""
LEADER = "jobs"
"""Name of the lease that the leader holds."""


class LeaseLostError(TransientError):
    """Another process has taken over; what was to be written under the lease must not be."""


async def take(connection: Connection, name: str, holder: str, *, seconds: float) -> int | None:
    """Take or renew a lease for so long; return its token, or None while somebody else holds it.

    `holder` is `Database.identity`.
    """
    token = await connection.fetchval(queries("lease")["take"], name, holder, seconds)
    return None if token is None else int(token)


async def hold(connection: Connection, name: str, token: int) -> None:
    """Inside a transaction: make sure that the token is current until the commit; LeaseLostError when it is not."""
    if await connection.fetchval(queries("lease")["hold"], name, token) is None:
        raise LeaseLostError(f"the lease {name!r} has gone to another process")


async def release(connection: Connection, name: str, holder: str) -> None:
    """Let it go, so that another process need not wait for it to expire."""
    await connection.execute(queries("lease")["release"], name, holder)


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who has a lease or had it last. `held`: it still has it."""

    holder: str
    renewed_seconds_ago: float
    held: bool


async def find_holder(connection: Connection, name: str) -> LeaseHolder | None:
    """Return who has a lease or had it last; None: nobody ever had it."""
    row = await connection.fetchrow(queries("lease")["holder"], name)
    return None if row is None else LeaseHolder(row["holder"], row["renewed_seconds_ago"], row["held"])


@dataclass(slots=True)
class LeaderFence:
    """What keeps writes under a lost lease out. Without a token (commands that run once) everything passes."""

    token: int | None = None
    _renewal: anyio.Event | None = None

    @contextmanager
    def renewal(self) -> Iterator[None]:
        """While the lease is renewed, transactions that do not hold it yet wait a moment: Postgres lets one after the
        other share the row, and the renewal would never get it.
        """
        self._renewal = done = anyio.Event()
        try:
            yield
        finally:
            self._renewal = None
            done.set()

    async def hold(self, connection: Connection) -> None:
        """Inside a transaction: LeaseLostError unless the lease is still ours; it stays ours until the commit."""
        if self.token is None:
            return
        if (renewal := self._renewal) is not None:
            with anyio.move_on_after(_RENEWAL_SECONDS):
                await renewal.wait()
        await hold(connection, LEADER, self.token)
