"""JSON merge patch (RFC 7386): how a notification that carries only some attributes changes what is known.

Pure, and never changes its arguments: the result shares the parts that stay as they were.
"""

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """Return `target` with `patch` merged over it: null removes, objects merge by key, anything else (lists too)
    replaces.

    Nesting is followed by recursion: `tmf656.wire.DocumentLimits` limits the depth of patches from outside.

    >>> merge_patch({"status": "held", "note": [1]}, {"status": "resolved", "note": None})
    {'status': 'resolved'}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge_patch(merged.get(key), value)
        else:
            merged[key] = value
    return merged
