"""A change as a JSON patch (RFC 6902) that is applied only while nobody else has written: version 5 of TMF656."""

from collections.abc import Mapping
from typing import Any

_TESTED = "lastUpdate"
_TYPE = "@type"


def json_patch(body: Mapping[str, Any], version: str) -> list[dict[str, Any]] | None:
    """Return the operations that write the attributes of a merge patch where `lastUpdate` is still `version`.

    None: a merge patch says more than operations could (a part of an object, a removal of what may not be there).
    """
    written = {name: value for name, value in body.items() if name != _TYPE}
    if not written or any(value is None or isinstance(value, dict) for value in written.values()):
        return None
    tested = {"op": "test", "path": f"/{_TESTED}", "value": version}
    return [tested, *({"op": "add", "path": f"/{_step(name)}", "value": value} for name, value in written.items())]


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
