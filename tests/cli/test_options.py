"""What the commands share: reading the settings, data that have to be there, and ending on a signal."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_all_faults_of_the_configuration_are_listed_at_once_with_status_2(
    call: Any, configured: Any, tmp_path: Any
) -> None:
    config = configured(
        sources={"snow": {"url": "ftp://x", "poll_interval_seconds": 0, "colour": "red", "ca_file": "/nowhere.pem"}}
    )
    answer = await call("run", "--config", config, env={"BRIDGE_HTTP__PORT": "many"})
    assert answer.status == 2
    for key in (
        "sources.snow.url",
        "sources.snow.poll_interval_seconds",
        "sources.snow.colour",
        "sources.snow.ca_file",
        "http.port",
    ):
        assert key in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "data").exists(), "nothing was started"


async def test_a_fault_found_only_when_the_client_is_made_is_a_fault_of_the_configuration_too(
    dsn: str, call: Any, configured: Any, tmp_path: Any
) -> None:
    broken = tmp_path / "authorities.pem"
    broken.write_text("no certificate")
    config = configured(dsn=dsn, sources={"snow": {"url": "https://127.0.0.1:9/v4", "ca_file": str(broken)}})
    answer = await call("run", "--config", config)
    assert answer.status == 2
    assert "sources.snow.ca_file" in answer.err
    assert "Traceback" not in answer.err
