"""What happens to the tickets of a simulated DataMiner while nobody writes to them by the API."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

_TROUBLE: Final = (
    "Signal lost",
    "High bit error rate",
    "Fan failure",
    "Link flapping",
    "Temperature high",
    "No carrier",
)
_PLACES: Final = ("Antwerp", "Lisbon", "Singapore", "Denver", "Nairobi", "Oslo")
_WHAT: Final = ("modulator", "demodulator", "switch", "encoder", "amplifier")

Following = Mapping[str, Sequence[str]]

ROUTES_FOLLOWING: Final[Following] = {
    "Acknowledged": ("In Progress", "Rejected"),
    "In Progress": ("On Hold", "Pending", "Resolved", "Resolved", "Cancelled"),
    "On Hold": ("In Progress",),
    "Pending": ("In Progress",),
    "Resolved": ("Closed", "Closed", "In Progress"),
}
LEGACY_FOLLOWING: Final[Following] = {
    "New": ("Assigned",),
    "Assigned": ("In Progress",),
    "In Progress": ("On Hold", "Solved", "Solved"),
    "On Hold": ("In Progress",),
    "Solved": ("Closed", "Closed", "In Progress"),
}
NOTES: Final = ("Field engineer is on the way.", "Spare part ordered.", "Customer informed.", "Seen again at night.")


class Lives:
    """Makes up tickets and what comes next in them."""

    def __init__(self, dice: Random, following: Following) -> None:
        """`following`: which states can come after a state."""
        self._dice = dice
        self._following = following

    def name(self) -> str:
        """Make up what is wrong."""
        return f"{self._dice.choice(_TROUBLE)} at {self._dice.choice(_WHAT)} in {self._dice.choice(_PLACES)}"

    def pick(self, choices: Sequence[Any]) -> Any:
        """Draw one."""
        return self._dice.choice(choices)

    def chance(self, share: float) -> bool:
        """Draw: True with this probability."""
        return self._dice.random() < share

    def next_state(self, state: str) -> str | None:
        """Return a state that follows, None after the last one."""
        return self._dice.choice(self._following[state]) if state in self._following else None
