"""What needs a person at this moment, in a line above the list of problems; each part leads to the page that says more.

It is read once for all users, and kept for a few seconds, or for fifty times as long as Postgres needed for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import anyio
from msgspec import Struct

from bridge.sources.remark import counted
from bridge.storage import console_source
from bridge.storage.console_source import SourceGlance, Waiting
from bridge.web.console.visit import Visit

FRESH_SECONDS: Final = 3.0
_SHARE: Final = 50
_MOST_NAMED: Final = 5
"""More sources than these are a number."""
_PERSISTENT: Final = 3
"""A job that failed less often in a row is most likely a passing fault of the network."""


class Attention(Struct, frozen=True):
    """A part of the line, and the path of the page that says more."""

    text: str
    path: str


@dataclass(slots=True)
class AttentionLine:
    """Keeps what was read last."""

    _found: Sequence[Attention] = ()
    _until: float = float("-inf")
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def read(self, visit: Visit) -> Sequence[Attention]:
        """Return the parts of the line, the gravest first; none where all is well."""
        if monotonic() >= self._until:
            async with self._reading:
                began = monotonic()
                if began >= self._until:
                    async with visit.reading() as connection:
                        sources = await console_source.glance(connection)
                        waiting = await console_source.waiting(connection)
                    self._found = list(attention(sources, waiting))
                    self._until = monotonic() + max(FRESH_SECONDS, _SHARE * (monotonic() - began))
        return self._found


def attention(sources: Sequence[SourceGlance], waiting: Waiting) -> Iterator[Attention]:
    """Say what needs a person, the gravest first."""
    if not waiting.led:
        yield Attention("no bridge is running on this database: nothing is followed", "/sources")
    troubled = [(one, text) for one in sources if (text := trouble_of(one))]
    for one, text in troubled[:_MOST_NAMED]:
        yield Attention(f"{one.name} {text}", f"/sources#source-{one.name}")
    if len(troubled) > _MOST_NAMED:
        yield Attention(f"{counted(len(troubled) - _MOST_NAMED, 'more source')} in trouble", "/sources")
    if waiting.blocked:
        blocked = "is" if waiting.blocked == 1 else "are"
        yield Attention(f"{counted(waiting.blocked, 'write')} {blocked} blocked", "/outbox?state=blocked")
    if waiting.conflicts:
        wait = "waits" if waiting.conflicts == 1 else "wait"
        yield Attention(f"{counted(waiting.conflicts, 'conflict')} {wait} for a decision", "/conflicts")
    if waiting.dead_letters:
        wait = "waits" if waiting.dead_letters == 1 else "wait"
        yield Attention(f"{counted(waiting.dead_letters, 'dead letter')} {wait}", "/dead-letters")


def trouble_of(source: SourceGlance) -> str:
    """Say what is the matter with a source in a few words, the gravest only; "" where nothing is."""
    failing = [name for name, times in sorted(source.failures.items()) if times >= _PERSISTENT]
    if "poll" in failing or "reconcile" in failing:
        return "cannot be read"
    if source.incomplete:
        return "is not read completely"
    if source.held_back:
        return "lacks problems that are not recorded as deleted"
    if source.mode == "fallback":
        return "is polled, because its notifications do not come"
    return f"fails at: {', '.join(failing)}" if failing else ""
