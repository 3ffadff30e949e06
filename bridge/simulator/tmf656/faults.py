"""What the simulated server does wrong, on purpose. All of it can be changed while the server runs; the next request
or event obeys.

Probabilities are 0 to 1 and drawn from a generator of their own, so that faults do not disturb the lives of the
problems. A field whose name begins with `fail_next`, `cut_next` or `rate_limited` counts down to 0.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timezone
from random import Random
from typing import Literal

from bridge.simulator.tmf656.write_faults import WriteFaults

Operation = Literal["list", "get", "create", "patch", "delete", "task", "hub", "token", "other"]
"""What a request wants; faults of requests can be limited to some of these."""


@dataclass
class Faults:
    """Faults of deliveries, of the hub, of answers and of lists. The defaults are a server without fault."""

    # deliveries
    lose: float = 0.0
    """Probability that a notification is never sent."""
    duplicate: float = 0.0
    """Probability that a notification is sent twice, with the same eventId."""
    delay: float = 0.0
    """Probability that a notification is sent only `delay_seconds` later."""
    delay_seconds: float = 1.0
    shuffle: float = 0.0
    """Probability that a notification waits until up to `shuffle_window` are together (or `shuffle_seconds` passed):
    these go in any order.
    """
    shuffle_window: int = 8
    shuffle_seconds: float = 0.05
    partial: bool | None = None
    """Send merge patches (id, href, changed attributes) instead of whole problems.

    None: as the version does (v5: state changes only).
    """
    thin: bool = False
    """Send nothing of the problem but id and href."""
    without_event_id: bool = False
    without_event_time: bool = False
    both: bool = False
    """Send an AttributeValueChange beside each StateChange, under its own eventId."""
    attribute_change_only: bool = False
    """Send AttributeValueChange for a change of status, too."""
    delete_event: bool | None = None
    """Send an event on DELETE. None: as the version does (only v5)."""

    # hub
    forget_subscriptions_after: int | None = None
    """After so many deliveries the server silently forgets every subscription, once."""
    drop_after_failures: int | None = None
    """After so many failed deliveries in a row a subscription is silently dropped."""
    hub_absent: bool | int = False
    """There is no hub: answered 404, or the given status (405, 501)."""
    hub_conflict: bool = False
    """Only one subscription is allowed: a second registration is answered 409."""
    hub_answer: int = 201
    """201 or 200 with the subscription; 204 with `Location` only."""
    hub_readable: bool = False
    """Serve GET /hub and GET /hub/{id}, which the standard does not have."""

    writes: WriteFaults = field(default_factory=WriteFaults)
    """Faults of POST, PATCH and DELETE."""

    # answers
    operations: Collection[Operation] = frozenset()
    """The faults of answers below hit only these operations; empty: all but the token endpoint."""
    unauthorised: bool = False
    rate_limited: int = 0
    """So many of the next requests are answered 429 with `Retry-After: retry_after_seconds`."""
    retry_after_seconds: int = 1
    error_rate: float = 0.0
    """Probability of a 500."""
    fail_next: int = 0
    """So many of the next requests are answered 500."""
    slow_seconds: float = 0.0
    """Each answer waits so long."""
    cut: float = 0.0
    """Probability that the connection breaks in the middle of the answer's body."""
    cut_next: int = 0
    """So many of the next answers break in the middle."""
    down: bool = False
    """Every connection is closed without an answer."""

    # lists and bodies
    ignore_filter: bool = False
    no_link: bool = False
    no_total: bool = False
    page_style: Literal["offset", "page_number", "cursor"] = "offset"
    """`page_number`: offset counts pages, and giving only one of offset and limit is a 500.

    `cursor`: the Link header is the only way on.
    """
    page_cap: int | None = None
    """The most items a page can have, whatever limit says."""
    shift_pages: bool = False
    """The order moves by one after each page of a list: rows slip over the boundary and are missed, or come twice."""
    unordered: bool = False
    """Lists come in an order that means nothing (but is always the same)."""
    collection_missing: Collection[str] | Callable[[str], bool] = frozenset()
    """Ids that no list shows, though GET by id finds them."""
    no_date: bool = False
    """Answers have no Date header."""
    date: str | None = None
    """What the Date header says instead."""
    by_id_missing: Collection[str] | Callable[[str], bool] = frozenset()
    """Ids that GET by id answers 404 for, though the list shows them."""
    by_id_empty: bool = False
    """GET by id answers 200 with an empty list where there is no such problem."""
    by_id_status: int | None = None
    """GET by id is always answered with this status."""
    by_id_failing: Collection[str] = frozenset()
    """Ids that GET by id answers 500 for."""
    thin_rows: bool = False
    """Lists show summaries: id, href, status and the time of the last update. GET by id gives everything."""
    no_last_update: bool = False
    """The time of the last update is never shown and cannot be filtered by."""
    numbers_as_text: bool = False
    """priority and the number of services are written as text, as in R18.5's samples."""
    array_by_id: bool = False
    """GET by id answers a list of one, as v2's swagger declares."""
    clock_offset_seconds: float = 0.0
    """The server's clock is so far ahead of ours (negative: behind)."""
    zone: timezone | None = None
    """Stamps are written in this local time, with its offset from UTC; changed meanwhile, clocks are put forward or
    back.
    """
    without_zone: bool = False
    """Local time is written without its offset."""

    dice: Random = field(default_factory=Random, repr=False, compare=False)
    """Where probabilities are drawn from; the simulator seeds it."""

    def strikes(self, probability: float) -> bool:
        """Draw: True with this probability."""
        return probability > 0 and (probability >= 1 or self.dice.random() < probability)

    def hides(self, problem_id: str) -> bool:
        """Tell whether lists leave this problem out."""
        missing = self.collection_missing
        return missing(problem_id) if callable(missing) else problem_id in missing

    def lacks(self, problem_id: str) -> bool:
        """Tell whether GET by id denies this problem."""
        missing = self.by_id_missing
        return missing(problem_id) if callable(missing) else problem_id in missing

    def hits(self, operation: Operation) -> bool:
        """Tell whether the faults of answers apply to this operation."""
        return operation in self.operations if self.operations else operation != "token"

    def hub_absent_status(self) -> int | None:
        """Return the status that stands for a missing hub, None when there is one."""
        if self.hub_absent is False:
            return None
        return 404 if self.hub_absent is True else self.hub_absent

    def take_rate_limit(self) -> bool:
        """Use up one of the next 429."""
        taken = self.rate_limited > 0
        self.rate_limited -= taken
        return taken

    def take_failure(self) -> bool:
        """Use up one of the next 500, or draw one."""
        if self.fail_next > 0:
            self.fail_next -= 1
            return True
        return self.strikes(self.error_rate)

    def take_cut(self) -> bool:
        """Use up one of the next broken answers, or draw one."""
        if self.cut_next > 0:
            self.cut_next -= 1
            return True
        return self.strikes(self.cut)
