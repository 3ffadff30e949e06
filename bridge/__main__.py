"""`tmf656-bridge`, also `python -m bridge`."""

import sys
from types import TracebackType

import structlog

from bridge import cli


def main() -> None:
    """Run the command line and exit with its status; a defect ends the process with status 1 and a log line."""
    sys.excepthook = _log_defect
    sys.exit(cli.main())


def _log_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what nobody expected like everything else: as one line for machines, without secrets."""
    if structlog.is_configured() and issubclass(kind, Exception | BaseExceptionGroup):
        structlog.get_logger("bridge").critical("unexpected error, ending", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


if __name__ == "__main__":
    main()
