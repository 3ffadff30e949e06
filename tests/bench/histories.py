"""Made-up but lifelike service problems, the same for the same seed: what a source would say of each, in the order in
which it would say it.

Most problems are resolved within hours and some within weeks; a few are held for months, reopened, cancelled, rejected,
deleted, or go back and forth; a few services, parties and places have most of them. Some statements come late, some
bring only what changed, a few were found by a poll because no notification came.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson

from bridge.domain.observation import Kind, Via
from bridge.domain.service_problem import columns_of
from bridge.domain.timestamp import Precision, precision_of
from bridge.storage.observation import Entry
from bridge.tmf656 import wire
from bridge.tmf656.wire import document
from bridge.tmf656.wire.problem import observation_of

DAYS = 365
LOGGED_DAYS = 30
"""As long as the log of notifications is kept by default."""

CATEGORIES = ("serviceProvider.declarer", "supplier.originated", "system.originated", "customer.originated")
REGIONS = tuple(f"{way}-{number:02}" for way in ("north", "east", "south", "west") for number in range(1, 11))
SERVICES, RESOURCES, PARTIES = 2000, 5000, 300
_REASONS = ("fibre cut", "power outage", "card failure", "congestion", "misconfiguration", "unknown")
_WORDS = ("no light", "high error rate", "packet loss", "link flapping", "node unreachable", "voice quality degraded")
_PAUSES = ("held", "pending")
_SPELLINGS = {"inProgress": "In Progress", "held": "In Progress - Held"}
"""One source writes version 3's words."""


@dataclass(slots=True)
class Step:
    """A statement: when it holds, when it arrives, by which way, the problem or what changed of it (None: deleted)."""

    at: datetime
    arrives_at: datetime
    via: Via
    kind: str
    problem: dict[str, Any] | None


@dataclass(slots=True)
class Population:
    """`problems` lives over the year before `until`, with about `versions` statements in all."""

    problems: int
    versions: int
    until: datetime
    seed: int = 656
    sources: tuple[str, ...] = ("snow", "oss", "field")
    _random: Random = field(init=False)
    _extra: float = field(init=False)

    def __post_init__(self) -> None:
        """Find how many changes besides those of status make the wanted number of versions."""
        self._random = Random(self.seed)
        self._extra = max(0.0, self.versions / self.problems - _STATUS_STEPS)

    def histories(self) -> Iterator[tuple[int, str, list[Step]]]:
        """Yield (index of the source, id, what its source states), in the order in which the problems were raised."""
        for number in range(self.problems):
            raised = self.until - timedelta(days=DAYS * (1 - (number + self._random.random()) / self.problems))
            yield self._life(number, raised.replace(microsecond=0))

    def _life(self, number: int, raised: datetime) -> tuple[int, str, list[Step]]:
        random = self._random
        source = random.choices(range(3), (60, 30, 10))[0]
        problem = self._problem(f"SP-{number:07}", self.sources[source], raised)
        steps: list[Step] = []
        for status, at in self._steps(raised):
            if at > self.until:
                break
            problem = problem | {
                "status": _SPELLINGS.get(status, status) if source == 1 else status,
                "statusChangeDate": at.isoformat(),
                "lastUpdate": at.isoformat(),
            }
            if status == "resolved":
                problem |= {"resolutionDate": at.isoformat()}
            steps.append(self._step(at, "StateChange" if steps else "Create", problem))
            for _ in range(_whole(self._extra / _STATUS_STEPS, random)):
                noted_at = steps[-1].at + timedelta(seconds=random.randint(1, 55))
                problem = self._noted(problem, noted_at)
                steps.extend(self._changed(noted_at, problem))
        if problem["status"] == "closed" and random.random() < 0.02:
            gone = datetime.fromisoformat(problem["lastUpdate"]) + timedelta(days=random.randint(1, 60))
            steps.append(self._step(gone, "Delete", None))
        return source, problem["id"], [one for one in steps if one.at <= self.until]

    def _steps(self, raised: datetime) -> Iterator[tuple[str, datetime]]:
        """The statuses of a life, with their times; the reader stops at the end of time."""
        random = self._random
        at = raised
        yield "submitted" if random.random() < 0.3 else "acknowledged", at
        fate = random.random()
        if fate < 0.06:
            yield "rejected" if fate < 0.02 else "cancelled", at + _later(random, 2)
            return
        yield "inProgress", (at := at + _later(random, 0.4))
        if random.random() < 0.03:  # nobody cares any more
            yield random.choice(_PAUSES), at + _later(random, 1)
            return
        rounds = random.randint(4, 9) if random.random() < 0.01 else int(random.random() < 0.25)
        for _ in range(rounds):
            yield random.choice(_PAUSES), (at := at + _later(random, 1))
            yield "inProgress", (at := at + _later(random, 6))
        if random.random() < 0.01:
            yield "waiting for parts", (at := at + _later(random, 4))
        yield "resolved", (at := at + _later(random, 5))
        if random.random() < 0.05:
            yield "inProgress", (at := at + _later(random, 10))
            yield "resolved", (at := at + _later(random, 5))
        yield "closed", at + _later(random, 24)

    def _step(self, at: datetime, kind: str, problem: dict[str, Any] | None) -> Step:
        random = self._random
        chance = random.random()
        if chance < 0.92 or kind == "Delete":
            seconds = random.expovariate(1) if chance < 0.89 else random.uniform(60, 4000)
            return Step(at, at + timedelta(seconds=seconds), Via.PUSH, kind, problem)
        via = Via.POLL if chance < 0.97 else Via.RECONCILE if chance < 0.98 else Via.REFETCH
        return Step(at, at + timedelta(seconds=random.uniform(1, 60)), via, kind, problem)

    def _changed(self, at: datetime, problem: dict[str, Any]) -> list[Step]:
        """An attribute changed; of some changes only what changed is pushed, and then the whole is requested."""
        if self._random.random() > 0.02:
            return [self._step(at, "AttributeValueChange", problem)]
        part = {name: problem[name] for name in ("id", "lastUpdate", "note", "priority")}
        arrives_at = at + timedelta(seconds=1)
        return [
            Step(at, arrives_at, Via.PUSH, "AttributeValueChange", part),
            Step(at, arrives_at + timedelta(seconds=1), Via.REFETCH, "AttributeValueChange", problem),
        ]

    def _problem(self, problem_id: str, source: str, raised: datetime) -> dict[str, Any]:
        random = self._random
        service, resource = _skewed(random, SERVICES), _skewed(random, RESOURCES)
        listed = sorted({service, *(_skewed(random, SERVICES) for _ in range(random.randint(0, 2)))})
        return {
            "id": problem_id,
            "href": f"https://{source}.example/tmf-api/serviceProblemManagement/v4/serviceProblem/{problem_id}",
            "name": f"{random.choice(_WORDS)} on S{service:04}",
            "category": random.choices(CATEGORIES, (50, 25, 20, 5))[0],
            "priority": random.choices((1, 2, 3, 4, 5), (3, 10, 40, 30, 17))[0],
            "description": random.choice(_WORDS),
            "reason": random.choice(_REASONS),
            "originatorParty": {"id": f"P{_skewed(random, PARTIES):03}", "role": "originator"},
            "originatingSystem": source,
            "creationDate": raised.isoformat(),
            "affectedNumberOfServices": len(listed),
            "affectedService": [{"id": f"S{one:04}", "name": f"Service {one}"} for one in listed],
            "affectedResource": [{"id": f"R{resource:04}", "name": f"Node {resource}", "@referredType": "Router"}],
            "affectedLocation": [{"name": REGIONS[_skewed(random, len(REGIONS))], "role": "region"}],
            "relatedParty": [
                {"id": f"P{party:03}", "name": f"Party {party}", "role": role}
                for role, party in (("customer", _skewed(random, PARTIES)), ("supplier", _skewed(random, 20)))
            ],
        }

    def _noted(self, problem: dict[str, Any], at: datetime) -> dict[str, Any]:
        notes = [*problem.get("note", ()), {"date": at.isoformat(), "author": "noc", "text": "seen, being worked on"}]
        more = {"priority": self._random.randint(1, 5)} if self._random.random() < 0.1 else {}
        return problem | {"note": notes[-3:], "lastUpdate": at.isoformat(), **more}


_STATUS_STEPS = 4.37
"""Statuses a life has on average."""


def entry_of(steps: Step, source_id: int, problem_id: str, *, logged_since: datetime) -> Entry:
    """What the door is given for a statement. Notifications from before `logged_since` have left the log.

    The problems are version 4's as they are, so what the wire would make of most can be made in a fifth of the time.
    """
    event_type = f"ServiceProblem{steps.kind}Event" if steps.via is Via.PUSH else None
    if (
        steps.problem is not None
        and "status" in steps.problem
        and (event_type is None or steps.arrives_at < logged_since)
    ):
        columns = columns_of(steps.problem)
        seen = observation_of(
            document.canonical(steps.problem),
            columns,
            problem_id=problem_id,
            kind=Kind.FULL,
            via=steps.via,
            observed_at=steps.arrives_at,
            effective_at=columns.updated_at,
            precision=Precision.MICROSECOND if columns.updated_at is None else precision_of(columns.updated_at),
            event_type=event_type,
            event_at=steps.at if event_type else None,
        )
        return Entry(source_id, seen)
    envelope = {
        "eventId": f"{problem_id}-{steps.at.isoformat()}-{steps.kind}",
        "eventType": event_type,
        "eventTime": steps.at.isoformat(),
        "event": {"serviceProblem": steps.problem or {"id": problem_id}},
    }
    notification = wire.read_notification(orjson.dumps(envelope), received_at=steps.arrives_at)
    return Entry(source_id, notification.observation, notification if steps.arrives_at >= logged_since else None)


def midnight(at: datetime) -> datetime:
    """The start of that day, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _later(random: Random, hours: float) -> timedelta:
    """A while: half of them shorter than that, a few very long."""
    return timedelta(seconds=round(min(random.lognormvariate(math.log(hours * 3600), 1.1), 60 * 86400)) + 1)


def _skewed(random: Random, number: int) -> int:
    """One of so many, the first ones far more often."""
    return int(number * random.random() ** 3)


def _whole(mean: float, random: Random) -> int:
    """A whole number with this mean."""
    return int(mean) + (random.random() < mean % 1)
