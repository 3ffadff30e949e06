"""People who log in to the console with a password: `bridge.console_user`. A change of password or role, and removal,
end the sessions of that user in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from bridge.domain.access import Role
from bridge.storage import console_session
from bridge.storage.database import Connection
from bridge.storage.queries import queries


class ConsoleUser(Struct, frozen=True):
    """What a login needs to know. `password_set_at`: None for one that is made."""

    name: str
    password_hash: str
    role: Role
    password_set_at: datetime | None = None


class ListedUser(Struct, frozen=True):
    """A user as lists show one."""

    name: str
    role: Role
    created_at: datetime
    password_set_at: datetime


async def find(connection: Connection, name: str) -> ConsoleUser | None:
    """Return a user by name."""
    row = await connection.fetchrow(queries("console_user")["find"], name)
    if row is None:
        return None
    return ConsoleUser(row["name"], row["password_hash"], Role(row["role"]), row["password_set_at"])


async def listed(connection: Connection) -> Sequence[ListedUser]:
    """Return all users by name."""
    rows = await connection.fetch(queries("console_user")["list"])
    return [ListedUser(row["name"], Role(row["role"]), row["created_at"], row["password_set_at"]) for row in rows]


async def add(connection: Connection, user: ConsoleUser) -> bool:
    """Add a user; False when the name is taken."""
    added = await connection.fetchval(queries("console_user")["add"], user.name, user.password_hash, user.role.value)
    return added is not None


async def set_password(connection: Connection, name: str, password_hash: str) -> bool:
    """Set a password; False when there is no such user."""
    return await _change(connection, "set_password", name, password_hash)


async def renew_hash(connection: Connection, name: str, password_hash: str, former: str) -> None:
    """Store another hash of the password that `former` is of; nothing where that has been changed since."""
    await connection.execute(queries("console_user")["renew_hash"], name, password_hash, former)


async def hold(connection: Connection, name: str, role: Role, password_set_at: datetime) -> bool:
    """Is a user still as that, with the password of then? If so nobody changes it until the end of the transaction."""
    held = await connection.fetchval(queries("console_user")["hold"], name, role.value, password_set_at)
    return held is not None


async def set_role(connection: Connection, name: str, role: Role) -> bool:
    """Set a role; False when there is no such user."""
    return await _change(connection, "set_role", name, role.value)


async def remove(connection: Connection, name: str) -> bool:
    """Remove a user; False when there is none of that name."""
    return await _change(connection, "remove", name)


async def _change(connection: Connection, statement: str, name: str, *values: str) -> bool:
    changed = await connection.fetchval(queries("console_user")[statement], name, *values)
    await console_session.end_of_user(connection, name)
    return changed is not None
