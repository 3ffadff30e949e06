"""Patches over JSON objects: RFC 7386 merge patch, its inverse, and as much of RFC 6902 as TMF656 servers take.

Pure; nothing here changes its arguments. The bridge has its own merge patch in `bridge.domain`: the server that is to
find its mistakes shares none of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


class PatchError(ValueError):
    """The patch does not fit the document; the text says where."""


def merge(document: Any, patch: Any) -> Any:
    """Return `document` with the merge patch applied: `None` removes, objects merge, everything else (lists too)
    replaces.
    """
    if not isinstance(patch, Mapping):
        return patch
    result: Json = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """Return the smallest merge patch with `merge(old, patch) == new`, for objects without `None` inside."""
    patch: Json = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if before == value and name in old:
            continue
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        patch[name] = difference(before, value) if both and before is not None else value
    return patch


def apply_json_patch(document: Mapping[str, Any], operations: Sequence[Any]) -> Json:
    """Return `document` after the `add`, `replace`, `remove` and `test` operations, all or (PatchError) none.

    A path may lack its leading slash, as in TM Forum's own example.
    """
    result: Any = dict(document)
    for operation in operations:
        if not isinstance(operation, Mapping) or not isinstance(operation.get("path"), str):
            raise PatchError("each operation is an object with op and path")
        steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].lstrip("/").split("/")]
        result = _apply(result, steps, str(operation.get("op")), operation.get("value"))
    if not isinstance(result, dict):
        raise PatchError("the result is no object")
    return result


def _apply(node: Any, steps: list[str], op: str, value: Any) -> Any:
    """Return a copy of `node` in which the operation was applied at `steps`."""
    step, rest = steps[0], steps[1:]
    if isinstance(node, dict):
        return _apply_to_object(node, step, rest, op, value)
    if isinstance(node, list):
        return _apply_to_list(node, step, rest, op, value)
    raise PatchError(f"nothing at {step}")


def _apply_to_object(node: Json, step: str, rest: list[str], op: str, value: Any) -> Json:
    if rest:
        return node | {step: _apply(node.get(step), rest, op, value)}
    if op == "add":
        known = node.get(step)
        # D's own sample adds one reference to a list by the list's path; RFC 6902 would replace the list by an object.
        return node | {step: [*known, value] if isinstance(known, list) and not isinstance(value, list) else value}
    if step not in node:
        raise PatchError(f"nothing at {step}")
    if op == "replace":
        return node | {step: value}
    if op == "remove":
        return {name: kept for name, kept in node.items() if name != step}
    _test(op, node[step], value)
    return node


def _apply_to_list(node: list[Any], step: str, rest: list[str], op: str, value: Any) -> list[Any]:
    if step == "-" and op == "add" and not rest:
        return [*node, value]
    if not step.isdecimal() or int(step) >= len(node) + (op == "add" and not rest):
        raise PatchError(f"no element {step}")
    index = int(step)
    if rest:
        return [*node[:index], _apply(node[index], rest, op, value), *node[index + 1 :]]
    if op == "add":
        return [*node[:index], value, *node[index:]]
    if op == "replace":
        return [*node[:index], value, *node[index + 1 :]]
    if op == "remove":
        return [*node[:index], *node[index + 1 :]]
    _test(op, node[index], value)
    return node


def _test(op: str, found: Any, value: Any) -> None:
    if op != "test":
        raise PatchError(f"operation {op} is not supported")
    if found != value:
        raise PatchError("a test failed")
