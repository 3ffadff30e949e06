"""What goes wrong with the requests to a simulated ticket system; every field may be changed while it runs.

Shares are probabilities from 0 to 1; a `…_next` counts requests that are hit for certain.
"""

from dataclasses import dataclass, field
from random import Random


@dataclass
class RequestFaults:
    """The faults of one server, whatever its kind."""

    error_rate: float = 0.0
    """Share of requests that are answered 500 before anything is done."""
    fail_next: int = 0
    rate_limited_next: int = 0
    """So many requests are answered 429."""
    retry_after_seconds: int = 1
    slow_seconds: float = 0.0
    """Each answer comes so late."""
    lose: float = 0.0
    """Share of writes that are carried out and never answered: the connection ends."""
    lose_next: int = 0
    late: float = 0.0
    """Share of writes whose caller gets no answer, and which are carried out `late_seconds` afterwards, as a script
    whose caller timed out is.
    """
    late_next: int = 0
    late_seconds: float | None = None
    """None: when `carry_out_late` of the simulator is called."""
    cut: float = 0.0
    """Share of answers that end in the middle."""
    cut_next: int = 0
    normalise: bool = False
    """Texts are stored without blanks at their ends and with single blanks inside."""
    longest_text: int | None = None
    """Longer texts are cut when they are stored."""
    stale: bool = False
    """Lists show the tickets as they were before the last change."""
    down: bool = False
    """No request is answered."""
    dice: Random = field(default_factory=Random, repr=False, compare=False)

    def takes(self, name: str) -> bool:
        """Use up one of the next faults of this name, or draw one from its share."""
        counter = f"{name}_next"
        waiting: int = getattr(self, counter)
        if waiting > 0:
            setattr(self, counter, waiting - 1)
            return True
        share: float = getattr(self, {"fail": "error_rate"}.get(name, name), 0.0)
        return share > 0 and self.dice.random() < share

    def stored(self, text: str) -> str:
        """Return a text as it is stored."""
        kept = " ".join(text.split()) if self.normalise else text
        return kept if self.longest_text is None else kept[: self.longest_text]
