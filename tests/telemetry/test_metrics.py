"""Metrics: every series from the start, none after its source is gone, and no label without a bound."""

import pytest

from bridge.telemetry.metrics import MODES, STATUSES, Metrics, event_type_label


def series(metrics: Metrics, source: str) -> set[str]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}"
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.labels.get("source") == source
    }


def test_traffic_adds_no_series() -> None:
    metrics = Metrics()
    metrics.introduce("snow")
    before = series(metrics, "snow")
    assert before
    metrics.show_mode("snow", "push")
    metrics.show_problems("snow", [("held", 3)], STATUSES)
    metrics.show_intervals("snow", {"poll": 30, "reconcile": 3600})
    metrics.missed.labels("snow").inc()
    metrics.changes.labels("snow", "poll").inc()
    after = series(metrics, "snow")
    assert {one for one in after - before if "interval" not in one} == set()


def test_a_source_that_is_gone_leaves_nothing_and_takes_no_other_along() -> None:
    metrics = Metrics()
    for source in ("snow", "rain"):
        metrics.introduce(source)
    before = series(metrics, "rain")
    metrics.forget("snow")
    assert series(metrics, "snow") == set()
    assert series(metrics, "rain") == before
    metrics.introduce("snow")
    assert series(metrics, "snow")


@pytest.mark.parametrize("mode", MODES)
def test_one_mode_is_in_force(mode: str) -> None:
    metrics = Metrics()
    metrics.show_mode("snow", mode)
    value = metrics.registry.get_sample_value
    shown = {each: value("tmf656_bridge_mode", {"source": "snow", "mode": each}) for each in MODES}
    assert shown == {each: float(each == mode) for each in MODES}


def test_a_status_without_problems_is_0_again() -> None:
    metrics = Metrics()
    metrics.show_problems("snow", [("held", 3)], STATUSES)
    metrics.show_problems("snow", [], STATUSES)
    [problems] = [each for each in metrics.registry.collect() if each.name == "tmf656_bridge_service_problems"]
    assert {sample.value for sample in problems.samples} == {0}


def test_several_bridges_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.missed.labels("snow").inc()
    assert other.missed.labels("snow")._value.get() == 0


def test_the_page_is_of_the_format_that_is_asked_for() -> None:
    metrics = Metrics()
    plain, kind = metrics.page()
    assert kind.startswith("text/plain")
    assert b"# EOF" not in plain
    openmetrics, kind = metrics.page("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert openmetrics.endswith(b"# EOF\n")


def test_what_a_sender_calls_an_event_is_no_label() -> None:
    assert event_type_label("ServiceProblemCreateEvent") == "ServiceProblemCreateEvent"
    assert event_type_label("ProblemGroupCreateEvent") == "ProblemGroupCreateEvent"
    assert event_type_label("x" * 1000) == event_type_label("") == "other"
