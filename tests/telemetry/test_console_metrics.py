"""Figures about the console."""

import pytest
from prometheus_client import CollectorRegistry

from bridge.settings import Settings
from bridge.telemetry.console_metrics import OUTCOMES, PAGES, ConsoleMetrics, outcome_label, page_label
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.worker_totals import of_console, samples
from bridge.web.console.front import console_routes
from bridge.web.console.live import ChangeSignal
from bridge.web.console.login import Authenticator


def test_every_series_is_there_at_0() -> None:
    registry = CollectorRegistry()
    ConsoleMetrics("x", registry)
    for page in PAGES:
        for outcome in OUTCOMES:
            assert registry.get_sample_value("x_console_requests_total", {"page": page, "outcome": outcome}) == 0


@pytest.mark.parametrize("path", ["", "/", "//", "/nothing", "/problemsx", "/%2e", "/\x00", "/problems-of/1"])
def test_what_somebody_makes_up_is_no_series_of_its_own(path: str) -> None:
    assert page_label(path) == "other"


def test_every_page_of_the_navigation_has_a_name_of_its_own() -> None:
    routes = console_routes(Authenticator(Settings()), ChangeSignal()).routes
    named = {one.pattern for one in routes if one.navigation}
    assert {pattern for pattern in named if page_label(pattern) == "other"} <= {"/about"}
    assert all(page_label(one.pattern) in PAGES for one in routes)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (304, "ok"), (401, "refused"), (429, "refused"), (500, "failed"), (503, "busy")],
)
def test_an_answer_counts_by_its_status(status: int, outcome: str) -> None:
    assert outcome_label(status) == outcome


def test_the_front_sends_what_is_about_the_console_only() -> None:
    names = {family.name for family in of_console(samples(Metrics().registry))}
    assert names == {
        "tmf656_bridge_console_requests",
        "tmf656_bridge_console_request_seconds",
        "tmf656_bridge_console_requests_in_progress",
        "tmf656_bridge_console_sessions",
    }
