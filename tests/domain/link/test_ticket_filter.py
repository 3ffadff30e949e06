"""A filter is met by words or by an expression, and what does not fit it is not met."""

import pytest

from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.ticket_filter import ANY, read_filter

RECORD = {"state": "New", "priority": 2, "u": {"source": "dma"}, "text": "2"}


@pytest.mark.parametrize(
    ("setting", "met"),
    [
        ("", True),
        ({}, True),
        ({"state": ("New", "Open")}, True),
        ({"state": ("New",), "priority": ("3",)}, False),
        ({"priority": ("2",), "u.source": ("dma",)}, True),
        ({"none": ("",)}, True),
        ("priority < `4` && u.source == 'dma'", True),
        ("text < `4`", False),
        ("contains(state, `1`)", False),
        ("none", False),
    ],
)
def test_a_filter_is_met_or_not(setting: str | dict[str, tuple[str, ...]], met: bool) -> None:
    assert read_filter(setting).met(SideTicket("1", "a", RECORD)) is met


def test_no_filter_is_met_by_everything() -> None:
    assert read_filter("") is ANY
