"""The listener of one test notes what was posted to it, over real HTTP."""

import socket
from collections.abc import AsyncIterator

import pytest

from bridge.errors import PermanentError, TransientError
from bridge.web.callback_probe import CallbackProbe, probing, status_of
from bridge.web.server import ServerOptions

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 30.0


@pytest.fixture
async def probe() -> AsyncIterator[CallbackProbe]:
    async with probing(ServerOptions("127.0.0.1", 0)) as listening:
        yield listening


async def test_a_post_below_the_secret_is_noted_and_no_other(probe: CallbackProbe) -> None:
    assert await status_of("GET", f"{probe.url}/listener/snow/one") == 201
    assert await status_of("POST", f"{probe.url}/listener/snow/two/listener/event") == 201
    assert await probe.posted("two", within_seconds=LIMIT_SECONDS)
    assert not await probe.posted("one", within_seconds=0)


async def test_an_address_that_is_taken_is_named_with_its_key() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PermanentError, match=r"http\.port"):
            async with probing(ServerOptions("127.0.0.1", taken.getsockname()[1])):
                pass


async def test_no_answer_is_an_error_of_ours() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(TransientError):
            await status_of("GET", f"http://127.0.0.1:{held.getsockname()[1]}/")
    with pytest.raises(TransientError):
        await status_of("GET", "no address")
