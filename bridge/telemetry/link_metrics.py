"""Figures about two-way synchronisation, which the process that leads writes."""

from prometheus_client import CollectorRegistry, Counter, Gauge


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
        self.unmapped = Counter(
            f"{prefix}_unmapped_link_values",
            "Values for which no row of a map says what to write",
            ["rule", "field"],
            registry=registry,
        )
