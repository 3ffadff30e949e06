"""The audit rows of commands: who runs one, and what it does, beside what people do in the console."""

import os
from getpass import getuser
from typing import Any

from bridge.storage.audit import COMMAND_LINE, AuditEntry


def who() -> str:
    """Name of the user of this machine who runs the command; a container may have none for its user."""
    try:
        return getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def entry(action: str, thing: str = "", *, before: Any = None, after: Any = None, reason: str = "") -> AuditEntry:
    """Return the row of what a command does; no secret is among it."""
    return AuditEntry(who(), None, COMMAND_LINE, action, thing, before=before, after=after, reason=reason)
