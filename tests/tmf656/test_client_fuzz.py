"""Whatever a server answers, the client raises nothing but errors of ours, and asks the next time as if nothing was."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError
from bridge.settings import Tmf656Settings
from bridge.tmf656.client import Client
from bridge.tmf656.filter_style import FilterStyle
from bridge.tmf656.wire import stamps
from tests.fuzz_answers import RawAnswer, raw_answers, serving_raw
from tests.tmf656.test_client import BASE, SINCE

OPERATIONS = ("list", "filtered", "get", "register", "find", "probe", "deregister", "token")


async def ask(client: Client, operation: str) -> None:
    match operation:
        case "list" | "token":
            async for _ in client.pages(stamps=stamps, max_requests=12):
                pass
        case "filtered":
            async for _ in client.pages(
                changed_since=SINCE, filter_style=FilterStyle.DOT_GTE, stamps=stamps, max_requests=6
            ):
                pass
        case "get":
            await client.get("1")
        case "register":
            await client.register("http://us/listener/snow/secret", "a=b")
        case "find":
            await client.find_subscriptions()
        case "probe":
            await client.probe_subscription("1")
        case "deregister":
            await client.deregister("1")


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(answers=st.lists(raw_answers(), min_size=1, max_size=4), operation=st.sampled_from(OPERATIONS))
@pytest.mark.anyio
async def test_a1_nothing_but_our_errors_leaves_the_client(answers: list[RawAnswer], operation: str) -> None:
    given_out = iter(answers)
    last = answers[-1]
    async with serving_raw(lambda _: next(given_out, last)) as origin:
        keys: dict[str, Any] = {"url": origin + BASE, "request_timeout_seconds": 0.1, "max_response_bytes": 100_000}
        if operation == "token":
            keys |= {"oauth2_token_url": origin, "oauth2_client_id": "id", "oauth2_client_secret": "secret-0815"}
        async with Client("snow", Tmf656Settings(**keys)) as client:
            for _ in range(2):
                message = ""
                try:
                    await ask(client, operation)
                except BridgeError as error:
                    message = str(error)
                assert message.isprintable()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
