"""Starting a process of this program."""

import signal

import anyio
import pytest

from bridge.workers import spawn

pytestmark = pytest.mark.anyio


async def test_a_process_ends_when_its_channel_closes_and_is_not_told_of_systemd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    assert "NOTIFY_SOCKET" not in spawn._environment()
    ours, process = await spawn.started("front")
    ours.close()
    with anyio.fail_after(60):
        await process.wait()
    spawn.signalled(process, signal.SIGTERM)  # it has ended: nothing happens
