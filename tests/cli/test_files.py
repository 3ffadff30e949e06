"""`files`: what came with the package, written where it is wanted."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_f15_rules_dashboards_unit_compose_and_reports_are_written(call: Any, tmp_path: Path) -> None:
    answer = await call("files", "here/there")
    assert answer.status == 0
    for name in (
        "deploy/bridge.toml",
        "deploy/compose.yaml",
        "deploy/prometheus/tmf656-bridge.rules.yml",
        "deploy/systemd/tmf656-bridge.service",
        "deploy/kubernetes/tmf656-bridge.yaml",
        "deploy/dataminer/TicketRoutes.cs",
        "deploy/servicenow/business_rule.js",
        "grafana/dashboards/feed-health.json",
        "sql/reports/daily_flow.sql",
    ):
        assert (tmp_path / "here/there" / name).is_file(), name
        assert f"here/there/{name}" in answer.out
    assert (await call("files", "here/there")).status == 0, "what is the same may be written again"


async def test_a_file_that_differs_is_kept_unless_it_is_forced(call: Any, tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    mine = tmp_path / "deploy" / "bridge.toml"
    mine.write_text("mine")
    answer = await call("files", ".")
    assert answer.status == 1
    assert "deploy/bridge.toml" in answer.err
    assert "--force" in answer.err
    assert mine.read_text() == "mine"
    assert not (tmp_path / "grafana").exists(), "all or nothing"
    assert (await call("files", ".", "--force")).status == 0
    assert mine.read_text() != "mine"


async def test_a_directory_that_cannot_be_written_is_named(call: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    answer = await call("files", "taken")
    assert answer.status == 1
    assert "taken" in answer.err
    assert "cannot be written" in answer.err
