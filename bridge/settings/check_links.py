"""What is wrong with rules: between their keys, with their sources, and in their paths, maps and templates.

A rule is put over its preset first, so that what follows sees it whole. Rules that are not even of the right shape are
left to validation, which names those faults; all others are checked here, and every fault is named at once.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from pydantic import ValidationError

from bridge.domain.link.ending import ENDED_WORDS, STATUS_FIELD
from bridge.domain.link.path import ABOUT, read_path
from bridge.domain.link.template import read_template
from bridge.domain.link.ticket_filter import read_filter
from bridge.domain.link.word_map import Side, WordMap, read_pair
from bridge.errors import ConfigurationError
from bridge.settings.check_ends import check_ends
from bridge.settings.check_notes import check_notes
from bridge.settings.draft import Draft, suggestion
from bridge.settings.links import LinkFieldSettings, LinkSettings
from bridge.settings.preset import NONE, overlaid, preset_names, preset_table
from bridge.settings.section import Key, keys_of

SIDES: Final = tuple(side.value for side in Side)
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {"tmf656": ("category", "priority", "description", "reason")}
"""What a new ticket must have, by kind of system."""
_NOTE_NAMES: Final = ("system", "ticket", "author", "at")


def check_links(draft: Draft) -> None:
    """Put each rule over its preset, and find what is wrong with it."""
    links = draft.tree.get("links")
    if links is None:
        return
    if not isinstance(links, dict):
        draft.fault(("links",), "should be tables with a name each; write [links.NAME]")
        draft.tree.pop("links")
        return
    for name, table in list(links.items()):
        key = ("links", name)
        if not isinstance(table, dict):
            in_itself = name in keys_of(LinkSettings)
            wrong = "stands in [links] itself; a rule has a name: write [links.NAME] above it" if in_itself else None
            draft.fault(key, wrong or f"should be a table; write [links.{name}] with left and right below it")
            links.pop(name)
            continue
        links[name] = _with_preset(draft, key, table)
        _check(draft, key, links[name])
    _check_rings(draft, links)


def _with_preset(draft: Draft, key: Key, table: dict[str, Any]) -> dict[str, Any]:
    name = table.get("preset", NONE)
    if name == NONE or not isinstance(name, str):
        return table
    if name not in preset_names():
        draft.fault((*key, "preset"), f"is no preset{suggestion(name, preset_names())}", name)
        return table
    sources = {side: _source(draft, table.get(side)) for side in SIDES}
    below, kinds = preset_table(name, {side: _kind_and_table(source) for side, source in sources.items()})
    for side, source in sources.items():
        kind = _kind_and_table(source)[0]
        if source and kind not in kinds[side]:
            draft.fault(
                (*key, "preset"),
                f"needs a {side} of kind {' or '.join(kinds[side])}, and {table[side]} is {kind}; "
                f"exchange left and right, or take another preset ({', '.join(preset_names())})",
                name,
            )
    return overlaid(below, table)


def _source(draft: Draft, name: object) -> dict[str, Any]:
    table = draft.sources().get(name) if isinstance(name, str) else None
    return table if isinstance(table, dict) else {}


def _kind_and_table(source: Mapping[str, Any]) -> tuple[str, str]:
    kind = source.get("kind", "tmf656")
    table = source.get("table", "incident") if kind == "servicenow" else ""
    return str(kind), str(table)


def _check(draft: Draft, key: Key, table: dict[str, Any]) -> None:
    try:
        rule = LinkSettings.model_validate(table)
    except ValidationError:
        return
    _check_sources(draft, key, rule)
    _check_fields(draft, key, rule)
    _check_maps(draft, key, rule)
    _check_texts(draft, key, rule)
    sources = {side: _source(draft, getattr(rule, side.value)) for side in Side}
    check_notes(draft, key, rule, sources)
    check_ends(draft, key, rule, sources)
    _check_creates(draft, key, rule)


def _check_sources(draft: Draft, key: Key, rule: LinkSettings) -> None:
    known = list(draft.sources())
    for side in SIDES:
        name = getattr(rule, side)
        if name not in draft.sources():
            draft.fault((*key, side), f"is no source{suggestion(name, known) or '; write [sources.NAME] first'}", name)
    if rule.left == rule.right:
        draft.fault((*key, "right"), "is the left one, too; a rule joins two sources", rule.right)
    if not rule.enabled or rule.mode == "plan":
        return
    for side in Side:
        why = _why_written(rule, side)
        name = getattr(rule, side.value)
        source = _source(draft, name)
        if why and source and source.get("write", False) in (False, "false"):
            draft.fault(
                ("sources", name, "write"),
                f'should be true, because {".".join(key)} {why}; or set mode = "plan" there, which sends nothing',
            )


def _why_written(rule: LinkSettings, side: Side) -> str:
    """Say why a rule writes to a side; empty when it does not."""
    if rule.create in ("both", side.value):
        return f"creates tickets on its {side.value}"
    for name, one in rule.fields.items():
        direction = rule.direction_of(one)
        if direction is not None and direction.allows(side.other):
            return f"writes {name} to its {side.value}"
    towards = f"{side.other.value}_to_{side.value}"
    return f"copies notes to its {side.value}" if rule.notes.direction in ("both", towards) else ""


def _check_fields(draft: Draft, key: Key, rule: LinkSettings) -> None:
    if not any(one.direction != "none" for one in rule.fields.values()):
        draft.fault((*key, "fields"), "has no field; name at least one, or a preset")
    for name, one in rule.fields.items():
        place = (*key, "fields", name)
        for side in Side:
            for path in getattr(one, side.value):
                _try(draft, (*place, side.value), partial(read_path, path), path)
            _check_written(draft, place, rule, one, side)
        direction = rule.direction_of(one)
        if one.template and one.direction in ("both", "none"):
            draft.fault((*place, "template"), "needs direction left_to_right, right_to_left or create beside it")
        if one.template and not one.map:
            names = ("value", "left") if one.direction == "create" else ("value", *SIDES)
            _try(draft, (*place, "template"), partial(read_template, one.template, *names), None)
        if one.map and one.map not in rule.maps:
            draft.fault((*place, "map"), f"is no table of maps{suggestion(one.map, rule.maps)}", one.map)
        for other in ("template", "max_length"):
            if one.map and getattr(one, other):
                draft.fault((*place, other), "has no meaning beside map; take one of them out")
        if one.compare != "text" and (one.map or (one.compare == "instant" and one.max_length)):
            beside = "map" if one.map else "max_length"
            draft.fault((*place, "compare"), f"has no meaning beside {beside}; take one of them out", one.compare)
        if one.enforce and direction is not None and direction.value not in ("left_to_right", "right_to_left"):
            draft.fault((*place, "enforce"), "needs direction left_to_right or right_to_left beside it")


def _check_written(draft: Draft, place: Key, rule: LinkSettings, one: LinkFieldSettings, side: Side) -> None:
    """What is written must stand at a plain path."""
    direction = rule.direction_of(one)
    if direction is None or not direction.allows(side.other):
        return
    for path in getattr(one, side.value):
        try:
            plain = bool(read_path(path).names)
        except ConfigurationError:
            continue
        if not plain:
            kind = "is read-only" if path in ABOUT else "is an expression, which can only be read"
            draft.fault(
                (*place, side.value), f"{kind}; write to a field of its own, or set direction the other way", path
            )
    source = _source(draft, getattr(rule, side.value))
    kind, table = _kind_and_table(source)
    state = (kind, table) == ("servicenow", "problem") and "state" in getattr(one, side.value)
    if state and not source.get("state_path"):
        draft.fault(
            (*place, side.value),
            f"is not changed by the Table API since Rome: set sources.{getattr(rule, side.value)}.state_path to an "
            f'endpoint that moves it, or direction = "{side.value}_to_{side.other.value}"',
            "state",
        )


def _check_maps(draft: Draft, key: Key, rule: LinkSettings) -> None:
    for name, rows in rule.maps.items():
        place = (*key, "maps", name)
        faults = list(_faults_of_rows(rows))
        if not rows:
            faults = ['has no row; write "left = right"']
        if not faults:
            faults = WordMap(tuple(map(read_pair, rows))).faults(_ended_words(draft, rule, name))
        for fault in faults:
            draft.fault(place, fault)


def _faults_of_rows(rows: tuple[str, ...]) -> Iterator[str]:
    for row in rows:
        try:
            read_pair(row)
        except ConfigurationError as error:
            yield from error.faults


def _ended_words(draft: Draft, rule: LinkSettings, name: str) -> dict[Side, frozenset[str]]:
    """The words that end a ticket on each side, where the map is one of statuses."""
    found = {side: frozenset[str]() for side in Side}
    for one in rule.fields.values():
        for side in Side:
            kind, _ = _kind_and_table(_source(draft, getattr(rule, side.value)))
            if one.map == name and STATUS_FIELD.get(kind) in getattr(one, side.value):
                found[side] = frozenset(ENDED_WORDS[kind])
    return found


def _check_texts(draft: Draft, key: Key, rule: LinkSettings) -> None:
    for name in ("left", "right", "end_left", "end_right"):
        setting = getattr(rule.filter, name)
        _try(draft, (*key, "filter", name), partial(read_filter, setting), None)
    for way in rule.match.by:
        if way != "key":
            _try(draft, (*key, "match", "by"), partial(read_matcher, way), None)
    _try(draft, (*key, "notes", "template"), partial(read_template, rule.notes.template, *_NOTE_NAMES), None)
    for side in Side:
        written = {path for one in rule.fields.values() for path in getattr(one, side.value)}
        for path, words in getattr(rule.companions, side.value).items():
            if path not in written:
                draft.fault(
                    (*key, "with", side.value, path), f"is no field of the rule{suggestion(path, sorted(written))}"
                )
            for word, values in words.items():
                _check_values(draft, (*key, "with", side.value, path, word), values, SIDES)
        _check_values(draft, (*key, f"create_{side.value}"), getattr(rule, f"create_{side.value}"), (side.other.value,))


def _check_values(draft: Draft, place: Key, values: Mapping[str, object], names: tuple[str, ...]) -> None:
    for path, value in values.items():
        try:
            plain = bool(read_path(path).names)
        except ConfigurationError:
            plain = False
        if not plain:
            draft.fault((*place, path), "is no plain path; write name, or parent.name")
        if isinstance(value, str):
            _try(draft, (*place, path), partial(read_template, value, *names), None)


def read_matcher(text: str) -> tuple[str, str]:
    """Read `left path = right path`; ConfigurationError for anything else, or for a path that cannot be read."""
    left, equals, right = text.partition(" = ")
    if not (equals and left.strip() and right.strip()):
        raise ConfigurationError([f'{text!r}: write "key", or "path on the left = path on the right"'])
    read_path(left.strip())
    read_path(right.strip())
    return left.strip(), right.strip()


def _check_creates(draft: Draft, key: Key, rule: LinkSettings) -> None:
    """What a new ticket must have needs a field that is written there, or a constant."""
    if not rule.enabled or rule.mode == "plan":
        return
    for side in Side:
        if rule.create not in ("both", side.value):
            continue
        constants = getattr(rule, f"create_{side.value}")
        written = {
            path
            for one in rule.fields.values()
            if (way := rule.direction_of(one)) is not None and (way.value == "create" or way.allows(side.other))
            for path in getattr(one, side.value)
        }
        kind, _ = _kind_and_table(_source(draft, getattr(rule, side.value)))
        for name in _NEEDED.get(kind, ()):
            if name not in written and name not in constants:
                draft.fault(
                    (*key, f"create_{side.value}", name),
                    f"is missing; a new ticket of kind {kind} must have it: give a value, or a field that writes it",
                )


def _check_rings(draft: Draft, links: Mapping[str, Any]) -> None:
    """A change must not come back to the source that it began at: a → b → c → a. Several rules may join the same two
    sources, because their filters may tell their tickets apart.
    """
    groups: list[tuple[set[str], list[str]]] = []
    pairs: set[frozenset[str]] = set()
    for name, table in links.items():
        if not isinstance(table, dict) or table.get("enabled", True) in (False, "false"):
            continue
        pair = frozenset(side for side in (table.get("left"), table.get("right")) if isinstance(side, str))
        if len(pair) < len(SIDES) or pair in pairs:
            continue
        pairs.add(pair)
        touched = [group for group in groups if group[0] & pair]
        closing = next((group for group in touched if group[0] >= pair), None)
        if closing is not None:
            draft.fault(
                ("links", name),
                f"closes a ring: {' and '.join(sorted(pair))} are joined by {', '.join(closing[1])} already, and a "
                "change would come back to where it began; take one of these rules out, or set enabled = false",
            )
            continue
        joined = set(pair).union(*(group[0] for group in touched))
        rules = [rule for group in touched for rule in group[1]]
        groups = [group for group in groups if group not in touched] + [(joined, [*rules, name])]


def _try(draft: Draft, place: Key, read: Callable[[], object], value: object) -> None:
    try:
        read()
    except ConfigurationError as error:
        for fault in error.faults:
            draft.fault(place, fault, value if value is not None and repr(value) not in fault else None)
