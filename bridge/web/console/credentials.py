"""What people log in and confirm with: a name and password, or the admin token.

Ten refusals in a quarter of an hour, for one name or from one address, and the next tries are answered 429 without a
look at the password. A name that does not exist is answered as a wrong password is, after the same time.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from bridge.domain.access import Login, Role
from bridge.storage import audit, console_user
from bridge.storage.audit import AuditEntry
from bridge.storage.console_session import ConsoleSession
from bridge.web.console.login import Authenticator
from bridge.web.console.password import PasswordCheck
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

LONGEST_NAME: Final = 100
TOKEN_USER: Final = "token"  # noqa: S105 -- the name that sessions of the admin token have
_MOST_REFUSALS = 10
_WITHIN = timedelta(minutes=15)


@dataclass(slots=True)
class LoginCredentials:
    """Checks them."""

    authenticator: Authenticator
    _passwords: PasswordCheck = field(default_factory=PasswordCheck)

    async def refuse_many(self, visit: Visit, actor: str) -> None:
        """Raise Refusal (429) after too many wrong logins for this name or from this address."""
        async with visit.writing() as connection:
            refusals = max(await audit.refused_logins(connection, actor, visit.address, _WITHIN))
        if refusals >= _MOST_REFUSALS:
            message = "There were too many wrong logins for this name or from this address. Wait a quarter of an hour."
            raise Refusal(429, "too_many_tries", message, retry_after_seconds=_WITHIN.total_seconds())

    async def note_refused(self, visit: Visit, actor: str, reason: str) -> None:
        """Keep a wrong login."""
        entry = AuditEntry(actor, None, visit.address, "login", outcome="refused", reason=reason)
        async with visit.writing() as connection:
            await audit.record(connection, entry)

    def by_token(self, token: str) -> ConsoleSession | None:
        """Return the session that the admin token opens, None for any other token."""
        known = self.authenticator.is_admin_token(token)
        return ConsoleSession(TOKEN_USER, Role.ADMIN, Login.TOKEN) if known else None

    async def by_password(self, visit: Visit, name: str, password: str) -> ConsoleSession | None:
        """Return the session that a name and its password open, None where one of them is wrong."""
        async with visit.reading() as connection:
            user = await console_user.find(connection, name) if name.isprintable() else None
        if not await self._passwords.matches(user.password_hash if user else None, password) or user is None:
            return None
        renewed = await self._passwords.renewed(user.password_hash, password)
        if renewed is not None:
            async with visit.writing() as connection:
                await console_user.renew_hash(connection, name, renewed, user.password_hash)
        return ConsoleSession(user.name, user.role, Login.PASSWORD, password_set_at=user.password_set_at)
