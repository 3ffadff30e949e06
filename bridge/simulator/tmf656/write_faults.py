"""What the simulated server does wrong with what is written to it, on purpose. All of it can be changed while it runs.

A write meets one `Fate`: the next of `fates`, else one drawn by the probabilities.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

Json = dict[str, Any]
Fate = Literal["done", "lose_request", "lose_answer", "late"]
"""`lose_request`: not carried out, no answer; `lose_answer`: carried out, no answer; `late`: no answer, carried out
`late_seconds` later.
"""
Refusal = tuple[int, str]
"""A status and the words of the server."""


@dataclass
class WriteFaults:
    """Faults of writes (POST, PATCH, DELETE of a problem). The defaults are a server without fault."""

    lose_request: float = 0.0
    lose_answer: float = 0.0
    late: float = 0.0
    """Probabilities of the fates."""
    fates: deque[Fate] = field(default_factory=deque)
    """What happens to the next writes, one each."""
    late_seconds: float | None = 0.05
    """How late; None: not before `Simulator.finish_late`."""
    refuse: Callable[[str, Json], Refusal | None] | None = None
    """Asked with ("create" or "patch", v4-named attributes): what to refuse the write with; None: take it."""
    rewrite: Callable[[Json], Json] | None = None
    """What the server makes of v4-named attributes before it takes them: texts normalised, cut, forgotten."""
    accept: bool = False
    """A write is answered 202 at once, and carried out late."""
    no_content: bool = False
    """A PATCH is answered 204, a POST 201 with `Location` and without a body."""
    stale_reads: int = 0
    """So many of the next reads (a list, or GET by id) answer what problems were before their last change."""
    append_lists: bool = False
    """A merge patch with a list adds to the list that is there."""
    media_types: Collection[str] | None = None
    """Media types that a PATCH may have, without parameters; others are answered 415. None: any."""
    takes_json_patch: bool = True
    """False: a JSON patch is answered 415."""

    def fate(self, dice: Random) -> Fate:
        """Return what happens to the next write."""
        if self.fates:
            return self.fates.popleft()
        drawn = dice.random() if self.lose_request or self.lose_answer or self.late else 1.0
        if drawn < self.lose_request:
            return "lose_request"
        if drawn < self.lose_request + self.lose_answer:
            return "lose_answer"
        return "late" if drawn < self.lose_request + self.lose_answer + self.late else "done"

    def take_stale(self) -> bool:
        """Use up one of the next stale reads."""
        taken = self.stale_reads > 0
        self.stale_reads -= taken
        return taken

    def takes(self, media_type: str) -> bool:
        """May a PATCH have this media type?"""
        if media_type.endswith("json-patch+json") and not self.takes_json_patch:
            return False
        return self.media_types is None or media_type in self.media_types
