"""`check` of this machine: journal, port, callback."""

import socket
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.check_listener import check_listener
from bridge.cli.finding import Finding
from bridge.settings.read import assemble

FAR = "https://snow.example/v4"
NEAR = "http://127.0.0.1:9/v4"


def found(tmp_path: Path, url: str = FAR, *, running: bool = False, **http: Any) -> dict[str, Finding]:
    tree = {"data_dir": str(tmp_path / "data"), "http": http, "sources": {"snow": {"url": url}}}
    findings = check_listener(assemble(tree, {}, tmp_path), running=running)
    return {f"{one.subject} {one.aspect}": one for one in findings}


@pytest.mark.parametrize(
    ("http", "said", "remedy"),
    [
        ({}, "http://127.0.0.1:8656: snow cannot reach a loopback address", "set http.public_url"),
        ({"public_url": "http://localhost:8656"}, "snow cannot reach a loopback address", "set http.public_url"),
        ({"public_url": "http://[::1]:8656"}, "snow cannot reach a loopback address", "set http.public_url"),
        ({"port": 0}, "http.port = 0 is any free port", "set http.port, and http.public_url"),
        ({"public_url": "https://us.example"}, "the listener is on 127.0.0.1 only", 'set http.host = "0.0.0.0"'),
        (
            {"public_url": "https://us.example", "host": "0.0.0.0"},  # noqa: S104 -- not bound - what is tested
            "the listener speaks plain http",
            "else set http.tls_cert_file",
        ),
        (
            {"public_url": "http://us.example:9000", "host": "0.0.0.0"},  # noqa: S104 -- not bound
            "http://us.example:9000: the listener is on port 8656",
            "else set http.port = 9000, or the port in http.public_url",
        ),
    ],
)
def test_f3_a_callback_that_may_not_arrive_is_doubted_with_the_key(
    tmp_path: Path, http: dict[str, Any], said: str, remedy: str
) -> None:
    one = found(tmp_path, **http)["callback address"]
    assert one.works is None
    assert said in one.found
    assert remedy in one.remedy


def test_f3_a_callback_that_matches_is_printed(tmp_path: Path) -> None:
    everywhere = "0.0.0.0"  # noqa: S104 -- not bound
    one = found(tmp_path, host=everywhere, public_url="http://us.example:8656/in")["callback address"]
    assert (one.works, one.found) == (True, "http://us.example:8656/in")
    one = found(tmp_path, NEAR)["callback address"]
    assert (one.works, one.found) == (True, "http://127.0.0.1:8656")


def test_d5_a_port_that_is_taken_fails_unless_a_bridge_runs(tmp_path: Path, held_port: socket.socket) -> None:
    held_port.listen()
    port = held_port.getsockname()[1]
    one = found(tmp_path, port=port)["listener port"]
    assert one.works is False
    assert f"set http.port (now {port})" in one.remedy
    assert found(tmp_path, port=port, running=True)["listener port"].works is True


def test_d5_a_journal_that_cannot_be_written_fails_with_data_dir(tmp_path: Path) -> None:
    assert found(tmp_path)["journal directory"].works is True
    (tmp_path / "data").write_text("a file")
    one = found(tmp_path)["journal directory"]
    assert one.works is False
    assert f"set data_dir (now {tmp_path / 'data'})" in one.remedy
