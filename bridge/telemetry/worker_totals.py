"""The metrics of several processes as one page.

A process exports its metrics as plain lists (`samples`). The totals are the sums of counters and histograms; for a
gauge its meaning decides: the sum, the largest or the smallest value, or the value of the leader, which the other
processes only copy. Counters must not fall when a worker is replaced: `counters` returns what to keep of a process that
ended.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar, Sample

from bridge.telemetry.exposition import encoder

_LEADS = "tmf656_bridge_leads"
_SUM = frozenset(
    {
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "tmf656_bridge_console_requests_in_progress",
        "tmf656_bridge_console_sessions",
        "tmf656_bridge_database_connections",
        "tmf656_bridge_database_connections_max",
        "tmf656_bridge_journal_unwritable",
        "tmf656_bridge_journal_waiting",
        "tmf656_bridge_listener_requests_in_progress",
        "tmf656_bridge_stream_followers",
        "tmf656_bridge_writer_waiting",
    }
)
# journals and open files: the fullest one and its limit, because room in another process does not help it
_MOST = frozenset(
    {
        _LEADS,
        "process_open_fds",
        "tmf656_bridge_journal_bytes",
        "tmf656_bridge_changes_held_back_seconds",
        "tmf656_bridge_journal_max_bytes",
        "tmf656_bridge_last_commit_timestamp_seconds",
        "tmf656_bridge_last_poll_success_timestamp_seconds",
        "tmf656_bridge_last_push_timestamp_seconds",
    }
)
_LEAST = frozenset({"process_max_fds", "process_start_time_seconds", "tmf656_bridge_database_up"})
_OLDEST = frozenset({"tmf656_bridge_journal_oldest_timestamp_seconds"})
"""The smallest value other than 0, which means that there is none."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of one process: name, help and type; of each sample the name, labels, value, and exemplar (labels,
    value, time) or None.
    """

    name: str
    help: str
    type: str
    samples: list[tuple[str, dict[str, str], float, tuple[dict[str, str], float, float | None] | None]]

    @property
    def counts(self) -> bool:
        return self.type in ("counter", "histogram")


def samples(registry: CollectorRegistry) -> list[Family]:
    """Return every metric of this process."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            [(each.name, dict(each.labels), each.value, _plain(each.exemplar)) for each in metric.samples],
        )
        for metric in registry.collect()
    ]


def counters(families: Iterable[Family]) -> list[Family]:
    """Return the counters and histograms: they stay in the totals when the process has ended."""
    return [family for family in families if family.counts]


def of_console(families: Iterable[Family]) -> list[Family]:
    """Return what is about the console: all that its front process counts."""
    return [family for family in families if family.name.startswith("tmf656_bridge_console_")]


def total(processes: Sequence[Sequence[Family]]) -> list[Family]:
    """Return the totals; a gauge without a rule has the value of the leader, or of the first process."""
    ordered = sorted(processes, key=_leads, reverse=True)
    names = dict.fromkeys(family.name for process in ordered for family in process)
    by_name = [{family.name: family for family in process} for process in ordered]
    return [_one([found[name] for found in by_name if name in found]) for name in names]


def page(families: Sequence[Family], accept: str = "") -> tuple[bytes, str]:
    """Return the exposition and its content type, as `Metrics.page` does."""
    encode, content_type = encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Shown(families))
    return encode(registry), content_type


class _Shown(Collector):
    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.help, family.type)
            metric.samples = [
                Sample(name, labels, value, None, None if exemplar is None else Exemplar(*exemplar))
                for name, labels, value, exemplar in family.samples
            ]
            yield metric


def _one(families: Sequence[Family]) -> Family:
    first = families[0]
    add = sum if first.counts else _rule(first.name)
    values: dict[tuple[str, frozenset[tuple[str, str]]], list[Any]] = {}
    for family in families:
        for sample in family.samples:
            values.setdefault((sample[0], frozenset(sample[1].items())), []).append(sample)
    return Family(
        first.name,
        first.help,
        first.type,
        [
            (same[0][0], same[0][1], add([each[2] for each in same]), next((e[3] for e in same if e[3]), None))
            for same in values.values()
        ],
    )


def _rule(name: str) -> Callable[[Sequence[float]], float]:
    if name in _SUM:
        return sum
    if name in _MOST:
        return max
    if name in _LEAST:
        return min
    if name in _OLDEST:
        return lambda values: min(filter(None, values), default=0.0)
    return lambda values: values[0]


def _leads(process: Sequence[Family]) -> float:
    return max((sample[2] for family in process if family.name == _LEADS for sample in family.samples), default=0.0)


def _plain(exemplar: Exemplar | None) -> tuple[dict[str, str], float, float | None] | None:
    if exemplar is None:
        return None
    at = exemplar.timestamp
    return dict(exemplar.labels), exemplar.value, None if at is None else float(at)
