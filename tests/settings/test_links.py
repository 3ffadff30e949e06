"""A rule as settings: what is left out has a default, and what is written reads back the same."""

import pytest
from pydantic import ValidationError

from bridge.domain.link.field import Direction, Policy
from bridge.settings import LinkSettings

LEAST = {"left": "a", "right": "b"}


def test_what_is_written_reads_back_the_same() -> None:
    given = LEAST | {
        "filter": {"left": {"state": "New", "priority": [1, 2]}, "right": "priority < `4`"},
        "fields": {"p": {"left": "priority", "right": ["impact", "urgency"], "map": "p"}},
        "maps": {"p": ["1 = 1/1"]},
        "with": {"right": {"state": {"6": {"close_code": "Solved"}}}},
    }
    rule = LinkSettings.model_validate(given)
    assert rule.filter.left == {"state": ("New",), "priority": ("1", "2")}
    assert rule.fields["p"].left == ("priority",)
    assert rule.companions.right == {"state": {"6": {"close_code": "Solved"}}}
    assert LinkSettings.model_validate(rule.describe()) == rule


def test_a_field_has_the_policy_of_the_rule_unless_it_has_its_own() -> None:
    rule = LinkSettings.model_validate(
        LEAST | {"on_link": "right", "fields": {"a": {"left": "x", "right": "x", "on_conflict": "manual"}}}
    )
    one = rule.fields["a"]
    assert rule.policy(one.on_conflict, linking=False) is Policy.MANUAL
    assert rule.policy(one.on_link, linking=True) is Policy.RIGHT
    assert rule.direction_of(one) is Direction.BOTH


@pytest.mark.parametrize("paths", ["", [], [""], ["a", " "], 5.5, {}])
def test_a_field_needs_a_path_on_each_side(paths: object) -> None:
    with pytest.raises(ValidationError):
        LinkSettings.model_validate(
            LEAST | {"fields": {"a": {"left": {"x": paths} if paths == {} else paths, "right": []}}}
        )
