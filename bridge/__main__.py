"""`tmf656-bridge`, also `python -m bridge`."""

import gc
import os
import signal
import sys
from types import TracebackType

if sys.argv[1:2] in (["run"], ["worker"]):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until its handler is there: it must not end a bridge that starts
    gc.disable()  # nothing that is imported is garbage, and looking takes a tenth of the start; `on_loop` enables it

from bridge.cli import main as run_command
from bridge.cli.terminal import escape_unencodable


def main() -> None:
    """Run the command line and exit with its status; a defect ends the process with status 1 and a log line."""
    _open_missing_streams()
    sys.excepthook = _log_defect
    escape_unencodable()
    sys.exit(run_command())


def _open_missing_streams() -> None:
    """Give standard streams that were closed before the start /dev/null: the next socket or file would take their place
    and get what is printed, or the event loop would not close it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 -- for good


def _log_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log an unexpected error like everything else: as one line for machines, without secrets."""
    import structlog  # noqa: PLC0415 -- most commands never get here, and it takes as long to import as they take to run

    if structlog.is_configured() and issubclass(kind, Exception | BaseExceptionGroup):
        structlog.get_logger("bridge").critical("unexpected error, ending", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


if __name__ == "__main__":
    main()
