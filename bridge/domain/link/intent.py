"""A write of which no answer came: was it done?

The intent is stored before the request is sent, and nothing is decided for its link until it is settled by reading the
target, not earlier than the target may still be working on the request. Without this a write that was done, but not
answered, would look like a change by a person, and overwrite a newer change on the other side.
"""

from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.link.field import FieldRule, FieldWrite


class Settlement(StrEnum):
    """What became of a write."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNCERTAIN = "uncertain"
    """Somebody changed the value meanwhile: whether before or after ours cannot be known. Nothing is overwritten."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A write about to be sent. `before`: what the target said; `version`: its version then, where it has one."""

    write: FieldWrite
    before: str
    version: str | None = None


def settle(rule: FieldRule, intent: Intent, says: str, version: str | None) -> Settlement:
    """Compare what the target says after the settling time with what was to be written."""
    meaning = rule.comparison.class_of(intent.write.side, says)
    if meaning == rule.comparison.class_of(intent.write.side, intent.write.text):
        return Settlement.DONE
    if intent.version is not None and version == intent.version:
        return Settlement.NOT_DONE
    if meaning == rule.comparison.class_of(intent.write.side, intent.before):
        return Settlement.NOT_DONE
    return Settlement.UNCERTAIN  # ours, rewritten by the target, or a person's: not to be guessed
