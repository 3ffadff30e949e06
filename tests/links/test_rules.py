"""Settings become the rule that is decided by, and only what changes a decision changes their hash."""

from datetime import timedelta

from bridge.domain.link.field import Direction, Policy
from bridge.domain.link.ticket_filter import ANY
from bridge.domain.link.word_map import Side
from bridge.links.rules import hash_of_settings, rule_of, state_of
from bridge.settings import LinkSettings

SETTINGS = {
    "left": "a",
    "right": "b",
    "create": "both",
    "settle_days": 3,
    "filter": {"left": {"state": "New"}, "end_right": "closed"},
    "match": {"by": ["number = id"], "created_within_days": 0},
    "fields": {
        "at": {"left": "due", "right": "due", "compare": "instant", "on_link": "manual"},
        "title": {
            "left": "name",
            "right": "name",
            "compare": "casefold",
            "direction": "left_to_right",
            "enforce": True,
        },
        "off": {"left": "x", "right": "x", "direction": "none"},
    },
    "limits": {"creates_per_hour": 5},
}


def settings(**over: object) -> LinkSettings:
    return LinkSettings.model_validate(SETTINGS | over)


def test_each_setting_is_in_the_rule() -> None:
    rule = rule_of("one", settings())
    assert [mapped.name for mapped in rule.fields] == ["at", "title"]
    at, title = (mapped.rule for mapped in rule.fields)
    assert (at.on_link, at.on_conflict) == (Policy.MANUAL, Policy.NEWEST)
    assert at.comparison.class_of(Side.LEFT, "2026-06-01T12:00:00Z") == at.comparison.class_of(
        Side.RIGHT, "2026-06-01T14:00:00.2+02:00"
    )
    assert (title.direction, title.enforce) == (Direction.LEFT_TO_RIGHT, True)
    assert title.comparison.class_of(Side.LEFT, "A b") == title.comparison.class_of(Side.RIGHT, "a  B")
    assert rule.creates == {Side.LEFT, Side.RIGHT}
    assert rule.filter(Side.RIGHT) is ANY
    assert set(rule.ends) == {Side.RIGHT}
    assert (rule.match_key, rule.matchers[0].path(Side.RIGHT).text) == (False, "id")
    assert (rule.created_within, rule.settle) == (timedelta(0), timedelta(days=3))
    assert rule.limits.creates_per_hour == 5


def test_only_what_changes_a_decision_changes_the_hash() -> None:
    before = hash_of_settings(settings())
    assert hash_of_settings(settings(enabled=False, mode="plan", limits={"attempts": 3})) == before
    assert hash_of_settings(settings(on_conflict="manual")) != before
    assert hash_of_settings(settings(create="none")) != before


def test_the_state_of_a_rule_as_configured() -> None:
    assert [state_of(settings(**over)) for over in ({}, {"mode": "plan"}, {"enabled": False})] == ["on", "plan", "off"]
