"""What is wrong with how a rule ends tickets and makes others for them: it takes a status that can be written, and the
right to make tickets.
"""

from collections.abc import Mapping
from typing import Any

from bridge.domain.link.ending import ENDED_WORDS, STATUS_FIELD
from bridge.domain.link.word_map import Side, read_pair
from bridge.errors import ConfigurationError
from bridge.settings.draft import Draft
from bridge.settings.links import LinkSettings
from bridge.settings.section import Key


def check_ends(draft: Draft, key: Key, rule: LinkSettings, sources: Mapping[Side, Mapping[str, Any]]) -> None:
    """Find the faults of a rule; one whose sources are not known has others."""
    if not all(sources.values()):
        return
    known = {side: _directions(rule, side, str(source.get("kind", "tmf656"))) for side, source in sources.items()}
    writable = [side for side in Side if {"both", f"{side.other.value}_to_{side.value}"} & set(known[side])]
    made = [side for side in Side if rule.create in ("both", side.value)]
    status = "a field with the status of the tickets, and a map of it with a word that ends them"
    if rule.on_delete == "end" and not writable:
        draft.fault((*key, "on_delete"), f'needs {status}, in a direction that is written; or set "leave"', "end")
    if rule.duplicates == "cancel" and made and not all(known[side] for side in made):
        draft.fault((*key, "duplicates"), f'needs {status}; or set "report"', "cancel")
    if rule.reopen == "follow_up" and not all(known.values()):
        draft.fault((*key, "reopen"), f'needs {status}, on both sides; or set "reopen"', "follow_up")
    for name, value in (("on_delete", "recreate"), ("reopen", "follow_up"), ("duplicates", "cancel")):
        if getattr(rule, name) == value and not made:
            draft.fault((*key, name), 'needs create = "left", "right" or "both" beside it', value)


def _directions(rule: LinkSettings, side: Side, kind: str) -> list[str]:
    """The directions of the fields that hold the status of a side, with a map that knows a word that ends a ticket."""
    return [
        one.direction
        for one in rule.fields.values()
        if list(getattr(one, side.value)) == [STATUS_FIELD.get(kind)]
        if one.direction not in ("none", "create")
        if any(word in ENDED_WORDS[kind] for word in _words(rule.maps.get(one.map, ()), side))
    ]


def _words(rows: tuple[str, ...], side: Side) -> list[str]:
    found = []
    for row in rows:
        try:
            found.append(read_pair(row).word(side))
        except ConfigurationError:
            continue  # a fault of the map, which is named there
    return found
