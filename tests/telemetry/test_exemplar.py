"""Labels of an exemplar: the problem, and the trace where somebody keeps it."""

from contextvars import copy_context

import pytest

from bridge.telemetry import exemplar as exemplar_module
from bridge.telemetry.exemplar import exemplar

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def labels(traceparent: str | None, problem_id: str | None) -> dict[str, str]:
    """What one request gives, in a context of its own."""

    def request() -> dict[str, str]:
        exemplar_module.note(traceparent)
        return exemplar(problem_id)

    return copy_context().run(request)


def test_a_recorded_trace_and_the_problem_are_named() -> None:
    assert labels(f"00-{TRACE}-{SPAN}-01", "SP-1") == {"trace_id": TRACE, "problem_id": "SP-1"}


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}-00",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_a_trace_that_nobody_keeps_is_left_out(traceparent: str | None) -> None:
    assert labels(traceparent, "SP-1") == {"problem_id": "SP-1"}


def test_a_later_version_of_the_header_may_say_more() -> None:
    assert labels(f"01-{TRACE}-{SPAN}-01-more", None) == {"trace_id": TRACE}


@pytest.mark.parametrize("problem_id", ["x" * 200, 'a"b', "a\\b", "a\nb"])
def test_an_id_that_openmetrics_cannot_carry_is_left_out(problem_id: str) -> None:
    assert labels(None, problem_id) == {}
