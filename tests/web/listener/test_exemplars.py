"""Exemplars of the age of notifications, as Prometheus reads them: on, off, and whatever a sender writes."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bridge.app import RunningBridge
from bridge.telemetry import exemplar

pytestmark = pytest.mark.anyio

SECRET = "exemplar-secret-0123456789"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Opened = Callable[[bool], AbstractAsyncContextManager[RunningBridge]]
Shown = Callable[[RunningBridge], Awaitable[list[dict[str, str]]]]


def just_now(problem_id: str) -> bytes:
    """An event of this moment."""
    at = datetime.now(UTC).isoformat()
    problem = {"id": problem_id, "status": "held", "lastUpdate": at}
    return orjson.dumps(
        {"eventType": "ServiceProblemCreateEvent", "eventTime": at, "event": {"serviceProblem": problem}}
    )


@pytest.fixture
def opened(dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> Opened:
    """Call it with whether exemplars are wanted, for a bridge that is ready."""

    def opening(wanted: bool) -> AbstractAsyncContextManager[RunningBridge]:
        source = {"url": upstream.url, "callback_secret": SECRET, "poll_interval_seconds": 86_400}
        http = {"port": 0, "metrics_exemplars": wanted}
        running: AbstractAsyncContextManager[RunningBridge] = open_bridge(
            {"database": {"dsn": dsn}, "http": http, "sources": {"snow": source}}
        )
        return running

    return opening


@pytest.fixture
def shown(get: Callable[..., Any]) -> Shown:
    """Read the labels of every exemplar."""

    async def exemplars(bridge: RunningBridge) -> list[dict[str, str]]:
        answer = await get(f"{bridge.url}/metrics", Accept=OPENMETRICS)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        samples = [one for each in text_string_to_metric_families(answer.body.decode()) for one in each.samples]
        found = [one for one in samples if one.exemplar]
        assert {one.name for one in found} <= {"tmf656_bridge_event_age_seconds_bucket"}
        assert all(one.exemplar.value <= float(one.labels["le"]) for one in found)
        return [one.exemplar.labels for one in found]

    return exemplars


@pytest.fixture
def push(post: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Push an event that happened just now."""

    async def push_event(bridge: RunningBridge, problem_id: str, **headers: str) -> None:
        answer = await post(f"{bridge.url}/listener/snow/{SECRET}", just_now(problem_id), **headers)
        assert answer.status == 201

    return push_event


async def test_a_problem_and_its_trace_stand_behind_a_bucket(opened: Opened, shown: Shown, push: Any) -> None:
    async with opened(True) as bridge:
        await push(bridge, "SP-1", traceparent=PARENT)
        assert await shown(bridge) == [{"problem_id": "SP-1", "trace_id": TRACE}]


async def test_off_nothing_is_said(opened: Opened, shown: Shown, push: Any) -> None:
    async with opened(False) as bridge:
        await push(bridge, "SP-1", traceparent=PARENT)
        assert await shown(bridge) == []


@pytest.mark.parametrize("problem_id", ["#", "é" * 60, "x" * 118, "🚒} # {", "a='b'"], ids=ascii)
async def test_whatever_a_problem_is_called_the_page_can_be_read(
    opened: Opened, shown: Shown, push: Any, problem_id: str
) -> None:
    async with opened(True) as bridge:
        await push(bridge, problem_id)
        assert await shown(bridge) == [{"problem_id": problem_id}]


async def test_what_does_not_fit_or_has_to_be_escaped_is_left_out(opened: Opened, shown: Shown, push: Any) -> None:
    async with opened(True) as bridge:
        for problem_id in ("x" * 119, "a\nb", "a\rb", "\x1b[2J", 'a"b', "a\\b"):
            await push(bridge, problem_id)
        assert await shown(bridge) == []
        await push(bridge, "x" * 79, traceparent=PARENT)
        assert await shown(bridge) == [{"trace_id": TRACE}]


@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        (PARENT, TRACE),
        (f" {PARENT} ", TRACE),
        (f"00-{TRACE}-00f067aa0ba902b7-03", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-later", TRACE),
        (f"00-{TRACE}-00f067aa0ba902b7-00", None),  # nobody keeps it
        (f"00-{TRACE}-00f067aa0ba902b7-01-later", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f'00-{TRACE}"-00f067aa0ba902b7-01', None),
        ("", None),
        (None, None),
    ],
)
def test_a_trace_is_named_when_it_is_one_and_kept(header: str | None, trace_id: str | None) -> None:
    exemplar.note(PARENT)
    exemplar.note(header)
    assert exemplar.exemplar(None) == ({"trace_id": trace_id} if trace_id else {})
    exemplar.note(None)


async def test_a_trace_is_not_carried_over_to_the_next_request(opened: Opened, shown: Shown, open_wire: Any) -> None:
    """Requests of one connection are one task's."""
    async with opened(True) as bridge, open_wire(bridge.url) as wire:
        for problem_id, headers in (("SP-1", [f"traceparent: {PARENT}"]), ("SP-2", [])):
            assert (await wire.post(f"/listener/snow/{SECRET}", just_now(problem_id), *headers)).status == 201
        assert {"problem_id": "SP-2"} in await shown(bridge)
