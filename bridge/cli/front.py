"""`front`: the process that serves the console, started by `run`."""

from bridge.cli.options import on_loop
from bridge.workers import front_child


def front() -> None:
    """Be the process that serves the console; not for people."""
    on_loop(front_child.run)
