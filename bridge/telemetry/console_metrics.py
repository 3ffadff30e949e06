"""Figures about the console, which its front process counts and the process with `/metrics` shows."""

from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PAGES: Final = (
    "problems",
    "live",
    "sources",
    "dead-letters",
    "links",
    "outbox",
    "conflicts",
    "configuration",
    "audit",
    "users",
    "login",
    "other",
)
OUTCOMES: Final = ("ok", "refused", "busy", "failed")
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class ConsoleMetrics:
    """Requests, how long pages take, and who is there. Labels are names of pages, never what people look at."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        """Register all of them, each series at 0."""
        self.requests = Counter(
            f"{prefix}_console_requests",
            "Requests to the console; refused: login, permission, address or form; busy: no slot, or Postgres away or "
            "too slow; failed: a defect",
            ["page", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            f"{prefix}_console_request_seconds",
            "From the head of a request to its page; streams are not counted",
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge(
            f"{prefix}_console_requests_in_progress",
            "Pages that are being made; further ones than 16 are refused",
            registry=registry,
        )
        self.sessions = Gauge(f"{prefix}_console_sessions", "Sessions of people who are logged in", registry=registry)
        for labels in product(PAGES, OUTCOMES):
            self.requests.labels(*labels)


def page_label(pattern: str) -> str:
    """Return the page that a path or a pattern of one belongs to.

    >>> page_label("/problems/{source}/{id}"), page_label("/problems.csv"), page_label("/x"), page_label("/")
    ('problems', 'problems', 'other', 'other')
    """
    name = pattern.strip("/").partition("/")[0].partition(".")[0]
    return name if name in PAGES else "other"


def outcome_label(status: int) -> str:
    """Return what an answer counts as.

    >>> [outcome_label(status) for status in (200, 303, 403, 503, 500)]
    ['ok', 'ok', 'refused', 'busy', 'failed']
    """
    if status < 400:
        return "ok"
    return "busy" if status == 503 else "failed" if status >= 500 else "refused"
