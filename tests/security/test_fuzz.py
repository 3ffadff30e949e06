"""Whatever bytes are posted: a notification, or the one named error; never anything else, and never for long.

The short form runs with every change; the long form, a million inputs, with `make test-long`.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from time import process_time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Via
from bridge.errors import UnreadableError
from bridge.tmf656 import wire

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEEDS = [
    b'{"eventId":"1","eventTime":"2026-06-01T12:00:00Z","event":{"serviceProblem":{"id":"SP-1","status":"held"}}}',
    b'{"eventType":"ServiceProblemStateChangeNotification","event":{"id":"7","status":"Resolved","note":[{"text":"x"}]}}',
    b'[{"id":"1","@type":"ServiceProblem","affectedService":[{"id":1e400,"href":null}],"characteristic":[{"value":{}}]}]',
    b'\xef\xbb\xbf{"event":{"serviceProblem":{"id":"\\ud800\\u0000","lastUpdate":"2026-06-31T24:00:00+25:99"}}}',
    b'{"problemId":12,"Status":"CLOSED","LastUpdate":1780300000000,"extension":[[[[[[]]]]]]}',
]
TOKENS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"NaN", b"1e999", b"-0"),
    *(b'"id":', b'"event":', b'"serviceProblem":', b'"status":', b'"lastUpdate":', b"0" * 400, b"[" * 70),
    *(b"\x00", b"\xff"),
]


def reason_of(parse: Callable[[], object]) -> str | None:
    """Why it was not understood, None when it was; whatever else is raised fails the test."""
    try:
        parse()
    except UnreadableError as error:
        return error.reason
    return None


def read(raw: bytes, hint: str | None = None) -> None:
    """Both ways in: as a notification, and as a row of a list."""
    assert reason_of(lambda: wire.read_notification(raw, received_at=NOW, event_hint=hint)) != ""
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return
    if isinstance(row, dict):
        assert reason_of(lambda: wire.read_problem(row, asked_at=NOW, via=Via.POLL)) != ""


def mutated(rng: random.Random) -> bytes:
    """A seed with some bytes turned, cut, doubled, or replaced by what parsers stumble over."""
    raw = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(5):
            case 0 if at < len(raw):
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                del raw[at : at + rng.randint(1, 20)]
            case 2:
                raw[at:at] = rng.choice(TOKENS)
            case 3:
                raw[at:at] = raw[at : at + rng.randint(1, 60)]
            case _:
                other = rng.choice(SEEDS)
                begin = rng.randrange(len(other))
                raw[at:at] = other[begin : begin + rng.randint(1, 60)]
    return bytes(raw)


def inputs(number: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(number):
        yield mutated(rng)


def test_two_thousand_damaged_events() -> None:
    for raw in inputs(2000, seed=656):
        read(raw)


@settings(max_examples=300)
@given(st.binary(max_size=300), st.none() | st.text(max_size=40))
def test_any_bytes(raw: bytes, hint: str | None) -> None:
    read(raw, hint)


@pytest.mark.long
def test_a_million_damaged_events() -> None:
    started = process_time()
    for raw in inputs(1_000_000, seed=6562026):
        read(raw)
    assert process_time() - started < 1800
