"""Laws of the decision for one field, and a model of two systems that people edit while answers are lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.link.comparison import InstantComparison, MapComparison, TextComparison
from bridge.domain.link.field import (
    Base,
    ConflictKind,
    Direction,
    FieldConflict,
    FieldRule,
    FieldWrite,
    Policy,
    Value,
    Verdict,
    answered,
    decide,
)
from bridge.domain.link.intent import Intent, Settlement, settle
from bridge.domain.link.word_map import Side, WordMap, WordPair
from tests.domain.link.test_word_map import SIDES, WORD_MAPS, WORDS

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
VALUES = st.builds(Value, WORDS, st.none() | st.integers(0, 9).map(lambda seconds: NOON + timedelta(seconds=seconds)))
SEEN = st.fixed_dictionaries({Side.LEFT: VALUES, Side.RIGHT: VALUES})
BASES = st.none() | st.fixed_dictionaries({Side.LEFT: WORDS, Side.RIGHT: WORDS})
RULES = st.builds(
    FieldRule,
    name=st.just("status"),
    comparison=WORD_MAPS.map(MapComparison),
    direction=st.sampled_from(list(Direction)),
    on_conflict=st.sampled_from(list(Policy)),
    on_link=st.sampled_from(list(Policy)),
    tie=SIDES,
    enforce=st.booleans(),
)


@given(RULES, SEEN, BASES)
def test_a_verdict_settles_what_it_was_given_for(rule: FieldRule, seen: dict[Side, Value], base: Base | None) -> None:
    verdict = decide(rule, seen, base)
    assert decide(rule, seen, base) == verdict
    if verdict.base is not None:
        after = decide(rule, seen, verdict.base)
        assert after.write is None
        assert after.conflict is None


@given(RULES, SEEN, BASES)
def test_what_was_written_and_kept_is_not_written_again(
    rule: FieldRule, seen: dict[Side, Value], base: Base | None
) -> None:
    write = decide(rule, seen, base).write
    if write is None:
        return
    now = seen | {write.side: Value(write.text)}
    settled = answered(rule, write, write.text)
    assert settled.conflict is None
    assert decide(rule, now, settled.base).write is None


@given(RULES, SEEN, BASES)
def test_what_a_target_refuses_is_tried_once(rule: FieldRule, seen: dict[Side, Value], base: Base | None) -> None:
    write = decide(rule, seen, base).write
    if write is None:
        return
    settled = answered(rule, write, seen[write.side].text)
    assert settled.conflict is not None
    assert settled.conflict.kind is ConflictKind.REFUSED
    assert decide(rule, seen, settled.base) == Verdict()


@given(RULES, SEEN, BASES, st.none() | SIDES)
def test_exchanging_the_sides_exchanges_the_verdict(
    rule: FieldRule, seen: dict[Side, Value], base: Base | None, choice: Side | None
) -> None:
    compare = rule.comparison
    assert isinstance(compare, MapComparison)
    mirror = [WordPair(row.right, row.left, row.writes and row.writes.other) for row in compare.word_map.rows]
    mirrored = FieldRule(**{**_fields(rule.mirrored()), "comparison": MapComparison(WordMap(tuple(mirror)))})
    verdict = decide(rule, seen, base, choice)
    other = decide(
        mirrored,
        {side: seen[side.other] for side in Side},
        None if base is None else {side: base[side.other] for side in Side},
        choice.other if choice else None,
    )
    assert _mirrored(other) == verdict


@given(RULES, SEEN, BASES, st.none() | SIDES)
def test_a_persons_value_is_overwritten_only_when_it_is_kept(
    rule: FieldRule, seen: dict[Side, Value], base: Base | None, choice: Side | None
) -> None:
    verdict = decide(rule, seen, base, choice)
    if verdict.write is None:
        return
    lost = seen[verdict.write.side].text
    was_base = base is not None and rule.comparison.class_of(verdict.write.side, lost) == rule.comparison.class_of(
        verdict.write.side, base[verdict.write.side]
    )
    kept = verdict.conflict is not None and lost in (verdict.conflict.left, verdict.conflict.right)
    assert was_base or kept


@pytest.mark.parametrize(
    ("left", "right", "winner"),
    [(0, 60, Side.RIGHT), (60, 0, Side.LEFT), (1, 0, Side.LEFT), (0, 1, Side.LEFT), (None, 60, Side.LEFT)],
)
def test_the_newest_wins_and_within_the_tolerance_the_tie_decides(left: int | None, right: int, winner: Side) -> None:
    rule = FieldRule("title", TextComparison())
    seen = {
        Side.LEFT: Value("l", None if left is None else NOON + timedelta(seconds=left)),
        Side.RIGHT: Value("r", NOON + timedelta(seconds=right)),
    }
    write = decide(rule, seen, {Side.LEFT: "x", Side.RIGHT: "x"}).write
    assert write is not None
    assert write.side is winner.other


def test_manual_waits_for_a_person_and_writes_nothing() -> None:
    rule = FieldRule("title", TextComparison(), on_conflict=Policy.MANUAL)
    seen, base = {Side.LEFT: Value("l"), Side.RIGHT: Value("r")}, {Side.LEFT: "x", Side.RIGHT: "x"}
    waiting = decide(rule, seen, base)
    assert waiting == Verdict(conflict=FieldConflict(ConflictKind.BOTH_CHANGED, "l", "r", waiting=True))
    chosen = decide(rule, seen, base, Side.RIGHT)
    assert chosen.write == FieldWrite(Side.LEFT, "r", "r")


def test_texts_that_a_side_cuts_mean_the_same() -> None:
    compare = TextComparison(max_length=5)
    assert compare.class_of(Side.LEFT, "a  long text") == compare.class_of(Side.RIGHT, "a lon")
    assert compare.put(Side.LEFT, "a  long text", None) == "a lon"
    assert compare.put(Side.LEFT, "a  long text", " a lon") == " a lon"


@given(st.text(max_size=20), st.none() | st.text(max_size=20), st.integers(1, 9), st.booleans())
def test_a_text_that_is_written_means_what_was_said(text: str, current: str | None, length: int, fold: bool) -> None:
    compare = TextComparison(max_length=length, casefold=fold)
    written = compare.put(Side.LEFT, text, current)
    assert written is not None
    assert compare.class_of(Side.RIGHT, written) == compare.class_of(Side.LEFT, text)


def test_instants_are_equal_within_the_second_whatever_their_zone() -> None:
    compare = InstantComparison()
    same = ["2026-06-01T12:00:00Z", "2026-06-01T14:00:00.400+02:00", "2026-06-01T12:00:00"]
    assert len({compare.class_of(Side.LEFT, text) for text in same}) == 1
    assert compare.put(Side.LEFT, same[0], same[1]) == same[1]
    assert compare.class_of(Side.LEFT, "0001-01-01T00:00:00+14:00") != compare.class_of(Side.LEFT, "soon")


@dataclass
class Pair:
    """Two systems, people who edit them, and the engine between: one field, bases, intents. Answers may be lost."""

    rule: FieldRule
    random: Random
    says: dict[Side, str]
    normalise: Callable[[Side, str], str] = lambda _side, text: text
    base: Base | None = None
    intent: Intent | None = None
    version: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    kept: list[str] = field(default_factory=list)
    uncertain: bool = False
    writes: int = 0
    reasons: int = 1

    def edit(self, side: Side, text: str) -> None:
        """A person changes the field."""
        self.says[side] = text
        self.version[side] += 1
        self.reasons += 1

    def step(self) -> None:
        """Settle what is open, then decide and write; the answer may be lost before or after the write was done."""
        if self.intent is not None:
            self._settle(self.intent)
            return
        verdict = decide(self.rule, {side: Value(self.says[side]) for side in Side}, self.base)
        self.base = verdict.base or self.base
        if verdict.conflict is not None:
            self.kept += [verdict.conflict.left, verdict.conflict.right]
        if verdict.write is None:
            return
        side = verdict.write.side
        lost = self.says[side]
        assert lost in self.kept or (self.base is not None and _same(self.rule, side, lost, self.base[side]))
        self.intent = Intent(verdict.write, self.says[side], self.version[side])
        self.writes += 1
        fate = self.random.choice(["answered", "answered", "answer lost", "request lost"])
        if fate == "request lost":
            self.reasons += 1
            return
        self.says[side] = self.normalise(side, verdict.write.text)
        self.version[side] += 1
        if fate == "answered":
            self._take(verdict.write)

    def _settle(self, intent: Intent) -> None:
        side = intent.write.side
        match settle(self.rule, intent, self.says[side], self.version[side]):
            case Settlement.DONE:
                self._take(intent.write)
            case Settlement.NOT_DONE:
                self.intent = None
            case Settlement.UNCERTAIN:
                self.uncertain = True
                self.base = {side: self.says[side], side.other: intent.write.derived_from}
                self.intent = None

    def _take(self, write: FieldWrite) -> None:
        self.base = answered(self.rule, write, self.says[write.side]).base
        self.intent = None


@settings(max_examples=1_000)
@given(
    RULES, st.lists(st.tuples(SIDES, WORDS) | st.none(), max_size=30), WORDS, WORDS, st.randoms(use_true_random=False)
)
def test_a_pair_comes_to_rest_and_nothing_is_written_without_a_reason(
    rule: FieldRule, events: list[tuple[Side, str] | None], left: str, right: str, random: Random
) -> None:
    pair = Pair(
        rule,
        random,
        {
            Side.LEFT: left,
            Side.RIGHT: right,
        },
    )
    for event in events:
        if event is None:
            pair.step()
        else:
            pair.edit(*event)
    pair.random = _honest()
    for _ in range(6):
        pair.step()
    settled, written = dict(pair.says), pair.writes
    for _ in range(3):
        pair.step()
    assert (pair.says, pair.writes) == (settled, written), "a pair at rest is left alone"
    assert pair.intent is None
    assert pair.writes <= pair.reasons


@settings(max_examples=500)
@given(
    st.lists(st.tuples(SIDES, WORDS) | st.none(), max_size=30),
    st.randoms(use_true_random=False),
    st.sampled_from(list(Policy)),
)
def test_two_way_fields_agree_at_rest(events: list[tuple[Side, str] | None], random: Random, policy: Policy) -> None:
    rule = FieldRule("title", TextComparison(), on_conflict=policy, on_link=Policy.LEFT)
    pair = Pair(
        rule,
        random,
        {
            Side.LEFT: "a",
            Side.RIGHT: "a",
        },
    )
    for event in events:
        if event is None:
            pair.step()
        else:
            pair.edit(*event)
            pair.step()
    pair.random = _honest()
    for _ in range(6):
        pair.step()
    if policy is not Policy.MANUAL and not pair.uncertain:
        assert pair.says[Side.LEFT] == pair.says[Side.RIGHT]


def _honest() -> Random:
    """A random source that loses nothing any more."""

    class Honest(Random):
        def choice(self, _seq: object) -> object:
            return "answered"

    return Honest()


def _same(rule: FieldRule, side: Side, one: str, other: str) -> bool:
    return rule.comparison.class_of(side, one) == rule.comparison.class_of(side, other)


def _fields(rule: FieldRule) -> dict[str, object]:
    return {name: getattr(rule, name) for name in rule.__dataclass_fields__}


def _mirrored(verdict: Verdict) -> Verdict:
    base, write, conflict = verdict.base, verdict.write, verdict.conflict
    return Verdict(
        None if base is None else {side: base[side.other] for side in Side},
        None if write is None else FieldWrite(write.side.other, write.text, write.derived_from),
        None if conflict is None else FieldConflict(conflict.kind, conflict.right, conflict.left, conflict.waiting),
        verdict.agreed,
    )
