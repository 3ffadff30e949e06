"""What is written to the simulated world: POST, PATCH and DELETE of problems by the rules of each version.

A write that nobody is answered for may be carried out later (`WriteFaults`): it waits here, by itself, and is carried
out after a while, or when `finish_late` says so. What waits when the server ends is forgotten.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from bridge.simulator.tmf656 import dialect, patch
from bridge.simulator.tmf656.world import World

Json = dict[str, Any]
Work = Callable[[], Awaitable[object]]

_MANDATORY = ("category", "description", "priority", "reason", "originatorParty")
_NOT_PATCHABLE = frozenset({"id", "href", "originatingSystem", "firstAlert", "trackingRecord", "errorMessage"})
_NOT_PATCHABLE_BEFORE_V4 = frozenset({"creationDate", "externalIdentifier"})


class RefusedWriteError(Exception):
    """The write is answered with an error of this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Writes:
    """Carries out writes on the world, now or late."""

    def __init__(self, world: World) -> None:
        """Nothing waits yet."""
        self._world = world
        self._late: list[Work] = []

    def create(self, body: Json) -> Json:
        """Make a problem from what a client of this version wrote, and return it, v4-named."""
        version = self._world.version
        attributes = self._taken("create", dialect.decode(body, version))
        mandatory = _MANDATORY if version != "2" else (*_MANDATORY[:-1], "originatingSystem")
        missing = [dialect.wire_name(name, version) for name in mandatory if attributes.get(name) in (None, "")]
        if missing:
            raise RefusedWriteError(400, f"mandatory: {', '.join(missing)}")
        if version != "5":
            attributes.pop("id", None)
        try:
            return self._world.begin(attributes)
        except KeyError as error:
            raise RefusedWriteError(409, f"service problem {error.args[0]} exists") from error

    def change(self, problem_id: str, body: Any, media_type: str) -> None:
        """Apply a merge patch (plain JSON is one too) or a JSON patch (a list, or one operation alone)."""
        writes = self._world.faults.writes
        if not writes.takes(media_type):
            raise RefusedWriteError(415, f"{media_type} is not supported")
        wanted = self._wanted(problem_id, body, as_json_patch=media_type.endswith("json-patch+json"))
        version = self._world.version
        fixed = _NOT_PATCHABLE if version in ("4", "5") else _NOT_PATCHABLE | _NOT_PATCHABLE_BEFORE_V4
        changes = self._taken("patch", {name: value for name, value in wanted.items() if name not in fixed})
        self._world.alter(problem_id, changes)

    def later(self, work: Work, tasks: TaskGroup) -> None:
        """Carry out this work late."""
        self._late.append(work)
        seconds = self._world.faults.writes.late_seconds
        if seconds is not None:
            tasks.start_soon(self._after, work, seconds)

    async def finish_late(self) -> int:
        """Carry out now what waits, and return how much it was."""
        waiting = list(self._late)
        for work in waiting:
            await self._carry_out(work)
        return len(waiting)

    async def _after(self, work: Work, seconds: float) -> None:
        await anyio.sleep(seconds)
        await self._carry_out(work)

    async def _carry_out(self, work: Work) -> None:
        if work in self._late:
            self._late.remove(work)
            await work()

    def _taken(self, operation: str, attributes: Json) -> Json:
        """What the server makes of attributes; raises what it refuses them with."""
        writes = self._world.faults.writes
        refusal = writes.refuse(operation, attributes) if writes.refuse else None
        if refusal is not None:
            raise RefusedWriteError(*refusal)
        return writes.rewrite(attributes) if writes.rewrite else attributes

    def _wanted(self, problem_id: str, body: Any, *, as_json_patch: bool) -> Json:
        """Return a patch as a v4-named merge patch."""
        version, problem = self._world.version, self._world.problems[problem_id]
        if not as_json_patch:
            changes = dialect.decode(body, version)
            if self._world.faults.writes.append_lists:
                changes = {name: _appended(problem.get(name), value) for name, value in changes.items()}
            return changes
        try:
            encoded = dialect.encode(problem, version)
            changed = patch.apply_json_patch(encoded, body if isinstance(body, list) else [body])
        except patch.PatchError as error:
            raise RefusedWriteError(400, str(error)) from error
        return patch.difference(problem, dialect.decode(changed, version))


def _appended(known: Any, value: Any) -> Any:
    return [*known, *value] if isinstance(known, list) and isinstance(value, list) else value
