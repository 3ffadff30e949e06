"""What systemd wants to hear of a service of `Type=notify` (sd_notify(3)): that it is ready, stops, and still turns.

Without `NOTIFY_SOCKET` nothing is sent. A message that does not arrive is no trouble of ours: systemd will do what it
does with a service that says nothing.
"""

import os
import socket
from contextlib import suppress

import anyio

VARIABLES = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""Environment variables that make a process the one systemd listens to."""


def notify(state: str) -> None:
    """Send `READY=1`, `STOPPING=1`, `WATCHDOG=1`, or words for people (`STATUS=…`); returns at once."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sending:
        sending.sendto(state.encode(), address)


def watchdog_seconds() -> float | None:
    """After how long without a word this process is taken for dead; None when nobody watches it."""
    usec, watched = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (watched and watched != str(os.getpid())):
        return None
    return int(usec) / 1_000_000


async def keep_telling() -> None:
    """Say as often as is wanted that the event loop turns; for ever, or not at all."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await anyio.sleep(seconds / 3)
