"""Which word a rule ends a ticket with: one that its map knows, where the status is mapped at all."""

from typing import Any

import pytest

from bridge.domain.link.ending import ending_of
from bridge.domain.link.word_map import Side
from bridge.links.rules import rule_of
from bridge.settings import LinkSettings

STATUS: dict[str, Any] = {"left": "status", "right": "state", "map": "s"}


def rule(field: dict[str, Any], *rows: str) -> Any:
    settings = {"left": "a", "right": "b", "fields": {"status": field}, "maps": {"s": rows}}
    return rule_of("one", LinkSettings.model_validate(settings)).fields


@pytest.mark.parametrize(
    ("rows", "left", "right"),
    [
        (("held = 3", "closed = 7", "cancelled = 8"), "cancelled", "8"),
        (("held = 3", "closed > 7"), "closed", "7"),
        (("resolved = 106", "closed = 107"), "closed", "107"),
    ],
)
def test_the_word_is_the_first_that_the_map_knows(rows: tuple[str, ...], left: str, right: str) -> None:
    fields = rule(STATUS, *rows)
    endings = [ending_of(fields, Side.LEFT, "tmf656"), ending_of(fields, Side.RIGHT, "servicenow")]
    assert [ending and (ending.field, ending.word, ending.writable) for ending in endings] == [
        ("status", left, True),
        ("status", right, True),
    ]


def test_one_direction_is_written_the_other_is_only_known() -> None:
    fields = rule(STATUS | {"direction": "left_to_right"}, "closed = 7")
    [left, right] = [ending_of(fields, Side.LEFT, "tmf656"), ending_of(fields, Side.RIGHT, "servicenow")]
    assert left is not None
    assert right is not None
    assert (left.writable, right.writable) == (False, True)


@pytest.mark.parametrize(
    ("field", "rows"),
    [
        (STATUS | {"direction": "create"}, ("closed = 7",)),
        (STATUS | {"map": ""}, ("closed = 7",)),
        (STATUS | {"left": "reason"}, ("closed = 7",)),
        (STATUS, ("held = 3",)),
    ],
)
def test_without_a_status_or_a_word_nothing_is_ended(field: dict[str, Any], rows: tuple[str, ...]) -> None:
    assert ending_of(rule(field, *rows), Side.LEFT, "tmf656") is None
