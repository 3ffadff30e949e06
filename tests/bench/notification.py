"""What is sent: version 4 notifications of about 1.2 kB, and the problems in them of about 1 kB.

Everything follows from a number, so that any number of different ones can be made on the way without keeping them. A
template is filled, some microseconds each.

The shapes:
    lives       four events a problem: created, acknowledged, inProgress, resolved; 256 events apart, so that two of
                one problem are never under way together. A quarter of the events bring a new problem
    new         every event brings a new problem
    hot         every event is about the same problem
    duplicates  a hundred events, over and over
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

STRIDE = 256
STEPS = 4
DUPLICATES = 100
_STATUSES = ("submitted", "acknowledged", "inProgress", "resolved")
_CITIES = ("Lille", "Lyon", "Torino", "Bilbao", "Hamburg", "Gent", "Oslo", "Zagreb", "Porto", "Graz", "Brno")
_PARTS = ("line card", "amplifier", "power feed", "pump laser", "splice", "uplink port", "patch panel")
_API = "https://oss.example/tmf-api/serviceProblemManagement/v4/serviceProblem"
_CREATED = "2026-01-01T00:00:00.000000Z"
_NOTE = (
    "Alarm correlated from 3 sources of the ring and its backup path; see the work log of this shift and of the next"
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def problem(prefix: str, number: int, *, step: int = 0, at: int = 0, note: str = _NOTE) -> str:
    """A problem in JSON: the one of this prefix and number, at a step of its life, updated `at` microseconds after
    EPOCH.
    """
    here, there = _CITIES[number % 11], _CITIES[(number // 11 + number + 1) % 11]
    part, circuit, system, at_text = _PARTS[number % 7], 1_000_000 + number, number % 97, _instant(at)
    return (
        f'{{"id":"{prefix}-{number}","href":"{_API}/{prefix}-{number}","@type":"ServiceProblem",'
        f'"name":"Loss of signal {here} - {there}","category":"supplier.originated","priority":{1 + number % 4},'
        f'"description":"{part} failed between {here} and {there}, circuit {circuit}; part of the load is protected",'
        f'"reason":"Failure of {part} {circuit} at {here}","originatingSystem":"fault-manager-{system}",'
        f'"status":"{_STATUSES[step]}","creationDate":"{_CREATED}","lastUpdate":"{at_text}",'
        f'"statusChangeDate":"{at_text}","affectedNumberOfServices":2,'
        f'"affectedService":[{{"id":"vpn-{circuit}","href":"https://oss.example/service/vpn-{circuit}"}},'
        f'{{"id":"ring-{system}","href":"https://oss.example/service/ring-{system}"}}],'
        f'"relatedParty":[{{"id":"noc-{system}","role":"responsible","name":"Network operations {here}"}}],'
        f'"note":[{{"id":"1","author":"fault-manager","date":"{_CREATED}","text":"{note}"}}]}}'
    )


def event(prefix: str, number: int, subject: int, *, step: int, note: str = _NOTE) -> bytes:
    """A notification: event `number`, about problem `subject`."""
    kind = "ServiceProblemStateChangeEvent" if step else "ServiceProblemCreateEvent"
    about = problem(prefix, subject, step=step, at=number, note=note)
    return (
        f'{{"eventId":"{event_id(prefix, number)}","eventTime":"{_instant(number)}","eventType":"{kind}",'
        f'"domain":"transport","event":{{"serviceProblem":{about}}}}}'
    ).encode()


def envelope(prefix: str, number: int) -> str:
    """What is left of such an event without the problem in it."""
    return (
        f'{{"eventId":"{event_id(prefix, number)}","eventTime":"{_instant(number)}",'
        '"eventType":"ServiceProblemStateChangeEvent","domain":"transport","event":{}}'
    )


def event_id(prefix: str, number: int) -> str:
    """The id of an event."""
    return f"{prefix}-{number:012d}"


def maker(shape: str, prefix: str, body_bytes: int = 0) -> Callable[[int], bytes]:
    """Make events of a shape by their number; `body_bytes` stretches each to about that size."""
    note = filler(body_bytes - 1200) if body_bytes else _NOTE
    if shape == "lives":
        return lambda n: event(prefix, n, **_life(n), note=note)
    if shape == "new":
        return lambda n: event(prefix, n, n, step=0, note=note)
    if shape == "hot":
        return lambda n: event(prefix, n, 0, step=n % STEPS, note=note)
    if shape == "duplicates":
        return lambda n: event(prefix, number_of(shape, n), number_of(shape, n), step=0, note=note)
    raise ValueError(f"no shape {shape!r}")


def number_of(shape: str, sent: int) -> int:
    """Which event is sent as the one of this number."""
    return sent % DUPLICATES if shape == "duplicates" else sent


def filler(size: int) -> str:
    """Return words that do not repeat soon, of about this many bytes."""
    words = (f"{_CITIES[n % 11]} {_PARTS[n % 7]} {n * 2654435761 & 0xFFFFFFFF:x}" for n in range(size // 16))
    return " ".join(words)[:size]


def _life(number: int) -> dict[str, int]:
    group, place = divmod(number, STRIDE * STEPS)
    step, within = divmod(place, STRIDE)
    return {"subject": group * STRIDE + within, "step": step}


def _instant(microseconds: int) -> str:
    return f"{_second(microseconds // 1_000_000)}.{microseconds % 1_000_000:06d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"
