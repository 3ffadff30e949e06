"""What the parent gives each worker, and what it takes for one that hangs."""

import signal
import socket

import anyio
import pytest

from bridge.settings import Settings
from bridge.web.connections import ConnectionLimit
from bridge.workers import channel, parent
from bridge.workers.channel import Message
from bridge.workers.parent import Workers, _share, _Worker

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("count", [2, 3, 8, 64])
def test_one_peer_leaves_room_for_others_in_every_worker(count: int) -> None:
    whole = Settings().http
    share = _share(Settings(), count).http
    cap = ConnectionLimit(share.max_connections, share.max_connections_per_peer)
    taken = sum(cap.enter("192.0.2.1") for _ in range(whole.max_connections))
    assert whole.max_connections_per_peer <= taken * count < whole.max_connections_per_peer + count
    assert cap.enter("192.0.2.2")


async def test_a_worker_is_killed_for_questions_it_leaves_unanswered_not_for_time_that_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that was suspended finds that much time has passed, and everybody well."""
    monkeypatch.setattr(parent, "_ASK_SECONDS", 0.01)

    async def nothing(_: Message) -> Message:
        return {}

    ours, theirs = socket.socketpair()
    async with channel.opened(ours, nothing) as asking, await anyio.open_process(["sleep", "60"]) as process:
        with anyio.move_on_after(30):
            await Workers(Settings(), 2)._watch(_Worker(2, False, process, asking))
        assert await process.wait() == -signal.SIGKILL
        with theirs:
            assert theirs.recv(65536).count(b"\n") == parent._SILENT_ASKS
