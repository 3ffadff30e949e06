"""Rules as configured → rules as they are decided by. The settings are checked when they are read."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import blake2b

import orjson

from bridge.domain.link.comparison import Comparison, InstantComparison, MapComparison, TextComparison
from bridge.domain.link.field import Direction, FieldRule
from bridge.domain.link.note import NoteRule
from bridge.domain.link.path import read_path
from bridge.domain.link.rule import LinkLimits, LinkRule, MappedField, Matcher, OnDelete, Values
from bridge.domain.link.template import read_template
from bridge.domain.link.ticket_filter import ANY, read_filter
from bridge.domain.link.word_map import Side, WordMap, read_pair
from bridge.settings import LinkFieldSettings, LinkSettings
from bridge.settings.check_links import read_matcher
from bridge.settings.links import Constant

_KEY = "key"
_INTO = {
    "none": frozenset[Side](),
    "both": frozenset(Side),
    "left_to_right": frozenset((Side.RIGHT,)),
    "right_to_left": frozenset((Side.LEFT,)),
}
"""Direction of notes → sides that get copies."""


def rule_of(name: str, settings: LinkSettings) -> LinkRule:
    """Return the rule of these settings."""
    ends = {side: read_filter(getattr(settings.filter, f"end_{side.value}")) for side in Side}
    return LinkRule(
        name=name,
        sources={Side.LEFT: settings.left, Side.RIGHT: settings.right},
        fields=tuple(
            mapped for field, one in settings.fields.items() if (mapped := _field(field, one, settings)) is not None
        ),
        plan_only=settings.mode == "plan",
        creates=frozenset(side for side in Side if settings.create in ("both", side.value)),
        filters={side: read_filter(getattr(settings.filter, side.value)) for side in Side},
        ends={side: end for side, end in ends.items() if end is not ANY},
        match_key=_KEY in settings.match.by,
        matchers=tuple(
            Matcher(read_path(left), read_path(right))
            for left, right in (read_matcher(way) for way in settings.match.by if way != _KEY)
        ),
        created_within=timedelta(days=settings.match.created_within_days),
        companions={
            side: {
                path: {word: _values(values, *(each.value for each in Side)) for word, values in words.items()}
                for path, words in getattr(settings.companions, side.value).items()
            }
            for side in Side
        },
        created_with={side: _values(getattr(settings, f"create_{side.value}"), side.other.value) for side in Side},
        notes=NoteRule(
            into=_INTO[settings.notes.direction],
            since_link=settings.notes.since == "link",
            template=read_template(settings.notes.template, "system", "ticket", "author", "at"),
            journals={side: frozenset(getattr(settings.notes, side.value)) for side in Side},
            writes={side: getattr(settings.notes, f"write_{side.value}") for side in Side},
        ),
        limits=LinkLimits(
            writes_per_minute=settings.limits.writes_per_minute,
            writes_per_ticket_per_hour=settings.limits.writes_per_ticket_per_hour,
            creates_per_hour=settings.limits.creates_per_hour,
            changes_at_once=settings.limits.changes_at_once,
            attempts=settings.limits.attempts,
        ),
        settle=timedelta(days=settings.settle_days),
        on_delete=OnDelete(settings.on_delete),
        follows_up=settings.reopen == "follow_up",
        ends_duplicates=settings.duplicates == "cancel",
    )


def hash_of_settings(settings: LinkSettings) -> str:
    """Return what tells whether a rule was changed."""
    plain = settings.describe()
    for name in ("enabled", "mode", "limits"):  # nothing that was decided before changes with these
        plain.pop(name)
    return blake2b(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def state_of(settings: LinkSettings) -> str:
    """Return the state of a rule as configured: on, plan or off."""
    if not settings.enabled:
        return "off"
    return settings.mode


def _field(name: str, one: LinkFieldSettings, settings: LinkSettings) -> MappedField | None:
    direction = settings.direction_of(one)
    if direction is None:
        return None
    rule = FieldRule(
        name=name,
        comparison=_comparison(one, settings.maps),
        direction=direction,
        on_conflict=settings.policy(one.on_conflict, linking=False),
        on_link=settings.policy(one.on_link, linking=True),
        tie=Side(settings.tie),
        clock_tolerance=timedelta(seconds=settings.clock_tolerance_seconds),
        enforce=one.enforce,
    )
    names = ("value", "left") if direction is Direction.CREATE else ("value", "left", "right")
    return MappedField(
        rule,
        {side: tuple(read_path(path) for path in getattr(one, side.value)) for side in Side},
        read_template(one.template, *names) if one.template else None,
    )


def _comparison(one: LinkFieldSettings, maps: Mapping[str, tuple[str, ...]]) -> Comparison:
    if one.map:
        return MapComparison(WordMap(tuple(read_pair(row) for row in maps[one.map])))
    if one.compare == "instant":
        return InstantComparison()
    return TextComparison(one.max_length or None, casefold=one.compare == "casefold")


def _values(values: Mapping[str, Constant], *names: str) -> Values:
    return {path: read_template(value, *names) if isinstance(value, str) else value for path, value in values.items()}
