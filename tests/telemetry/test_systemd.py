"""What is sent to systemd, and when nothing is."""

import os
import socket
from pathlib import Path

import pytest

from bridge.telemetry.systemd import notify, watchdog_seconds


def test_a_state_reaches_the_socket_and_an_abstract_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, bound in ((str(tmp_path / "notify"),) * 2, (f"@{tmp_path}", f"\0{tmp_path}")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(bound)
            listening.settimeout(10)
            monkeypatch.setenv("NOTIFY_SOCKET", address)
            notify("READY=1")
            assert listening.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_without_a_listening_socket_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("3000000", "", 3.0),
        ("3000000", "self", 3.0),
        ("3000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("x", "", None),
    ],
)
def test_the_watchdog_is_ours_only_when_it_names_us_or_nobody(
    usec: str, pid: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "self" else pid)
    assert watchdog_seconds() == seconds
