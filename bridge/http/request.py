"""A request to a remote system, as messages and counters name it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from yarl import URL

from bridge.http.quotation import quoted

OnRequest = Callable[[str, str], None]
"""Called with (operation, outcome) of each HTTP request.

Operations: list, get, find, create, change, note, token; of TMF656 also register, deregister, find_subscriptions,
probe_subscription; of DataMiner about, types, login, logout, notes; of ServiceNow notes, count, columns. Outcomes: ok,
client_error, server_error, unauthorised, rate_limited, timeout, unreachable, too_large, malformed.
"""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent. `query`: the part of the query that we made; the configured part may hold secrets and is not shown.

    `closes`: a 403 refuses the whole operation and counts for its circuit breaker; a 403 for one problem says nothing
    about others. `optional`: the request is not in the standard, so a refusal says nothing about our credentials.
    """

    operation: str
    method: str
    url: URL
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    closes: bool = False
    optional: bool = False

    def __str__(self) -> str:
        return quoted(f"{self.method} {self.url.raw_path}{f'?{self.query}' if self.query else ''}")
