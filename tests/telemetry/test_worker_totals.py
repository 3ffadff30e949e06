"""The metrics of several processes as one page."""

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families

from bridge.telemetry import worker_totals
from bridge.telemetry.metrics import Metrics

LEADERS_WORD = {
    "deletions_held_back",
    "pass_complete",
    "dead_letters",
    "mode",
    "poll_interval_seconds",
    "refetch_waiting",
    "service_problems",
    "silence_limit_seconds",
    "subscription_registered",
    "build_info",
}
"""Gauges that every process reads from the same place, or that only the leader knows."""


def metrics(leads: bool = False) -> Metrics:
    made = Metrics()
    made.introduce("snow")
    made.leads.set(1 if leads else 0)
    return made


def values(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float:
    return values(text)[f"tmf656_bridge_{name}", frozenset(labels.items())]


def shown(*processes: Metrics) -> bytes:
    return worker_totals.page(worker_totals.total([worker_totals.samples(each.registry) for each in processes]))[0]


def test_the_total_of_one_process_is_its_own_page() -> None:
    one = metrics()
    one.acknowledge.observe(0.02)
    one.notifications.labels("snow", "other", "applied").inc(3)

    def names(text: bytes) -> list[bytes]:
        return [line.rpartition(b" ")[0] for line in text.splitlines()]

    for accept in ("", "application/openmetrics-text; version=1.0.0"):
        text, content_type = worker_totals.page(worker_totals.total([worker_totals.samples(one.registry)]), accept)
        own, own_type = one.page(accept)
        assert (names(text), content_type) == (names(own), own_type)
    assert value(shown(one), "notifications_total", source="snow", event_type="other", outcome="applied") == 3


def test_counters_and_histograms_are_added_up_and_gauges_go_by_what_they_mean() -> None:
    first, leader = metrics(), metrics(leads=True)
    for each, seconds, at in ((first, 0.3, 100), (leader, 0.002, 200)):
        each.acknowledge.observe(seconds)
        each.changes.labels("snow", "push").inc(2)
        each.waiting.set(5)
        each.last_push.labels("snow").set(at)
        each.database_up.set(at == 100)
    leader.show_mode("snow", "push")
    leader.registered.labels("snow").set(1)
    first.journal_oldest.set(50)
    text = shown(first, leader)
    assert value(text, "changes_total", source="snow", via="push") == 4
    assert value(text, "acknowledge_seconds_count") == 2
    assert value(text, "acknowledge_seconds_bucket", le="0.0025") == 1
    assert value(text, "acknowledge_seconds_bucket", le="+Inf") == 2
    assert value(text, "writer_waiting") == 10
    assert value(text, "last_push_timestamp_seconds", source="snow") == 200
    assert value(text, "database_up") == 0
    assert value(text, "journal_oldest_timestamp_seconds") == 50
    assert value(text, "leads") == 1
    assert value(text, "subscription_registered", source="snow") == 1
    modes = {mode: value(text, "mode", source="snow", mode=mode) for mode in ("push", "poll", "fallback", "disabled")}
    assert modes == {"push": 1, "poll": 0, "fallback": 0, "disabled": 0}
    assert value(shown(leader, first), "mode", source="snow", mode="push") == 1


def test_one_journal_that_is_full_is_seen_among_others_that_are_empty() -> None:
    processes = [metrics() for _ in range(4)]
    for each in processes:
        each.journal_max_bytes.set(100)
    processes[2].journal_bytes.set(90)
    text = shown(*processes)
    assert (value(text, "journal_bytes"), value(text, "journal_max_bytes")) == (90, 100)


def test_open_files_are_those_of_the_process_with_most_of_what_one_may_have() -> None:
    def process(opened: float, most: float) -> list[worker_totals.Family]:
        gauges = {"process_open_fds": opened, "process_max_fds": most}
        return [worker_totals.Family(name, "", "gauge", [(name, {}, number, None)]) for name, number in gauges.items()]

    found = values(
        worker_totals.page(worker_totals.total([process(90, 1000), process(980, 1000), process(90, 1000)]))[0]
    )
    assert found == {("process_open_fds", frozenset()): 980, ("process_max_fds", frozenset()): 1000}


def test_what_a_process_counted_stays_when_it_is_gone_and_its_gauges_do_not() -> None:
    gone, alive = metrics(), metrics()
    for each in (gone, alive):
        each.changes.labels("snow", "poll").inc(7)
        each.waiting.set(3)
    left = worker_totals.counters(worker_totals.samples(gone.registry))
    text = worker_totals.page(worker_totals.total([worker_totals.samples(alive.registry), left]))[0]
    assert value(text, "changes_total", source="snow", via="poll") == 14
    assert value(text, "writer_waiting") == 3


@settings(deadline=None, database=None, max_examples=50)
@given(counts=st.lists(st.integers(0, 1000), min_size=1, max_size=5), split=st.integers(0, 5))
def test_it_does_not_matter_in_which_order_counters_are_added_up(counts: list[int], split: int) -> None:
    processes = []
    for number in counts:
        one = Metrics()
        one.journalled.labels("snow").inc(number)
        processes.append(worker_totals.counters(worker_totals.samples(one.registry)))
    early = worker_totals.total([worker_totals.total(processes[:split]), *reversed(processes[split:])])
    assert value(worker_totals.page(early)[0], "journalled_total", source="snow") == sum(counts)


def test_of_every_gauge_it_is_settled_what_its_total_is() -> None:
    made = Metrics()
    found = [*vars(made).values(), *vars(made.console).values()]
    gauges = {one._name.removeprefix("tmf656_bridge_") for one in found if isinstance(one, Gauge)}
    by_rule = worker_totals._SUM | worker_totals._MOST | worker_totals._LEAST | worker_totals._OLDEST
    ruled = {name.removeprefix("tmf656_bridge_") for name in by_rule if name.startswith("tmf656_bridge_")}
    assert gauges == ruled | LEADERS_WORD
    assert not ruled & LEADERS_WORD
