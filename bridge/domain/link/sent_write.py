"""A write that was sent, as its link keeps it until its outcome is known, and what the outcome comes to. Pure."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridge.domain.link.field import (
    Base,
    ConflictKind,
    FieldConflict,
    FieldRule,
    FieldWrite,
    answered,
)
from bridge.domain.link.intent import Intent, Settlement, settle
from bridge.domain.link.word_map import Side


class SentField(msgspec.Struct, frozen=True):
    """One field of a write. `before`: what the target said when the write was decided, None: it did not exist yet."""

    text: str
    derived_from: str
    before: str | None = None


class SentWrite(msgspec.Struct, frozen=True):
    """What was sent. `kind`: create, update or note; `version`: of the target before, where it has one."""

    kind: str
    side: Side
    fields: dict[str, SentField] = {}
    version: str | None = None
    item: str = ""

    def stored(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    def write(self, name: str) -> FieldWrite:
        """Return the write of one field."""
        sent = self.fields[name]
        return FieldWrite(self.side, sent.text, sent.derived_from)


def restored(values: Mapping[str, Any]) -> SentWrite:
    """Read what `SentWrite.stored` returned."""
    return msgspec.convert(dict(values), SentWrite)


@dataclass(slots=True)
class WriteResult:
    """What a write came to. `base`: of the fields that are settled; `settlements`: of a write without an answer;
    `reached`: what the target says of fields that were moved a part of the way.
    """

    base: dict[str, Base] = field(default_factory=dict)
    conflicts: dict[str, FieldConflict] = field(default_factory=dict)
    settlements: dict[str, Settlement] = field(default_factory=dict)
    reached: dict[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Did the target not keep the meaning of a field?"""
        return any(conflict.kind is ConflictKind.REFUSED for conflict in self.conflicts.values())

    @property
    def open(self) -> bool:
        """Has a field still to be written?"""
        return Settlement.NOT_DONE in self.settlements.values()


def answer_of(rules: Mapping[str, FieldRule], sent: SentWrite, says: Mapping[str, str]) -> WriteResult:
    """The write was answered, and the target says this now. A field without a rule (it was removed) counts no more."""
    result = WriteResult()
    for name in sent.fields.keys() & rules.keys() & says.keys():
        verdict = answered(rules[name], sent.write(name), says[name])
        if verdict.base is not None:
            result.base[name] = verdict.base
        if verdict.conflict is not None:
            result.conflicts[name] = verdict.conflict
    return result


def leave_out(result: WriteResult, sent: SentWrite, says: Mapping[str, str], placeless: Collection[str]) -> None:
    """Fields that the target has no place for are settled by being left out: what it says instead is no refusal."""
    for name in sent.fields.keys() & set(placeless):
        result.base[name] = {sent.side: says.get(name, ""), sent.side.other: sent.fields[name].derived_from}
        result.conflicts.pop(name, None)
        if name in result.settlements:
            result.settlements[name] = Settlement.DONE


def overwritten(sent: SentWrite) -> dict[str, FieldConflict]:
    """Somebody else wrote to the ticket between our read and our write: keep what each written field said before. What
    they wrote in it, if they did, cannot be known any more.
    """
    found = {}
    for name, one in sent.fields.items():
        says = {sent.side: one.before or "", sent.side.other: one.derived_from}
        found[name] = FieldConflict(ConflictKind.OVERWRITTEN, says[Side.LEFT], says[Side.RIGHT])
    return found


def settlement_of(
    rules: Mapping[str, FieldRule],
    sent: SentWrite,
    says: Mapping[str, str],
    version: str | None,
    between: Callable[[str, str], Collection[str]] = lambda _start, _goal: (),
) -> WriteResult:
    """The write had no answer, and the target says this after its settling time.

    What was done gets its base, what was not is decided again, and what cannot be known is kept as a conflict: nothing
    is overwritten for it until somebody changes a side. `between`: what a target says on the way from one text to
    another; a text of these is ours, and the way is gone on from there.
    """
    result = WriteResult()
    for name in sent.fields.keys() & rules.keys() & says.keys():
        write, before = sent.write(name), sent.fields[name].before
        outcome = settle(rules[name], Intent(write, before or "", version=sent.version), says[name], version)
        if outcome is Settlement.UNCERTAIN and says[name] in between(before or "", write.text):
            outcome, result.reached[name] = Settlement.NOT_DONE, says[name]
        result.settlements[name] = outcome
        if outcome is Settlement.NOT_DONE:
            continue
        base = {sent.side: says[name], sent.side.other: write.derived_from}
        result.base[name] = base
        if outcome is Settlement.UNCERTAIN:
            result.conflicts[name] = FieldConflict(ConflictKind.UNCERTAIN, base[Side.LEFT], base[Side.RIGHT])
    return result


def never_known(sent: SentWrite) -> WriteResult:
    """Nobody will know whether the write was done. What the target said before counts as settled, so that nothing is
    overwritten until somebody changes a side, or chooses: each field is a conflict.
    """
    result = WriteResult()
    for name, written in sent.fields.items():
        base = {sent.side: written.before or "", sent.side.other: written.derived_from}
        result.base[name] = base
        result.settlements[name] = Settlement.UNCERTAIN
        result.conflicts[name] = FieldConflict(ConflictKind.UNCERTAIN, base[Side.LEFT], base[Side.RIGHT])
    return result
