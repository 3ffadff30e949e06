"""Saying on standard error what failed."""

from bridge.cli.terminal import safe


def complain(first: str, *more: str) -> None:
    """Print `error:` and the first line behind it, then the others."""
    from rich.console import Console  # noqa: PLC0415 - takes longer to import than most commands, and few calls fail

    console = Console(stderr=True, highlight=False)
    console.print("error:", style="bold red", end=" ")
    for line in (first, *more):
        console.print(safe(line), markup=False, soft_wrap=True)
