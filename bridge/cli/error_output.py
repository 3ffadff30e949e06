"""Saying on standard error what failed."""

import errno
import os
import sys

from bridge.cli.terminal import safe

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF))


def complain(first: str, *more: str) -> None:
    """Print `error:` and the first line behind it, then the others."""
    from rich.console import Console  # noqa: PLC0415 - takes longer to import than most commands, and few calls fail

    console = Console(stderr=True, highlight=False)
    console.print("error:", style="bold red", end=" ")
    for line in (first, *more):
        console.print(safe(line), markup=False, soft_wrap=True)


def output_failed(error: OSError) -> bool:
    """Return whether this error is that standard output takes nothing more; then what is left of it is dropped."""
    if error.errno not in _FULL or error.filename is not None:
        return False
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return True
    return False
