"""What is wrong with the notes of a rule: journals must be some that a side has, and notes are read to be copied."""

from collections.abc import Mapping
from typing import Any

from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import JOURNALS
from bridge.settings.draft import Draft
from bridge.settings.links import LinkSettings
from bridge.settings.section import Key


def check_notes(draft: Draft, key: Key, rule: LinkSettings, sources: Mapping[Side, Mapping[str, Any]]) -> None:
    """Find the faults of a rule; a side whose source is not known is left out."""
    for side, source in sources.items():
        if not source:
            continue
        kind = str(source.get("kind", "tmf656"))
        _check_journals(draft, (*key, "notes"), side, kind, rule)
        if rule.notes.direction != "none" and rule.enabled and rule.mode != "plan":
            _check_read(draft, key, getattr(rule, side.value), kind, source.get("journals", "none"))


def _check_read(draft: Draft, key: Key, name: str, kind: str, journals: object) -> None:
    if kind == "servicenow" and journals == "none":
        draft.fault(
            ("sources", name, "journals"),
            f'should be "sys_journal_field" or "display", because {".".join(key)} copies notes; or set '
            'notes.direction = "none" there',
        )
    elif kind == "dataminer":
        draft.fault(
            (*key, "notes", "direction"), f'should be "none": {name} is legacy Ticketing, whose tickets have no notes'
        )


def _check_journals(draft: Draft, place: Key, side: Side, kind: str, rule: LinkSettings) -> None:
    """A facade of ServiceNow may name the journal of a note; only the Table API writes to one by name."""
    to = getattr(rule.notes, f"write_{side.value}")
    for setting, journals, kinds in (
        (side.value, getattr(rule.notes, side.value), ("servicenow", "tmf656")),
        (f"write_{side.value}", (to,) if to else (), ("servicenow",)),
    ):
        for journal in journals:
            if kind not in kinds:
                draft.fault((*place, setting), f"has no meaning: a source of kind {kind} has no journals", journal)
            elif journal not in JOURNALS:
                draft.fault((*place, setting), f"is no journal; known are {', '.join(JOURNALS)}", journal)
