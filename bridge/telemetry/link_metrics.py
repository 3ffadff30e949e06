"""Figures about two-way synchronisation, which the process that leads writes."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)


class LinkMetrics:
    """Links, what waits for them, and values that no map knows. Labels are names of the configuration, never ids."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        """Register all of them."""
        self.links = Gauge(f"{prefix}_links", "Links by state", ["rule", "state"], registry=registry)
        self.rule_state = Gauge(
            f"{prefix}_link_rule_state", "1 for the state a rule is in", ["rule", "state"], registry=registry
        )
        self.waiting = Gauge(
            f"{prefix}_outbox_waiting", "Writes that wait or are under way", ["target", "kind"], registry=registry
        )
        self.oldest = Gauge(
            f"{prefix}_outbox_oldest_timestamp_seconds",
            "When the oldest write that waits was first missing; 0: none waits",
            ["target"],
            registry=registry,
        )
        self.blocked = Gauge(
            f"{prefix}_outbox_blocked", "Writes that need a person", ["rule", "kind"], registry=registry
        )
        self.conflicts_waiting = Gauge(
            f"{prefix}_conflicts_waiting", "Conflicts that wait for a person", ["rule"], registry=registry
        )
        self.sync_seconds = Histogram(
            f"{prefix}_sync_seconds",
            "From the observation of a change to the answer of the other side",
            ["rule", "to"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.sync_age_seconds = Histogram(
            f"{prefix}_sync_age_seconds",
            "From the time of a change at its source to the answer of the other side",
            ["rule", "to"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.poll_interval = Gauge(
            f"{prefix}_link_poll_interval_seconds",
            "How often the source is polled whose changes are written to this side",
            ["rule", "to"],
            registry=registry,
        )
        self.decide_lag = Gauge(
            f"{prefix}_decide_lag_seconds",
            "Age of the oldest change that is not decided yet; 0: none, or the rule is not on",
            ["rule"],
            registry=registry,
        )
        self.oscillating = Gauge(
            f"{prefix}_links_oscillating",
            "Links with a field that was written again and again to both sides within an hour",
            ["rule"],
            registry=registry,
        )
        self.echoes = Counter(
            f"{prefix}_echoes",
            "Changes that were answers to our own writes, so that nothing followed from them",
            ["rule"],
            registry=registry,
        )
        self.drift = Counter(
            f"{prefix}_link_drift",
            "Fields that an audit found different on both sides without a known reason",
            ["rule"],
            registry=registry,
        )
        self.notes = Counter(
            f"{prefix}_notes",
            "Copies of notes, by what they came to; edited: the original was edited afterwards",
            ["rule", "to", "outcome"],
            registry=registry,
        )
        self.unmapped = Counter(
            f"{prefix}_unmapped_link_values",
            "Values for which no row of a map says what to write",
            ["rule", "field"],
            registry=registry,
        )
