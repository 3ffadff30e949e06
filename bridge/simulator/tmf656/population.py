"""The lives of problems: plausible service problems and what happens to them, one step at a time.

`Lives` decides and never acts: `history` makes problems that have lived already, `step` says what happens next
(`Create`, `Change` or `Delete`, v4-named). It has neither clock nor I/O; time is what the caller says it is, so a
month can pass in a second. The same seed and the same calls give the same lives.

Parties, services, resources and places come from fixed pools and are shared between problems; nobody changes them in
place.
"""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.simulator.tmf656.inventory import CITIES, INVENTORY, Inventory

Json = dict[str, Any]


_PEOPLE = (
    "Aline Girard", "Bruno Keller", "Chiara Conti", "Dario Núñez", "Eva Lindqvist", "Femke de Vries", "Grzegorz Nowak",
    "Hanna Berg", "Ines Prieto", "Jonas Vogt", "NOC shift B", "SPM robot",
)  # fmt: skip
_CATEGORIES = ("serviceProvider.declarer", "supplier.originated", "system.originated")
_FAULTS = (
    ("loss of signal on {resource} in {city}", "fibre cut during roadworks"),
    ("packet loss on {service} in {city}", "congestion after a failover"),
    ("{service} down in {city}", "failure of a line card in the {resource}"),
    ("high latency between {city} and the core", "suboptimal routing after maintenance"),
    ("flapping sessions on the {resource} in {city}", "software defect, vendor case open"),
    ("{service} degraded in {city}", "optical power below threshold"),
    ("site {city} unreachable", "mains failure, batteries exhausted"),
    ("errors on the customer port of {service} in {city}", "defective transceiver"),
)
_NOTES = {
    "submitted": ("ticket received, waiting for the first check",),
    "acknowledged": ("impact confirmed with monitoring", "assigned to second line", "customer informed"),
    "inProgress": (
        "technician on the way",
        "remote diagnosis running",
        "splice team on site",
        "traffic moved to the other path",
    ),
    "held": ("waiting for spare part", "road closed, access at 06:00", "waiting for the maintenance window"),
    "pending": ("asked the customer for access", "waiting for the customer's test result"),
    "resolved": ("service restored, under observation", "light levels normal again"),
    "closed": ("customer confirmed", "closed after 48 h without alarms"),
    "cancelled": ("raised in error", "duplicate of a known problem"),
    "rejected": ("not our service", "no fault found"),
}
_REASONS = {
    "acknowledged": "accepted for handling",
    "inProgress": "work started",
    "held": "waiting for material or access",
    "pending": "information required from the originator",
    "resolved": "service restored",
    "closed": "resolution confirmed",
    "cancelled": "withdrawn by the originator",
    "rejected": "outside of responsibility",
}
_REOPENED = "resolution rejected by the originator"

_V4_MOVES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "submitted": (("acknowledged", 9), ("cancelled", 1)),
    "acknowledged": (("inProgress", 17), ("rejected", 1), ("cancelled", 2)),
    "inProgress": (("resolved", 11), ("held", 4), ("pending", 4), ("cancelled", 1)),
    "held": (("inProgress", 15), ("resolved", 4), ("cancelled", 1)),
    "pending": (("inProgress", 15), ("resolved", 4), ("cancelled", 1)),
    "resolved": (("closed", 17), ("inProgress", 3)),
    "closed": (("inProgress", 1),),
}
_V3_MOVES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "submitted": (("acknowledged", 9), ("rejected", 1)),
    "acknowledged": (("inProgress", 18), ("cancelled", 2)),
    "inProgress": (("resolved", 11), ("held", 4), ("pending", 4), ("cancelled", 1)),
    "held": (("inProgress", 1),),
    "pending": (("inProgress", 1),),
    "resolved": (("closed", 17), ("acknowledged", 3)),
}
FINAL = frozenset({"closed", "cancelled", "rejected"})
_PAST = (
    ("acknowledged", 12), ("inProgress", 22), ("held", 7), ("pending", 7), ("resolved", 12), ("closed", 33),
    ("cancelled", 5), ("rejected", 2),
)  # fmt: skip
_AGE_SECONDS = 30 * 86_400
_NOTES_KEPT = 10


@dataclass(frozen=True, slots=True)
class CreateStep:
    """A new problem begins; `attributes` have no id and no stamps."""

    attributes: Json


@dataclass(frozen=True, slots=True)
class ChangeStep:
    """Something of a problem changes; `patch` is a v4-named merge patch."""

    problem_id: str
    patch: Json


@dataclass(frozen=True, slots=True)
class DeleteStep:
    """A problem that ended long ago is removed."""

    problem_id: str


Step = CreateStep | ChangeStep | DeleteStep


def stamp(at: datetime) -> str:
    """Return the instant as the simulator writes all of them: UTC, milliseconds, `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


class Population:
    """What happens to a population whose number of open problems stays about constant."""

    def __init__(self, rng: random.Random, *, version: str, open_target: int, max_problems: int | None) -> None:
        """Lives of `version` (the lifecycles differ), about `open_target` of them open; more than `max_problems` are
        pruned.
        """
        self._rng = rng
        self._old_lifecycle = version not in ("4", "5")
        self._moves = _V3_MOVES if self._old_lifecycle else _V4_MOVES
        self._open_target = max(1, open_target)
        self._max_problems = max_problems
        self._open: list[str] = []
        self._ended: deque[str] = deque()
        self._pools = Inventory(rng)

    def attributes(self) -> Json:
        """Return a new problem as a client would POST it, in its first status."""
        return self._begin("submitted" if self._old_lifecycle else "acknowledged")

    def history(self, problem_id: str, now: datetime) -> Json:
        """Return a problem that began in the last 30 days and has come some way since, and remember it as ours."""
        rng = self._rng
        status = rng.choices(*_PAST_CHOICES)[0]
        age_seconds = rng.random() * _AGE_SECONDS + 60
        problem = self._begin(status)
        created = now - timedelta(seconds=age_seconds)
        moved = created + timedelta(seconds=age_seconds * (0.1 + 0.5 * rng.random()))
        updated = moved + timedelta(seconds=(now - moved).total_seconds() * rng.random() * 0.9)
        problem |= {"creationDate": stamp(created), "statusChangeDate": stamp(moved), "lastUpdate": stamp(updated)}
        if status in ("resolved", "closed"):
            problem["resolutionDate"] = stamp(moved)
        if status in _REASONS:
            problem["statusChangeReason"] = _REASONS[status]
        problem["note"] = [self._note(status, 1, stamp(moved))]
        self.adopt(problem_id, status)
        return problem

    def adopt(self, problem_id: str, status: str) -> None:
        """Take a problem into the population: from now on things happen to it."""
        (self._ended if status in FINAL else self._open).append(problem_id)

    def step(self, problems: Mapping[str, Json], now: datetime) -> Step:
        """Say what happens next to `problems` (the truth, which others may have changed too)."""
        if self._max_problems is not None and len(problems) > self._max_problems:
            outlived = self._oldest_ended(problems)
            if outlived is not None:
                return DeleteStep(outlived)
        if len(self._open) < self._open_target and self._rng.random() < 0.5:
            return CreateStep(self.attributes())
        problem_id = self._pick(problems)
        return (
            CreateStep(self.attributes())
            if problem_id is None
            else self._happen(problem_id, problems[problem_id], stamp(now))
        )

    def _pick(self, problems: Mapping[str, Json]) -> str | None:
        """Choose a problem that something happens to: mostly an open one, now and then one just closed.

        None when there is none.
        """
        if self._ended and not self._old_lifecycle and self._rng.random() < 0.005:
            again = self._ended[-1]
            if again in problems and problems[again].get("status") == "closed":
                self._ended.pop()
                self._open.append(again)
                return again
        while self._open:
            index = self._rng.randrange(len(self._open))
            problem_id = self._open[index]
            if problem_id in problems and problems[problem_id].get("status") not in FINAL:
                return problem_id
            self._leave_open(index)
            if problem_id in problems:
                self._ended.append(problem_id)
        return None

    def _leave_open(self, index: int) -> None:
        """Forget an open problem in constant time; the order of the open ones means nothing."""
        self._open[index] = self._open[-1]
        self._open.pop()

    def _oldest_ended(self, problems: Mapping[str, Json]) -> str | None:
        while self._ended:
            problem_id = self._ended.popleft()
            if problem_id in problems:
                return problem_id
        return None

    def _happen(self, problem_id: str, problem: Json, now: str) -> ChangeStep:
        """Let a status move (always, for a problem closed before) or something else change."""
        status = str(problem.get("status"))
        if status == "closed" or self._rng.random() < 0.45:
            return ChangeStep(problem_id, self._move(problem, status, now))
        return ChangeStep(problem_id, self._detail(problem, status, now))

    def _move(self, problem: Json, status: str, now: str) -> Json:
        moves = self._moves.get(status) or (("inProgress", 1),)
        following = self._rng.choices([name for name, _ in moves], [weight for _, weight in moves])[0]
        reopened = status in ("resolved", "closed") and following not in FINAL
        patch: Json = {
            "status": following,
            "statusChangeReason": _REOPENED if reopened else _REASONS.get(following, ""),
        }
        if self._rng.random() < 0.6:
            patch |= self._noted(problem, following, now)
        return patch

    def _detail(self, problem: Json, status: str, now: str) -> Json:
        rng = self._rng
        choice = rng.random()
        if choice < 0.5:
            return self._noted(problem, status, now)
        if choice < 0.65:
            return {"priority": _another(rng, problem.get("priority"), 5)}
        if choice < 0.8:
            return {"affectedNumberOfServices": _another(rng, problem.get("affectedNumberOfServices"), 40)}
        if choice < 0.9:
            return {"problemEscalation": str(_another(rng, int(problem.get("problemEscalation") or 0), 10))}
        cost = {"name": "EstimatedCost", "value": str(rng.randrange(1, 90) * 50), "valueType": "string"}
        return {"responsibleParty": self._pools.party(rng), "characteristic": [cost]}

    def _noted(self, problem: Json, status: str, now: str) -> Json:
        notes = problem.get("note") or []
        return {"note": [*notes[-_NOTES_KEPT:], self._note(status, len(notes) + 1, now)]}

    def _note(self, status: str, number: int, now: str) -> Json:
        rng = self._rng
        texts = _NOTES.get(status) or _NOTES["inProgress"]
        author, text = rng.choice(_PEOPLE), rng.choice(texts)
        return {"id": f"N{number}-{rng.randrange(1_000_000):06d}", "author": author, "date": now, "text": text}

    def _begin(self, status: str) -> Json:
        rng, pools = self._rng, self._pools
        city = rng.randrange(len(CITIES))
        service, resource = pools.service(rng, city), pools.resource(rng, city)
        description, reason = rng.choice(_FAULTS)
        words = {"city": CITIES[city][0], "service": service["name"], "resource": resource["name"]}
        originator = pools.party(rng)
        description = description.format_map(words)
        problem: Json = {
            "name": description[:60],
            "description": description,
            "category": rng.choice(_CATEGORIES),
            "priority": 1 + min(rng.randrange(5), rng.randrange(5)),
            "reason": reason.format_map(words),
            "status": status,
            "originatingSystem": "NMS-" + "ABC"[rng.randrange(3)],
            "originatorParty": originator,
            "responsibleParty": pools.parties[-1],
            "relatedParty": [originator, pools.party(rng)],
            "affectedNumberOfServices": 1 + rng.randrange(12),
            "affectedService": [service],
            "affectedResource": [resource],
            "affectedLocation": [pools.places[city]],
            "impactImportanceFactor": str(rng.randrange(10)),
            "problemEscalation": "0",
            "externalIdentifier": [{"id": f"INC{rng.randrange(10_000_000):07d}"}],
        }
        self._decorate(problem, service, resource)
        return problem

    def _decorate(self, problem: Json, service: Json, resource: Json) -> None:
        """Give some problems what only some have: an alarm, a ticket, a root cause, a violated agreement."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.5:
            number = f"ALM-{rng.randrange(1_000_000):06d}"
            alarm = {"id": number, "href": f"{INVENTORY}/alarmManagement/v4/alarm/{number}"}
            problem["underlyingAlarm"] = [alarm]
            problem["firstAlert"] = {**alarm, "role": "First Alert", "@referredType": "ResourceAlarm"}
        if chance < 0.3:
            problem |= {"rootCauseService": [service], "rootCauseResource": [resource]}
        elif chance < 0.6:
            number = f"TT{rng.randrange(1_000_000):06d}"
            problem["troubleTicket"] = [{"id": number, "href": f"{INVENTORY}/troubleTicket/v4/troubleTicket/{number}"}]
        elif chance > 0.9:
            number = f"SLA{rng.randrange(1_000):03d}"
            problem["slaViolation"] = [{"id": number, "href": f"{INVENTORY}/slaManagement/v4/slaViolation/{number}"}]


_PAST_CHOICES = ([status for status, _ in _PAST], [weight for _, weight in _PAST])


def _another(rng: random.Random, known: object, highest: int) -> int:
    """Draw from 1 to `highest`, but not what is `known`: a change has to change something."""
    drawn = rng.randrange(1, highest)
    return drawn + 1 if isinstance(known, int) and drawn >= known else drawn
