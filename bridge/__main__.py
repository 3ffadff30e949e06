"""`tmf656-bridge`, also `python -m bridge`."""

import sys
from importlib import import_module
from types import TracebackType

from bridge import lean


def main() -> None:
    """Run the command line and exit with its status; a defect ends the process with status 1 and a log line."""
    lean.prepare()
    sys.excepthook = _log_defect
    status = import_module("bridge.cli").main()
    lean.finish()
    sys.exit(status)


def _log_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what nobody expected like everything else: as one line for machines, without secrets."""
    structlog = import_module("structlog")
    if structlog.is_configured() and issubclass(kind, Exception | BaseExceptionGroup):
        structlog.get_logger("bridge").critical("unexpected error, ending", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


if __name__ == "__main__":
    main()
