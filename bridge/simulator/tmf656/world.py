"""What the simulated server is, apart from HTTP: the truth, the hub, and the ways to change the one and tell the
other.

Every change, by HTTP, by the lives of the population or by a test's call, is one of `begin`, `alter`, `end` and
`perform`: it alters the truth and queues its events in one go, before anything else runs on the event loop.
"""

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import anyio

from bridge.simulator.tmf656 import patch
from bridge.simulator.tmf656.collection import Collection
from bridge.simulator.tmf656.faults import Faults
from bridge.simulator.tmf656.hub import CallbackForm, Hub
from bridge.simulator.tmf656.message_dialect import EventKind, encode_event, encode_task_event

Json = dict[str, Any]

_WAIT_SECONDS = 10.0


class World:
    """Problems, subscriptions and what happens to them."""

    def __init__(
        self,
        version: str,
        faults: Faults,
        *,
        clock: Callable[[], datetime],
        id_prefix: str,
        ids: random.Random,
        callback_form: CallbackForm,
        concurrency: int,
        retries: int,
        delivery_timeout_seconds: float,
    ) -> None:
        """An empty world of `version`; `ids` is where event ids are drawn from."""
        self.version = version
        self.faults = faults
        self.collection = Collection(version, faults, clock, id_prefix)
        self.tasks: dict[str, dict[str, Json]] = {resource: {} for resource in TASKS}
        self._ids = ids
        self._happening = anyio.Event()
        self.hub = Hub(
            faults,
            callback_form=callback_form,
            concurrency=concurrency,
            retries=retries,
            timeout_seconds=delivery_timeout_seconds,
            happened=self.happened,
        )

    @property
    def problems(self) -> dict[str, Json]:
        """The truth: id → v4-named problem."""
        return self.collection.problems

    async def wait_until(self, holds: Callable[[], bool], *, timeout_seconds: float = _WAIT_SECONDS) -> None:
        """Wait until `holds`, looked at after each request, registration, change and delivery. Raises TimeoutError."""
        with anyio.fail_after(timeout_seconds):
            while not holds():
                await self._happening.wait()

    def happened(self) -> None:
        """Wake the tasks that wait for something to happen."""
        self._happening.set()
        self._happening = anyio.Event()

    def begin(self, attributes: Mapping[str, Any]) -> Json:
        """Create a problem from v4-named attributes, defaults added. Raises KeyError when the proposed id is taken."""
        proposed = attributes.get("id")
        problem_id = str(proposed) if proposed is not None else self.collection.new_id()
        if problem_id in self.problems:
            raise KeyError(problem_id)
        at = self.collection.next_stamp(problem_id)
        stated = {name: value for name, value in attributes.items() if name not in ("id", "href") and value is not None}
        problem = self.collection.add(problem_id, self._defaults() | stated, at)
        self._announce(EventKind.CREATE, problem, at)
        return problem

    def alter(self, problem_id: str, changes: Mapping[str, Any]) -> Json:
        """Apply a v4-named merge patch; one StateChange if the status changed, else one AttributeValueChange, none for
        no change.
        """
        changed = self.collection.change(problem_id, changes)
        if changed is None:
            return self.problems[problem_id]
        old, new, at = changed
        moved = old.get("status") != new.get("status") and not self.faults.attribute_change_only
        if moved:
            self._announce(EventKind.STATE_CHANGE, new, at, old=old, field_path="status")
        if not moved or self.faults.both:
            names = [name for name in changes if old.get(name) != new.get(name)]
            self._announce(EventKind.ATTRIBUTE_VALUE_CHANGE, new, at, old=old, field_path=names[0] if names else None)
        self.happened()
        return new

    def end(self, problem_id: str) -> None:
        """Delete a problem. Raises KeyError when there is none."""
        problem, at = self.collection.remove(problem_id)
        tell = self.version == "5" if self.faults.delete_event is None else self.faults.delete_event
        if tell:
            gone = problem if self.version != "5" else {"id": problem_id, "href": problem.get("href")}
            self._announce(EventKind.DELETE, gone, at)
        self.happened()

    def perform(self, resource: str, task: Mapping[str, Any]) -> Json:
        """Carry out a task resource (`problemAcknowledgement`, …) and return it as the answer's body. Raises KeyError,
        ValueError.

        KeyError names an unknown problem; nothing was changed then.
        """
        done = TASKS[resource](self, task)
        answer = {**task, **done}
        if self.version == "5":
            task_id = f"T{sum(map(len, self.tasks.values())) + 1}"
            answer |= {
                "id": task_id,
                "href": f"{self.collection.base_url}/{resource}/{task_id}",
                "state": "done",
                "@type": _upper(resource),
            }
            self.tasks[resource][task_id] = answer
            self._announce_task(_upper(resource), answer)
        return answer

    def require_information(self, problem_id: str, attribute: str) -> None:
        """Send an InformationRequired event that asks for a v4-named attribute."""
        problem = self.problems[problem_id]
        at = self.collection.next_stamp(problem_id)
        self._announce(EventKind.INFORMATION_REQUIRED, problem, at, field_path=attribute)

    def _defaults(self) -> Json:
        status = "acknowledged" if self.version in ("4", "5") else "submitted"
        responsible = {
            "id": "SPM",
            "name": "Service Problem Management",
            "role": "ServiceProvider",
            "@referredType": "Organization",
        }
        return {"status": status, "affectedNumberOfServices": 0, "responsibleParty": responsible}

    def _announce(
        self, kind: EventKind, problem: Json, at: datetime, *, old: Json | None = None, field_path: str | None = None
    ) -> None:
        """Queue the event for all subscribers, as whole or as thin as version and faults say."""
        self.happened()
        if not self.hub.subscriptions:
            return
        body = self.collection.shown(problem)
        if self.faults.thin:
            body = {"id": body["id"], "href": body.get("href")}
        elif old is not None and self._sends_patches(kind):
            changes = patch.difference(self.collection.shown(old), body)
            body = {"id": body["id"], "href": body.get("href"), **changes}
        event_id, event_time = self._event_head(at)
        self.hub.publish(
            encode_event(kind, body, self.version, event_id=event_id, event_time=event_time, field_path=field_path)
        )

    def _announce_task(self, resource: str, task: Json) -> None:
        if not self.hub.subscriptions:
            return
        for kind, state in ((EventKind.CREATE, "acknowledged"), (EventKind.STATE_CHANGE, "done")):
            event_id, event_time = self._event_head(self.collection.now())
            body = task | {"state": state}
            self.hub.publish(encode_task_event(kind, resource, body, event_id=event_id, event_time=event_time))

    def _sends_patches(self, kind: EventKind) -> bool:
        if self.faults.partial is not None:
            return self.faults.partial
        return self.version == "5" and kind is EventKind.STATE_CHANGE

    def _event_head(self, at: datetime) -> tuple[str | None, str | None]:
        event_id = None if self.faults.without_event_id else f"{self._ids.getrandbits(64):016x}"
        return event_id, None if self.faults.without_event_time else self.collection.stamp(at)


def _upper(resource: str) -> str:
    return resource[:1].upper() + resource[1:]


def _named(world: World, task: Mapping[str, Any], name: str) -> list[str]:
    """Return the ids of the problems that a task names (a reference or a list of them).

    Raises KeyError or ValueError.
    """
    references = task.get(name)
    if isinstance(references, Mapping):
        references = [references]
    if not isinstance(references, list) or not references or not all(isinstance(item, Mapping) for item in references):
        raise ValueError(f"{name} must name at least one problem")
    ids = [str(reference.get("id")) for reference in references]
    for problem_id in ids:
        if problem_id not in world.problems:
            raise KeyError(problem_id)
    return ids


def _acknowledge(world: World, task: Mapping[str, Any]) -> Json:
    for problem_id in _named(world, task, "problem"):
        world.alter(problem_id, {"status": "acknowledged"})
    return {"ackProblem": task["problem"]}


def _unacknowledge(world: World, task: Mapping[str, Any]) -> Json:
    for problem_id in _named(world, task, "problem"):
        # v4 and v5 describe this as rolling back to Submitted, although their enumeration lacks it.
        world.alter(problem_id, {"status": "submitted"})
    return {"unackProblem": task["problem"]}


def _group(world: World, task: Mapping[str, Any]) -> Json:
    (parent, *_), children = _named(world, task, "parentProblem"), _named(world, task, "childProblem")
    for child in children:
        world.alter(child, {"parentProblem": [_reference(world, parent)]})
    known = world.problems[parent].get("underlyingProblem") or []
    added = [_reference(world, child) for child in children]
    world.alter(parent, {"underlyingProblem": [*(item for item in known if item["id"] not in children), *added]})
    return {}


def _ungroup(world: World, task: Mapping[str, Any]) -> Json:
    (parent, *_), children = _named(world, task, "parentProblem"), _named(world, task, "childProblem")
    for child in children:
        world.alter(child, {"parentProblem": None})
    known = world.problems[parent].get("underlyingProblem") or []
    kept = [item for item in known if item["id"] not in children]
    world.alter(parent, {"underlyingProblem": kept or None})
    return {}


def _reference(world: World, problem_id: str) -> Json:
    return {"id": problem_id, "href": world.collection.href(problem_id)}


TASKS: Mapping[str, Callable[[World, Mapping[str, Any]], Json]] = {
    "problemAcknowledgement": _acknowledge,
    "problemUnacknowledgement": _unacknowledge,
    "problemGroup": _group,
    "problemUngroup": _ungroup,
}
