"""What a batch of decisions came to, for the decider and its metrics."""

from collections import Counter
from dataclasses import dataclass, field

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.word_map import Side
from bridge.links.decide_link import LinkOutcome


@dataclass(slots=True)
class BatchResult:
    """What a batch came to. `changes`: links to which something is to be written that was not before.

    `creates`: counterparts that are to be made. `echoes`: changes that were answers to our own writes. `over`: more
    counterparts would have been made than were allowed. `undecided`: links that an unexpected error kept from being
    decided. `duplicates`: tickets that carry the key of another, found now. `conflicts`: by kind. `bereft`: tickets
    that are ended, or get another counterpart, because theirs is gone. `renewed`: links begun for other counterparts.
    `edited_notes`: notes that were edited after they were copied, by side.
    """

    linked: int = 0
    changes: int = 0
    creates: int = 0
    echoes: int = 0
    over: bool = False
    wrote: bool = False
    undecided: int = 0
    duplicates: int = 0
    bereft: int = 0
    renewed: int = 0
    unmapped: list[str] = field(default_factory=list)
    conflicts: dict[ConflictKind, int] = field(default_factory=dict)
    edited_notes: Counter[Side] = field(default_factory=Counter)

    @property
    def useful(self) -> bool:
        """Did anything come of it? An echo is the end of something that did."""
        found = self.linked, self.changes, self.creates, self.echoes, self.undecided, self.bereft, self.renewed
        return self.wrote or any(found)

    def count(self, outcome: LinkOutcome) -> None:
        """Take what was stored for one link."""
        self.wrote |= bool(outcome.wanted)
        self.renewed += outcome.renewed is not None
        for found in outcome.conflicts:
            self.conflicts[found.kind] = self.conflicts.get(found.kind, 0) + 1
            if found.kind is ConflictKind.UNMAPPED:
                self.unmapped.append(found.field)
