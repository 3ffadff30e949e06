"""What goes wrong at a simulated instance, beside what goes wrong with any request."""

from collections.abc import Collection
from dataclasses import dataclass

from bridge.simulator.request_faults import RequestFaults


@dataclass
class ServiceNowFaults(RequestFaults):
    """The faults of one instance."""

    unreadable_columns: Collection[str] = frozenset()
    """Columns that no answer has, as an access rule does it."""
    unreadable_tables: Collection[str] = frozenset()
    """Tables whose rows are answered 403."""
    hidden: Collection[str] = frozenset()
    """sys_ids of records that the account may not see: lists leave them out after a page was cut."""
    read_only: bool = False
    """Every write is refused by an access rule."""
    refused_text: str = ""
    """A business rule aborts writes that contain this text; empty: none."""
    refuse_ended: bool = False
    """Tickets that ended take no change."""
    invalid_query_returns_nothing: bool = False
    """As `glide.invalid_query.returns_no_rows`."""
    ignore_query: bool = False
    """Lists answer the whole table in no order."""
    cancelled_next: int = 0
    """So many lists are answered 200 with half of the rows and an error beside them: out of time."""
    asleep: bool = False
    """Every request is answered with a page that says the instance hibernates."""
