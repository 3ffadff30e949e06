"""The address of a problem's page, and of what belongs to it."""

from typing import Final
from urllib.parse import quote, urlencode

_DOTS: Final = (".", "..")
"""Browsers take such a segment of a path for a step, also where it is percent-encoded."""
BODY: Final = "body.json"


def problem_path(source: str, problem_id: str, *, part: str = "", **parameters: str) -> str:
    """Return the address of a problem's page, or of a part of it; an id may hold anything.

    >>> problem_path("noc", "a/b c?", show="notes")
    '/problems/noc/a%2Fb%20c%3F?show=notes'
    >>> problem_path("noc", "..", part=BODY)
    '/problems/noc?id=..&part=body.json'
    """
    path = f"/problems/{quote(source, safe='')}"
    if problem_id in _DOTS:
        parameters = {"id": problem_id} | ({"part": part} if part else {}) | parameters
    else:
        path += f"/{quote(problem_id, safe='')}" + (f"/{part}" if part else "")
    return f"{path}?{urlencode(parameters)}" if parameters else path
