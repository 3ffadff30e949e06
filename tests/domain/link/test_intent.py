"""What became of a write without an answer."""

import pytest

from bridge.domain.link.comparison import TextComparison
from bridge.domain.link.field import FieldRule, FieldWrite
from bridge.domain.link.intent import Intent, Settlement, settle
from bridge.domain.link.word_map import Side

RULE = FieldRule("title", TextComparison())
WRITE = FieldWrite(Side.RIGHT, "new", "new")


@pytest.mark.parametrize(
    ("says", "version", "settled"),
    [
        ("new", "8", Settlement.DONE),
        (" new ", "9", Settlement.DONE),
        ("old", "7", Settlement.NOT_DONE),
        ("old", "9", Settlement.NOT_DONE),
        ("NEW!", "7", Settlement.NOT_DONE),
        ("NEW!", "8", Settlement.UNCERTAIN),
        ("a person's", "9", Settlement.UNCERTAIN),
    ],
)
def test_the_target_says_what_became_of_a_write(says: str, version: str, settled: Settlement) -> None:
    assert settle(RULE, Intent(WRITE, "old", "7"), says, version) is settled


def test_without_a_version_only_the_value_tells() -> None:
    intent = Intent(WRITE, "old")
    assert settle(RULE, intent, "new", None) is Settlement.DONE
    assert settle(RULE, intent, "old", None) is Settlement.NOT_DONE
    assert settle(RULE, intent, "else", None) is Settlement.UNCERTAIN
