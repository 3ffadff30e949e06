"""Who is logged in to the console: `bridge.console_session`. Only the hash of a token is stored, so a copy of the
table opens no session.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from bridge.domain.access import Login, Role
from bridge.storage.database import Connection
from bridge.storage.queries import queries

IDLE: Final = timedelta(minutes=60)
LONGEST: Final = timedelta(hours=12)
_TOKEN_BYTES = 32


class ConsoleSession(Struct, frozen=True):
    """A session that goes on. `confirmed_at`: when the password was last given; None for one that is made: now.
    `password_set_at`: of the password that one is made by, else None.
    """

    user: str
    role: Role
    login: Login
    confirmed_at: datetime | None = None
    password_set_at: datetime | None = None


class ListedSession(Struct, frozen=True):
    """A session as lists show one; `key` opens nothing."""

    key: str
    user: str
    role: Role
    login: Login
    address: str
    made_at: datetime
    seen_at: datetime


async def find(connection: Connection, token: str) -> ConsoleSession | None:
    """Return the session of a token, None when it has ended or there was none."""
    row = await connection.fetchrow(queries("console_session")["find"], _hash(token), IDLE)
    if row is None:
        return None
    return ConsoleSession(row["user_name"], Role(row["role"]), Login(row["login"]), row["confirmed_at"])


async def make(connection: Connection, session: ConsoleSession, address: str) -> str:
    """Begin a session; return its token. Rows of sessions that are over go."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    statements = queries("console_session")
    await connection.execute(statements["remove_over"], IDLE)
    await connection.execute(
        statements["make"],
        _hash(token),
        session.user,
        session.role.value,
        session.login.value,
        address,
        LONGEST,
        session.confirmed_at,
    )
    return token


async def confirm(connection: Connection, token: str) -> None:
    """Keep that the holder of a session has just given the password again."""
    await connection.execute(queries("console_session")["confirm"], _hash(token))


async def end(connection: Connection, token: str) -> None:
    """End a session, if there is one."""
    await connection.execute(queries("console_session")["end"], _hash(token))


async def listed(connection: Connection) -> Sequence[ListedSession]:
    """Return the sessions that go on, the last used first, 500 at most."""
    rows = await connection.fetch(queries("console_session")["list"], IDLE)
    return [
        ListedSession(
            row["key"],
            row["user_name"],
            Role(row["role"]),
            Login(row["login"]),
            row["address"],
            row["made_at"],
            row["seen_at"],
        )
        for row in rows
    ]


async def count(connection: Connection) -> int:
    """Return how many sessions go on."""
    return int(await connection.fetchval(queries("console_session")["count"], IDLE))


async def end_listed(connection: Connection, key: str) -> str | None:
    """End the session with the key of a list; return whose it was, None when there is none."""
    user: str | None = await connection.fetchval(queries("console_session")["end_listed"], key)
    return user


async def end_of_user(connection: Connection, name: str) -> None:
    """End every session of a user."""
    await connection.execute(queries("console_session")["end_of_user"], name)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
