"""What `status` and `check` say of values that could not be read: each attribute with an example, and the remedy."""

from collections.abc import Iterable

from bridge.domain.service_problem import Unmapped

_MAPS = {"status": "status_map", "priority": "priority_map"}
_SHOWN = 3


def describe(values: Iterable[Unmapped]) -> str:
    """Return the attributes, with a few examples of each, escaped: they are what the source wrote."""
    by_attribute: dict[str, list[str]] = {}
    for value in values:
        by_attribute.setdefault(value.attribute, []).append(value.example)
    parts = []
    for attribute, examples in by_attribute.items():
        shown = ", ".join(ascii(example) for example in examples[:_SHOWN])
        more = f" and {len(examples) - _SHOWN} more" if len(examples) > _SHOWN else ""
        parts.append(f"{attribute} {shown}{more}")
    return "; ".join(parts)


def remedy(source: str, values: Iterable[Unmapped]) -> str:
    """Return what to do about them: the keys to set, or that the time should be written otherwise."""
    attributes = {value.attribute for value in values}
    keys = [f"sources.{source}.{key}" for attribute, key in _MAPS.items() if attribute in attributes]
    steps = [f"say what these words mean in {' and '.join(keys)}"] if keys else []
    if attributes - _MAPS.keys():
        steps.append("have the source write times as in 2026-03-02T10:00:00Z")
    return "; ".join(steps)
