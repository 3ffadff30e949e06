"""Notifications to systemd for a service of `Type=notify` (sd_notify(3)): ready, stopping, and the watchdog.

Without `NOTIFY_SOCKET` nothing is sent. A message that cannot be sent is ignored: systemd then acts as configured for a
service that does not notify it.
"""

import os
import socket
from contextlib import suppress

import anyio

VARIABLES = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""Environment variables by which systemd asks a process for notifications."""


def notify(state: str) -> None:
    """Send `READY=1`, `STOPPING=1`, `WATCHDOG=1`, or text for operators (`STATUS=…`); returns at once."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sending:
        sending.sendto(state.encode(), address)


def watchdog_seconds() -> float | None:
    """Return after how long without a notification systemd kills this process; None without a watchdog."""
    usec, watched = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (watched and watched != str(os.getpid())):
        return None
    return int(usec) / 1_000_000


async def feed_watchdog() -> None:
    """Notify the watchdog from the event loop, three times per period, for ever; return at once without a watchdog."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await anyio.sleep(seconds / 3)
