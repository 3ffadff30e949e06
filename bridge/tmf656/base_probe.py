"""Finds the base path of a server when the configured one answers 404: tries usual paths and spellings."""

from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import anyio

Gives = Callable[[str, str], Awaitable[bool]]
"""Whether a base path and a resource path give problems."""

_API = "serviceProblemManagement"
_RESOURCES = ("/serviceProblem", "/ServiceProblem", "/serviceproblem", "/serviceProblems", "/service-problem")
_VERSIONS = ("v4", "v5", "v3", "v2")
_MOST = 60
_AT_ONCE = 4
_SECONDS = 10.0


def candidates(url: str, resource_path: str) -> Iterator[tuple[str, str]]:
    """Other base paths and resource paths on the same origin, the likely ones first; at most 60."""
    found = dict.fromkeys(_all_candidates(url, resource_path))
    found.pop((url, resource_path), None)
    yield from list(found)[:_MOST]


def _all_candidates(url: str, resource_path: str) -> Iterator[tuple[str, str]]:
    bases = list(dict.fromkeys(_bases(url)))
    resources = dict.fromkeys((resource_path, *_RESOURCES))
    for resource in resources:
        yield url, resource
    for base in bases:
        yield base, resource_path
    for base in bases:
        for resource in _RESOURCES[:2]:
            yield base, resource


def _bases(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    origin = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    path = parts.path.rstrip("/")
    last = path.rpartition("/")[2]
    versioned = last[:1].lower() == "v" and last[1:2].isdigit()
    bare = path.rpartition("/")[0] if versioned else path
    yield origin + bare
    for version in _VERSIONS:
        yield f"{origin}{bare}/{version}"
    for above in (
        f"{bare}/{_API}",
        f"{bare}/tmf-api/{_API}",
        f"/tmf-api/{_API}",
        f"/{_API}",
        f"/api/{_API}",
        "/api",
        "",
    ):
        yield origin + above
        for version in _VERSIONS:
            yield f"{origin}{above}/{version}"
    while bare:
        bare = bare.rpartition("/")[0]
        yield origin + bare


async def find_base(url: str, resource_path: str, gives: Gives) -> tuple[str, str] | None:
    """Return the first candidate that gives problems; None when none does."""
    waiting = list(candidates(url, resource_path))
    for start in range(0, len(waiting), _AT_ONCE):
        answers: dict[tuple[str, str], bool] = {}
        async with anyio.create_task_group() as group:
            for pair in waiting[start : start + _AT_ONCE]:
                group.start_soon(_try, gives, pair, answers)
        for pair in waiting[start : start + _AT_ONCE]:
            if answers.get(pair):
                return pair
    return None


async def _try(gives: Gives, pair: tuple[str, str], answers: dict[tuple[str, str], bool]) -> None:
    with anyio.move_on_after(_SECONDS):
        answers[pair] = await gives(*pair)
