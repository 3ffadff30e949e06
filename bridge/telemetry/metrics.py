"""The metrics that Prometheus scrapes. Each `Bridge` has a registry, so that tests can run several in one process.

Rules: base units; no unbounded labels (never a problem id or a URL; an exemplar is not a label); every series exists at
0 from the start; each counter of failures has a counter of all attempts. The names are public: dashboards and alerts
use them.
"""

import sys
from collections.abc import Iterable, Mapping
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from bridge import __version__
from bridge.telemetry.console_metrics import ConsoleMetrics
from bridge.telemetry.exposition import encoder
from bridge.telemetry.link_metrics import LinkMetrics

MODES = ("push", "fallback", "poll", "disabled")
OUTCOMES = ("applied", "unchanged", "duplicate", "stale", "filtered", "dead_letter")
EVENT_TYPES = (
    "ServiceProblemCreateEvent",
    "ServiceProblemStateChangeEvent",
    "ServiceProblemAttributeValueChangeEvent",
    "ServiceProblemInformationRequiredEvent",
    "ServiceProblemDeleteEvent",
)
OTHER_EVENT_TYPE = "other"
_TASKS = ("ProblemAcknowledgement", "ProblemUnacknowledgement", "ProblemGroup", "ProblemUngroup")
KNOWN_EVENT_TYPES = frozenset(EVENT_TYPES) | {
    f"{task}{verb}Event" for task in _TASKS for verb in ("Create", "StateChange", "Delete")
}
VIAS = ("push", "poll", "reconcile", "refetch", "write")
DRIFT_KINDS = ("missing", "stale", "deleted", "regression")
PASS_KINDS = ("poll", "reconcile")
POLL_KINDS = (*PASS_KINDS, "refetch")
POLL_OUTCOMES = ("ok", "incomplete", "failed")
REGISTRATION_REASONS = ("start", "silent", "lost", "changed", "renewal", "requested")
REGISTRATION_OUTCOMES = ("ok", "absent", "failed")
REFUSALS = (
    "starting",
    "unknown_callback",
    "retired",
    "connections",
    "address",
    "certificate",
    "credentials",
    "signature",
    "replayed",
    "rate",
    "too_large",
    "overloaded",
    "slow_body",
    "cut_off",
    "malformed",
    "unavailable",
    "deadline",
)
STATUSES = (
    "submitted",
    "acknowledged",
    "rejected",
    "pending",
    "held",
    "inProgress",
    "resolved",
    "cancelled",
    "closed",
    "unknown",
)
CONNECTION_STATES = ("used", "idle")
OPERATIONS = ("list", "get", "register", "deregister", "find_subscriptions", "probe_subscription", "token")
WRITE_OPERATIONS = ("find", "create", "change", "note")
REQUEST_OUTCOMES = (
    "ok",
    "client_error",
    "server_error",
    "unauthorised",
    "rate_limited",
    "timeout",
    "unreachable",
    "too_large",
    "malformed",
)
SOURCE_JOBS = ("poll", "reconcile", "refetch", "subscription", "silence_watch", "source", "vocabulary")
DATABASE_JOBS = (
    "callback_secret",
    "clock_watch",
    "journal_replay",
    "leader_election",
    "link_listen",
    "link_report",
    "link_watch",
    "links",
    "report_summary",
    "requests",
    "retention",
    "search",
    "settings",
    "source_report",
    "stream",
)
MAPPED_ATTRIBUTES = (
    "status",
    "priority",
    "lastUpdate",
    "creationDate",
    "statusChangeDate",
    "resolutionDate",
    "eventTime",
)
STREAM_ENDS = ("gone", "stalled", "stopping", "failed")

_LATE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGE = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in the library; nobody asked for these series


class Metrics:
    """Every metric of the bridge."""

    def __init__(self) -> None:
        """Make an empty registry and the metrics in it."""
        self.exemplars = False
        self._introduced: set[str] = set()
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        prefix = "tmf656_bridge"
        self.notifications = Counter(
            f"{prefix}_notifications", "Notifications answered", ["source", "event_type", "outcome"], registry=registry
        )
        self.refused = Counter(
            f"{prefix}_listener_refusals",
            "Requests to the listener that were not accepted",
            ["reason"],
            registry=registry,
        )
        self.changes = Counter(
            f"{prefix}_changes",
            "Changes of current problems, by how they were found",
            ["source", "via"],
            registry=registry,
        )
        self.unmapped_values = Counter(
            f"{prefix}_unmapped_values",
            "Values that could not be read: times in unknown forms, words for a status or priority that mean none",
            ["source", "attribute"],
            registry=registry,
        )
        self.missed = Counter(
            f"{prefix}_missed_changes",
            "Changes found by polling, of which no notification arrived in time",
            ["source"],
            registry=registry,
        )
        self.late = Counter(
            f"{prefix}_late_changes",
            "Changes found by polling, of which a notification arrived a little later; nothing was missed",
            ["source"],
            registry=registry,
        )
        self.silences = Counter(
            f"{prefix}_silences",
            "Polls because no notification had arrived for longer than usual",
            ["source"],
            registry=registry,
        )
        self.silence_limit = Gauge(
            f"{prefix}_silence_limit_seconds",
            "How long the source may be silent before it is polled; learned from its usual pauses",
            ["source"],
            registry=registry,
        )
        self.mode = Gauge(
            f"{prefix}_mode",
            "Mode of the source; the current mode is 1",
            ["source", "mode"],
            registry=registry,
        )
        self.last_push = Gauge(
            f"{prefix}_last_push_timestamp_seconds",
            "When a notification was last accepted",
            ["source"],
            registry=registry,
        )
        self.last_poll_success = Gauge(
            f"{prefix}_last_poll_success_timestamp_seconds",
            "When the last successful pass ended",
            ["source", "kind"],
            registry=registry,
        )
        self.poll_interval = Gauge(
            f"{prefix}_poll_interval_seconds",
            "How often passes are made, as configured",
            ["source", "kind"],
            registry=registry,
        )
        self.polls = Counter(
            f"{prefix}_polls", "Passes over the source", ["source", "kind", "outcome"], registry=registry
        )
        self.pass_complete = Gauge(
            f"{prefix}_pass_complete",
            "1 when the last pass is known to have seen everything; 0 when it may have missed problems, and before the "
            "first one",
            ["source", "kind"],
            registry=registry,
        )
        self.deletions_held_back = Gauge(
            f"{prefix}_deletions_held_back",
            "Problems missing from the list that are not recorded as deleted: GET by id has not confirmed it",
            ["source"],
            registry=registry,
        )
        self.registrations = Counter(
            f"{prefix}_subscription_registrations",
            "Registrations tried at the source's hub",
            ["source", "reason", "outcome"],
            registry=registry,
        )
        self.registered = Gauge(
            f"{prefix}_subscription_registered",
            "1 while the source is believed to hold our registration",
            ["source"],
            registry=registry,
        )
        self.in_progress = Gauge(
            f"{prefix}_listener_requests_in_progress", "Requests to the listener not answered yet", registry=registry
        )
        self.acknowledge = Histogram(
            f"{prefix}_acknowledge_seconds",
            "Time from the head of a notification's request to its answer",
            buckets=_FAST,
            registry=registry,
        )
        self.event_age = Histogram(
            f"{prefix}_event_age_seconds", "Time from eventTime to commit", ["source"], buckets=_AGE, registry=registry
        )
        self.commit_rows = Histogram(
            f"{prefix}_commit_rows", "Notifications stored in one transaction", buckets=_ROWS, registry=registry
        )
        self.commit_seconds = Histogram(
            f"{prefix}_commit_seconds", "Time one transaction of the writer took", buckets=_FAST, registry=registry
        )
        self.commit_failures = Counter(
            f"{prefix}_commit_failures",
            "Transactions of the writer that Postgres refused; commit_seconds counts the others",
            registry=registry,
        )
        self.last_commit = Gauge(
            f"{prefix}_last_commit_timestamp_seconds",
            "When the writer last committed; 0 before the first time",
            registry=registry,
        )
        self.waiting = Gauge(f"{prefix}_writer_waiting", "Notifications waiting to be stored", registry=registry)
        self.dead_letters = Gauge(
            f"{prefix}_dead_letters", "Dead letters waiting for a replay or discard", ["source"], registry=registry
        )
        self.journal_waiting = Gauge(
            f"{prefix}_journal_waiting",
            "Notifications in the local journal: answered, not yet in Postgres",
            registry=registry,
        )
        self.journal_bytes = Gauge(
            f"{prefix}_journal_bytes",
            "Bytes in the local journal; with several workers, in the fullest journal",
            registry=registry,
        )
        self.journal_max_bytes = Gauge(
            f"{prefix}_journal_max_bytes",
            "Limit of the local journal in bytes, with several workers of each journal; 0: there is no journal",
            registry=registry,
        )
        self.journal_oldest = Gauge(
            f"{prefix}_journal_oldest_timestamp_seconds",
            "When the oldest notification in the local journal was received; 0 when it is empty",
            registry=registry,
        )
        self.journal_unwritable = Gauge(
            f"{prefix}_journal_unwritable",
            "Local journals, one per worker, whose disk cannot be written (full, read-only)",
            registry=registry,
        )
        self.journalled = Counter(
            f"{prefix}_journalled", "Notifications answered from the local journal", ["source"], registry=registry
        )
        self.problems = Gauge(
            f"{prefix}_service_problems", "Problems, deleted ones not counted", ["source", "status"], registry=registry
        )
        self.drift = Counter(
            f"{prefix}_drift", "Differences a full pass found and repaired", ["source", "kind"], registry=registry
        )
        self.refetch_waiting = Gauge(
            f"{prefix}_refetch_waiting", "Problems waiting to be fetched by id", ["source"], registry=registry
        )
        self.connections = Gauge(
            f"{prefix}_database_connections", "Connections to Postgres", ["state"], registry=registry
        )
        self.connections_max = Gauge(
            f"{prefix}_database_connections_max", "Connections to Postgres at most", registry=registry
        )
        self.database_up = Gauge(f"{prefix}_database_up", "1 while Postgres answers", registry=registry)
        self.changes_held_back = Gauge(
            f"{prefix}_changes_held_back_seconds",
            "How long an open or prepared transaction, in any database of the server, has delayed changes on /stream",
            registry=registry,
        )
        self.upstream = Counter(
            f"{prefix}_upstream_requests", "Requests to sources", ["source", "operation", "outcome"], registry=registry
        )
        self.leads = Gauge(
            f"{prefix}_leads", "1 while this process holds the lease: it polls, registers and prunes", registry=registry
        )
        self.loop_lag = Histogram(
            f"{prefix}_event_loop_lag_seconds",
            "Delay with which the event loop ran a timer",
            buckets=_LATE,
            registry=registry,
        )
        self.stream_followers = Gauge(
            f"{prefix}_stream_followers", "Connections to /stream that are open", registry=registry
        )
        self.stream_events = Counter(f"{prefix}_stream_events", "Events sent on /stream", registry=registry)
        self.stream_overflows = Counter(
            f"{prefix}_stream_overflows",
            "Times that a connection to /stream was too slow and had to catch up from the table",
            registry=registry,
        )
        self.stream_ends = Counter(
            f"{prefix}_stream_ends", "Connections to /stream that ended", ["reason"], registry=registry
        )
        self.job_failures = Counter(
            f"{prefix}_job_failures",
            "Failures of a job after which it backed off; a job without a source works on the whole database",
            ["source", "job"],
            registry=registry,
        )
        self.writes = Counter(
            f"{prefix}_writes",
            "Writes to tickets, by what they came to",
            ["target", "kind", "outcome"],
            registry=registry,
        )
        self.write_seconds = Histogram(
            f"{prefix}_write_seconds",
            "From the request of a write to its answer",
            ["target"],
            buckets=_FAST,
            registry=registry,
        )
        self.intents_settled = Counter(
            f"{prefix}_intents_settled",
            "Writes without an answer, by what reading the target showed",
            ["target", "outcome"],
            registry=registry,
        )
        self.conflicts = Counter(
            f"{prefix}_conflicts", "Values that were kept for a person", ["rule", "kind"], registry=registry
        )
        self.write_budget_exhausted = Counter(
            f"{prefix}_write_budget_exhausted",
            "Writes that were put off because their rule has written as much as it may",
            ["rule"],
            registry=registry,
        )
        self.duplicates = Counter(
            f"{prefix}_duplicates", "Tickets that carry the key of another", ["rule"], registry=registry
        )
        self.links = LinkMetrics(prefix, registry)
        self.console = ConsoleMetrics(prefix, registry)
        self.build = Gauge(
            f"{prefix}_build_info", "1, with the version as label", ["version", "python"], registry=registry
        )
        self.build.labels(__version__, sys.version.split()[0]).set(1)
        for state in CONNECTION_STATES:
            self.connections.labels(state).set(0)
        for job in DATABASE_JOBS:
            self.job_failures.labels("", job)
        for reason in REFUSALS:
            self.refused.labels(reason)
        for reason in STREAM_ENDS:
            self.stream_ends.labels(reason)

    def introduce(self, source: str) -> None:
        """Create every series of a source, at 0, unless they exist."""
        if source in self._introduced:
            return
        self._introduced.add(source)
        families: tuple[tuple[Counter | Gauge, Iterable[tuple[str, ...]]], ...] = (
            (self.notifications, product((*KNOWN_EVENT_TYPES, OTHER_EVENT_TYPE), OUTCOMES)),
            (self.changes, product(VIAS)),
            (self.polls, product(POLL_KINDS, POLL_OUTCOMES)),
            (self.last_poll_success, product(PASS_KINDS)),
            (self.pass_complete, product(PASS_KINDS)),
            (self.poll_interval, product(PASS_KINDS)),
            (self.drift, product(DRIFT_KINDS)),
            (self.upstream, product(OPERATIONS, REQUEST_OUTCOMES)),
            (self.registrations, product(REGISTRATION_REASONS, REGISTRATION_OUTCOMES)),
            (self.job_failures, product(SOURCE_JOBS)),
            (self.unmapped_values, product(MAPPED_ATTRIBUTES)),
        )
        for family, series in families:
            for labels in series:
                family.labels(source, *labels)
        for counter in (self.journalled, self.missed, self.late, self.silences):
            counter.labels(source)
        for gauge in (
            self.last_push,
            self.registered,
            self.dead_letters,
            self.refetch_waiting,
            self.silence_limit,
            self.deletions_held_back,
        ):
            gauge.labels(source).set(0)
        self.event_age.labels(source)
        self.show_problems(source, (), STATUSES)
        self.show_mode(source, "poll")

    def forget(self, source: str) -> None:
        """Remove every series of a source that is no longer configured."""
        self._introduced.discard(source)
        for family in vars(self).values():
            if isinstance(family, MetricWrapperBase) and "source" in family._labelnames:  # noqa: SLF001 -- not public
                family.remove_by_labels({"source": source})

    def show_mode(self, source: str, mode: str) -> None:
        """Set the current mode to 1 and the others to 0."""
        for each in MODES:
            self.mode.labels(source, each).set(1 if each == mode else 0)

    def show_problems(self, source: str, counts: Iterable[tuple[str, int]], statuses: Iterable[str]) -> None:
        """Set the number of problems, deleted ones not counted, by status; a status without problems is 0."""
        by_status = dict(counts)
        for status in statuses:
            self.problems.labels(source, status).set(by_status.get(status, 0))

    def show_intervals(self, source: str, seconds: Mapping[str, float]) -> None:
        """Set how often the passes of each kind are made."""
        for kind in PASS_KINDS:
            self.poll_interval.labels(source, kind).set(seconds[kind])

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type, as `exposition` chooses them by the Accept header."""
        encode, content_type = encoder(accept)
        return encode(self.registry), content_type


def event_type_label(event_type: str) -> str:
    """Return the label value: a name of the standard, or `other`."""
    return event_type if event_type in KNOWN_EVENT_TYPES else OTHER_EVENT_TYPE
