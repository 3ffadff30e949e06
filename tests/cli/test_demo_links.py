"""`demo --links`: two systems are kept in step while people edit both, and commands lead there."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.demo_links import PairOfDesks
from bridge.settings.read import assemble

pytestmark = pytest.mark.anyio

LINE = re.compile(r"(\d+) linked +(\d+) writes +(\d+) notes copied +(\d+) conflicts wait +(\d+) behind")


async def test_every_kind_of_edit_is_one_that_both_systems_take() -> None:
    async with PairOfDesks() as scene:
        assert assemble(scene.tables(), {}, Path.cwd()).links["dma-snow"].preset == "dataminer-servicenow"
        [ticket, *_] = scene.dataminer.tickets.values()
        incident = scene.servicenow.create()
        for seed in range(200):
            scene.dice.seed(seed)
            scene.edit(ticket, incident)
        assert ticket.notes
        assert incident["short_description"] != ""


def test_it_keeps_both_in_step_and_says_where_to_look(tmp_path: Path) -> None:
    environment = os.environ | {"BRIDGE_HTTP__PORT": "0"}
    command = [sys.executable, "-m", "bridge"]
    with subprocess.Popen(
        [*command, "demo", "--links"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as demo:
        try:
            assert demo.stdout is not None
            shown = []
            for line in demo.stdout:
                shown.append(line)
                figures = LINE.search(line)
                if figures and int(figures[1]) == 12 and int(figures[2]) > 12 and int(figures[3]) > 0:
                    break
            config = tmp_path / ".bridge-demo-links" / "bridge.toml"
            listed = subprocess.run(
                [*command, "links", "list", "--config", config],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)
    text = "".join(shown)
    assert "links list --config .bridge-demo-links/bridge.toml" in text
    assert re.search(r"console +http://127", text)
    assert "rule dma-snow: on" in listed.stdout
