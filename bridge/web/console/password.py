"""Passwords: argon2id with OWASP's small profile (19 MiB, two passes), in a thread, at most two at a time.

A name that does not exist costs as much as a wrong password, so that nobody learns names from the time an answer takes.
"""

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 10
LONGEST = 1024
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$Di8kpDlqra9dFjmMPinU/Q$6VHLxPMl+dlmDZuumipZ1//QaD/eh49baGhndqtQ660"
"""Of a random password that was not kept."""


class PasswordCheck:
    """Hashes and checks, two at a time."""

    def __init__(self) -> None:
        """Make it on the event loop it is used on."""
        self._threads = anyio.CapacityLimiter(2)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Is this the password of that hash? None: of a user that does not exist, never."""
        if len(password) > LONGEST:
            password = ""
        return await anyio.to_thread.run_sync(_matches, stored, password, limiter=self._threads)

    async def renewed(self, stored: str, password: str) -> str | None:
        """Return another hash where the stored one was made with other parameters, else None."""
        if not _hasher.check_needs_rehash(stored):
            return None
        return await anyio.to_thread.run_sync(hashed, password, limiter=self._threads)


def hashed(password: str) -> str:
    """Return the hash to store; takes about 50 ms."""
    return _hasher.hash(password)


def fault_of(password: str) -> str | None:
    """Say what is wrong with a new password, None when it can be used."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a password has {SHORTEST} to {LONGEST} characters"
    return None


def _matches(stored: str | None, password: str) -> bool:
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
