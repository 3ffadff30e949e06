"""One field of one link: what both sides say, what they said when they last agreed, and what follows.

A three-way merge with a base for each side. Nothing is decided twice: the base that a verdict gives, applied to the
same values again, yields nothing. A value that a person wrote is overwritten only when it is the base already, or when
the verdict keeps it as a conflict.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.domain.link.comparison import Comparison
from bridge.domain.link.word_map import Side


class Direction(StrEnum):
    """Which way the changes of a field go; CREATE: only when the counterpart is made."""

    BOTH = "both"
    LEFT_TO_RIGHT = "left_to_right"
    RIGHT_TO_LEFT = "right_to_left"
    CREATE = "create"

    def allows(self, source: Side) -> bool:
        """May changes of `source` be written to the other side?"""
        one_way = Direction.LEFT_TO_RIGHT if source is Side.LEFT else Direction.RIGHT_TO_LEFT
        return self in (Direction.BOTH, one_way)


class Policy(StrEnum):
    """Who wins when both sides have changed."""

    LEFT = "left"
    RIGHT = "right"
    NEWEST = "newest"
    MANUAL = "manual"


class ConflictKind(StrEnum):
    """Why a value was kept for people to see."""

    BOTH_CHANGED = "both_changed"
    """Both sides changed, and a person is to choose."""
    OVERRULED = "overruled"
    """This value lost against the other side."""
    UNMAPPED = "unmapped"
    """No row says what to write for this value."""
    REFUSED = "refused"
    """The target did not keep what was written."""
    UNCERTAIN = "uncertain"
    """A write without an answer, and somebody changed the value meanwhile."""
    OVERWRITTEN = "overwritten"
    """Somebody changed the value between our read and our write."""
    OSCILLATING = "oscillating"
    """The field was written in both directions again and again."""
    DUPLICATE = "duplicate"
    """A second ticket carries the key."""
    AMBIGUOUS = "ambiguous"
    """Several tickets match."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one field is kept in step. `enforce`: a change on the side that may not write is written back."""

    name: str
    comparison: Comparison
    direction: Direction = Direction.BOTH
    on_conflict: Policy = Policy.NEWEST
    on_link: Policy = Policy.LEFT
    tie: Side = Side.LEFT
    clock_tolerance: timedelta = timedelta(seconds=2)
    enforce: bool = False

    def mirrored(self) -> "FieldRule":
        """The same rule with the sides exchanged; the comparison must be symmetric for it."""
        ways = {Direction.LEFT_TO_RIGHT: Direction.RIGHT_TO_LEFT, Direction.RIGHT_TO_LEFT: Direction.LEFT_TO_RIGHT}
        sides = {Policy.LEFT: Policy.RIGHT, Policy.RIGHT: Policy.LEFT}
        return replace(
            self,
            direction=ways.get(self.direction, self.direction),
            on_conflict=sides.get(self.on_conflict, self.on_conflict),
            on_link=sides.get(self.on_link, self.on_link),
            tie=self.tie.other,
        )


@dataclass(frozen=True, slots=True)
class Value:
    """What a side says. `since`: when the field got its present meaning there; None: not known."""

    text: str
    since: datetime | None = None


Base = dict[Side, str]
"""What each side said when the field was last settled."""


@dataclass(frozen=True, slots=True)
class FieldWrite:
    """Write `text` to `side`; it follows from `derived_from` on the other side."""

    side: Side
    text: str
    derived_from: str


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Values to keep. `waiting`: a person has to choose before anything is written."""

    kind: ConflictKind
    left: str
    right: str
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for one field. `base`: to be kept from now on, None: as it was (with a write: after its answer).

    `agreed`: both sides mean the same, so a waiting conflict is over.
    """

    base: Base | None = None
    write: FieldWrite | None = None
    conflict: FieldConflict | None = None
    agreed: bool = False


def decide(rule: FieldRule, values: dict[Side, Value], base: Base | None, choice: Side | None = None) -> Verdict:
    """Decide one field. `base` None: the pair has just been linked. `choice`: the side that a person chose."""
    here = {side: value.text for side, value in values.items()}
    if _agree(rule, here):
        return Verdict(base=dict(here), agreed=True)
    if choice is not None:
        return _overrule(rule, here, winner=choice)
    changed = [side for side in Side if base is None or not _same(rule, side, here[side], base[side])]
    if not changed:
        return Verdict()
    if rule.direction is Direction.CREATE:
        return Verdict(base=dict(here))
    if len(changed) == 1:
        return _one_changed(rule, here, changed[0])
    writers = [side for side in Side if rule.direction.allows(side)]
    if len(writers) == 1:
        return _overrule(rule, here, winner=writers[0])
    policy = rule.on_link if base is None else rule.on_conflict
    if policy is Policy.MANUAL:
        conflict = FieldConflict(ConflictKind.BOTH_CHANGED, here[Side.LEFT], here[Side.RIGHT], waiting=True)
        return Verdict(conflict=conflict)
    winner = _newest(rule, values) if policy is Policy.NEWEST else Side(policy.value)
    return _overrule(rule, here, winner=winner)


def answered(rule: FieldRule, write: FieldWrite, target_says: str) -> Verdict:
    """Return the base after a write was answered: what it was derived from, and what the target says *now*.

    A target that did not keep the meaning of what was written has refused it: not tried again until a side changes.
    """
    base = {write.side: target_says, write.side.other: write.derived_from}
    if _same(rule, write.side, target_says, write.text):
        return Verdict(base=base)
    return Verdict(base=base, conflict=FieldConflict(ConflictKind.REFUSED, base[Side.LEFT], base[Side.RIGHT]))


def _agree(rule: FieldRule, here: dict[Side, str]) -> bool:
    """Do both sides mean the same, or is one what would be written for the other?"""
    left, right, compare = here[Side.LEFT], here[Side.RIGHT], rule.comparison
    if compare.class_of(Side.LEFT, left) == compare.class_of(Side.RIGHT, right):
        return True
    return any(
        rule.direction.allows(side) and compare.put(side, here[side], here[side.other]) == here[side.other]
        for side in Side
    )


def _same(rule: FieldRule, side: Side, one: str, other: str) -> bool:
    return rule.comparison.class_of(side, one) == rule.comparison.class_of(side, other)


def _one_changed(rule: FieldRule, here: dict[Side, str], changed: Side) -> Verdict:
    if rule.direction.allows(changed):
        return _write(rule, here, source=changed)
    if rule.enforce:
        return _overrule(rule, here, winner=changed.other)
    return Verdict(base=dict(here))


def _write(rule: FieldRule, here: dict[Side, str], *, source: Side) -> Verdict:
    text = rule.comparison.put(source, here[source], here[source.other])
    if text is None:
        conflict = FieldConflict(ConflictKind.UNMAPPED, here[Side.LEFT], here[Side.RIGHT])
        return Verdict(base=dict(here), conflict=conflict)
    return Verdict(write=FieldWrite(source.other, text, here[source]))


def _overrule(rule: FieldRule, here: dict[Side, str], *, winner: Side) -> Verdict:
    """Write what the winner says, and keep what the other side said."""
    verdict = _write(rule, here, source=winner)
    if verdict.write is None:
        return verdict
    return replace(verdict, conflict=FieldConflict(ConflictKind.OVERRULED, here[Side.LEFT], here[Side.RIGHT]))


def _newest(rule: FieldRule, values: dict[Side, Value]) -> Side:
    left, right = values[Side.LEFT].since, values[Side.RIGHT].since
    if left is None or right is None or abs(left - right) <= rule.clock_tolerance:
        return rule.tie
    return Side.LEFT if left > right else Side.RIGHT
