"""Start a program as another user, tied to the life of the process that starts it.

`command` builds an argument list for `subprocess`, and that list runs this file as a script: it gives up root, asks the
kernel for a signal on the parent's death, and replaces itself with the program by exec (same process id, so the program
is a direct child). `preexec_fn` would run Python between fork and exec of a process with threads; `user=` would fail
where that user cannot reach the interpreter.

The signal comes when the *thread* that forked ends, not the process: start it from a thread that lives as long as the
program should. Outside Linux there is no such signal, and the program outlives a killed parent.
"""

import ctypes
import os
import signal
import sys

Identity = tuple[int, int]
"""User id and group id to run as."""

_PR_SET_PDEATHSIG = 1


def command(
    program: "os.PathLike[str]", *arguments: str, death_signal: signal.Signals, identity: Identity | None = None
) -> list[str]:
    """Return the argument list that runs `program`; it gets `death_signal` when the starting thread dies.

    `identity`: the user and only group to run as, which needs root; None: the current user.
    """
    user, group = ("", "") if identity is None else map(str, identity)
    first = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), user, group]
    return [*first, os.fspath(program), *arguments]


def _become(user_id: int, group_id: int) -> None:
    os.setgroups([])
    os.setgid(group_id)
    os.setuid(user_id)


def _die_with_parent(parent: int, death_signal: int) -> None:
    """Request the signal, then check that the parent still lives. A later change of user would cancel the request."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit(f"the process {parent} that asked for this is gone")


def _main(parent: str, death_signal: str, user: str, group: str, *program: str) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and that would be inherited
    if user:
        _become(int(user), int(group))
    _die_with_parent(int(parent), int(death_signal))
    os.execv(program[0], program)  # noqa: S606 -- no shell is what is wanted


if __name__ == "__main__":
    _main(*sys.argv[1:])
