"""What a pass found, in sentences: shown by `sync` and by the console. Pure."""

from collections.abc import Iterator

from bridge.pull.page_import import Tally


def summary(name: str, tally: Tally, *, full: bool) -> Iterator[str]:
    """Say what a pass over source `name` found, and what it did about missing problems. `full`: a reconcile pass."""
    outcomes = ", ".join(f"{number:,} {name}" for name, number in sorted(tally.outcomes.items()) if number) or "nothing"
    yield f"{tally.problems:,} rows on {tally.pages:,} pages (pages may overlap): {outcomes}"
    if tally.unreadable:
        yield f"{tally.unreadable:,} could not be read: see `tmf656-bridge dead-letters list`"
    if not tally.completeness.complete:
        yield f"the pass was {tally.completeness}"
        yield "nothing was looked for as deleted" if full else "the next polls read the same time again"
    if tally.missing is None:
        return
    found = tally.deletion
    yield (
        f"{len(tally.missing):,} problems are missing from the list, {len(tally.missing.once):,} of them for the first "
        f"time: {found.deleted:,} deleted, {found.given:,} still there by id, {found.held_back:,} held back"
    )
    if found.held_back:
        yield f"held back: {found.reason or 'not asked for by id yet'}"
    elif tally.missing.once and not found.deleted:
        yield f"after a second pass without them they are asked for by id: tmf656-bridge sync {name} --full"
