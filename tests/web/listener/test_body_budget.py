"""Bodies may take so much room at a time, all requests together; what is too much is answered 503 with Retry-After."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

pytestmark = pytest.mark.anyio

SECRET = "room-C4nary-0123456789abcd"
PATIENCE_SECONDS = 30


def large(problem_id: str, length: int) -> dict[str, Any]:
    problem = {"id": problem_id, "status": "held", "description": "x" * length}
    return {"eventId": problem_id, "eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": problem}}


async def test_what_would_be_too_much_at_a_time_is_told_to_come_again_and_then_taken(
    dsn: str,
    upstream: Any,
    open_bridge: Callable[..., Any],
    open_wire: Callable[..., Any],
    post: Callable[..., Any],
    request_head: Callable[..., bytes],
) -> None:
    source = {"url": upstream.url, "push": False, "poll_interval_seconds": 86_400, "callback_secret": SECRET}
    http = {"port": 0, "max_body_bytes": 20_000, "max_waiting_bytes": 10_000, "body_timeout_seconds": 60}
    async with open_bridge({"database": {"dsn": dsn}, "http": http, "sources": {"v4": source}}) as bridge:
        callback = f"{bridge.url}/listener/v4/{SECRET}"
        assert (await post(callback, large("alone, larger than the room", 15_000))).status == 201
        async with open_wire(bridge.url) as slow:
            await slow.send(request_head(f"/listener/v4/{SECRET}", "Content-Length: 9000") + b" " * 8990)
            with anyio.fail_after(PATIENCE_SECONDS):
                number = 0
                while (refused := await post(callback, large(f"P-{number}", 5000))).status == 201:
                    number += 1
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["reason"] == "overloaded"
            assert (await post(callback, large("small enough", 100))).status == 201
            await slow.send(b"{}" + b" " * 8)
            assert (await slow.answer()).status == 201
        assert (await post(callback, large(f"P-{number}", 5000))).status == 201
        refusals = bridge.metrics.refused.labels("overloaded")
        assert refusals._value.get() == 1
