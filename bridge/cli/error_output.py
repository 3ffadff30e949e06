"""Saying on standard error what failed."""

from rich.console import Console


def complain(first: str, *more: str) -> None:
    """Print `error:` and the first line behind it, then the others."""
    console = Console(stderr=True, highlight=False)
    console.print("error:", style="bold red", end=" ")
    for line in (first, *more):
        console.print(line, markup=False, soft_wrap=True)
