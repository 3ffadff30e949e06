"""All fields of a link: decided again on what came out, nothing comes out but the writes that are still missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.comparison import MapComparison, TextComparison
from bridge.domain.link.field import ConflictKind, Direction, FieldRule, Policy
from bridge.domain.link.merge import LinkMerge, merge
from bridge.domain.link.path import read_path
from bridge.domain.link.rule import LinkRule, MappedField, merged
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.template import read_template
from bridge.domain.link.word_map import Side, WordMap, read_pair

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WORDS = MapComparison(WordMap(tuple(map(read_pair, ["New = 1", "Hold = 3", "Wait = 3", "Done > 6", "Done < 7"]))))


def mapped(name: str, left: str, right: str, **rule: object) -> MappedField:
    comparison = rule.pop("comparison", TextComparison())
    template = rule.pop("template", None)
    field_rule = FieldRule(name, comparison, **rule)
    paths = {Side.LEFT: (read_path(left),), Side.RIGHT: (read_path(right),)}
    return MappedField(field_rule, paths, template)


RULE = LinkRule(
    "one",
    {Side.LEFT: "a", Side.RIGHT: "b"},
    (
        mapped("title", "name", "short"),
        mapped("state", "state", "state", comparison=WORDS, on_conflict=Policy.MANUAL),
        mapped("number", "number", "@id", direction=Direction.RIGHT_TO_LEFT),
        mapped(
            "text",
            "text",
            "text",
            direction=Direction.LEFT_TO_RIGHT,
            template=read_template("{{ value }} ({{ left.id }})", "value", "left", "right"),
        ),
    ),
)


def tickets(left: dict[str, object], right: dict[str, object]) -> dict[Side, SideTicket]:
    return {Side.LEFT: SideTicket("L1", "a", left), Side.RIGHT: SideTicket("R1", "b", right)}


def carried_out(
    found: LinkMerge, pair: dict[Side, SideTicket]
) -> tuple[dict[Side, SideTicket], dict[str, tuple[str, str]]]:
    """Write what is missing, as a target does that takes everything, and take the base of each answer."""
    after, base = dict(pair), dict(found.base)
    for side, writes in found.writes.items():
        values = RULE.changes(side, writes, pair)
        after[side] = SideTicket(pair[side].id, pair[side].source, merged(pair[side].record, values))
        for name, write in writes.items():
            texts = {side: write.text, side.other: write.derived_from}
            base[name] = (texts[Side.LEFT], texts[Side.RIGHT])
    return after, base


TEXTS = st.sampled_from(["", "a", "b", " a"])
LEFTS = st.fixed_dictionaries({"name": TEXTS, "state": st.sampled_from(["New", "Hold", "Wait", "Done"]), "text": TEXTS})
RIGHTS = st.fixed_dictionaries({"short": TEXTS, "state": st.sampled_from(["1", "3", "6", "7", "9"]), "text": TEXTS})
CHOICES = st.dictionaries(st.just("state"), st.sampled_from(list(Side)))


@given(LEFTS, RIGHTS, st.lists(st.tuples(LEFTS, RIGHTS), max_size=3), CHOICES)
def test_after_its_writes_a_link_is_at_rest_whatever_people_did_before(
    left: dict[str, object],
    right: dict[str, object],
    edits: list[tuple[dict[str, object], dict[str, object]]],
    choices: dict[str, Side],
) -> None:
    pair = tickets(left, right)
    base: dict[str, tuple[str, str]] = {}
    for new_left, new_right in [(left, right), *edits]:
        edited = tickets(new_left, new_right)
        pair = {side: replace_record(pair[side], edited[side]) for side in Side}
        found = merge(RULE, pair, base, choices)
        assert merge(RULE, pair, found.base, choices).writes == found.writes
        pair, base = carried_out(found, pair)
        at_rest = merge(RULE, pair, base)
        assert at_rest.writes == {Side.LEFT: {}, Side.RIGHT: {}}
        assert set(at_rest.conflicts) <= {"state"}, "only a state may wait for a person"


def replace_record(one: SideTicket, edited: SideTicket) -> SideTicket:
    return SideTicket(one.id, one.source, merged(one.record, edited.record))


def test_a_value_that_loses_is_kept_with_who_won() -> None:
    found = merge(RULE, tickets({"name": "x"}, {"short": "y"}), {"title": ("a", "a")})
    conflict = found.conflicts["title"]
    assert (conflict.kind, conflict.left, conflict.right) == (ConflictKind.OVERRULED, "x", "y")
    assert found.winners["title"] is Side.LEFT
    assert found.writes[Side.RIGHT]["title"].text == "x"


def test_an_empty_text_that_is_filled_at_the_first_comparison_is_no_loss() -> None:
    found = merge(RULE, tickets({"name": "x"}, {"short": ""}), {})
    assert "title" not in found.conflicts
    assert found.writes[Side.RIGHT]["title"].text == "x"
    emptied = merge(RULE, tickets({"name": "x"}, {"short": ""}), {"title": ("a", "a")})
    assert emptied.conflicts["title"].kind is ConflictKind.OVERRULED


def test_the_newest_wins_and_times_are_asked_for_only_then() -> None:
    asked: list[tuple[str, Side]] = []

    def since(field: MappedField, side: Side) -> datetime:
        asked.append((field.name, side))
        return NOON + timedelta(hours=side is Side.RIGHT)

    pair = tickets({"name": "x", "state": "New", "text": ""}, {"short": "y", "state": "1", "text": " (L1)"})
    found = merge(RULE, pair, {"title": ("a", "a"), "state": ("New", "1")}, since=since)
    assert found.winners["title"] is Side.RIGHT
    assert {name for name, _ in asked} == {"title"}
    asked.clear()
    merge(RULE, pair, {"title": ("x", "a"), "state": ("New", "1")}, since=since)
    assert asked == []


def test_a_field_that_is_no_longer_mapped_leaves_the_base() -> None:
    assert "gone" not in merge(RULE, tickets({}, {}), {"gone": ("a", "b")}).base


def test_a_template_writes_the_text_with_what_it_adds_and_its_result_is_no_change() -> None:
    pair = tickets({"text": "broken"}, {"text": ""})
    found = merge(RULE, pair, {})
    assert found.writes[Side.RIGHT]["text"].text == "broken (L1)"
    pair, base = carried_out(found, pair)
    assert merge(RULE, pair, base).writes[Side.RIGHT] == {}


def test_a_template_that_fails_writes_nothing_and_says_so() -> None:
    failing = replace(RULE.fields[3], template=read_template("{{ value + 1 }}", "value"))
    rule = replace(RULE, fields=(failing,))
    found = merge(rule, tickets({"text": "x"}, {"text": ""}), {})
    assert found.writes[Side.RIGHT] == {}
    assert found.conflicts["text"].kind is ConflictKind.UNMAPPED
