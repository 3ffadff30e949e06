"""What goes wrong at a simulated DataMiner, beside what goes wrong with any request."""

from collections.abc import Collection
from dataclasses import dataclass

from bridge.simulator.request_faults import RequestFaults


@dataclass
class DataminerFaults(RequestFaults):
    """The faults of one server. Of the requests of `rate_limited_next`, routes are answered with error code 1014."""

    refuse: Collection[str] = frozenset()
    """Fields that nobody may write."""
    refuse_ended: bool = False
    """Tickets that ended take no change."""
