"""`links`: a plan before anything is written, then looking at links and steering them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import orjson
import pytest

from bridge.cli import main
from bridge.domain.link.word_map import Side
from bridge.storage.database import Database, opened
from tests.links.rule_rig import RuleRig, problem

CONFIGURATION = """
[database]
dsn = "{dsn}"

[sources.left]
url = "https://left.example/v4"
write = true

[sources.right]
url = "https://right.example/v4"
write = true

[links.one]
left = "left"
right = "right"
preset = "tmf656-tmf656"
on_conflict = "manual"

[links.one.notes]
direction = "none"

[links.one.match]
by = ["externalId = id"]
"""


@pytest.fixture
async def rig(dsn: str) -> Any:
    async with opened(dsn, wait=False) as database:
        yield await pair(database)


async def pair(database: Database) -> RuleRig:
    rig = RuleRig(database, {"match": {"by": ["externalId = id"]}, "on_conflict": "manual", "create": "none"})
    await rig.start()
    await rig.say(Side.RIGHT, problem("R1", name="x"))
    await rig.say(Side.LEFT, problem(1, name="x", externalId="R1"))
    return rig


@dataclass
class Shown:
    """What a command came to."""

    status: int
    out: str
    err: str


@pytest.mark.anyio
async def test_a_plan_comes_first_and_people_steer_what_follows(
    rig: RuleRig, dsn: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(CONFIGURATION.format(dsn=dsn))

    async def links(*arguments: str) -> Shown:
        capsys.readouterr()
        status = await anyio.to_thread.run_sync(main, ["links", *arguments, "--config", str(config)])
        return Shown(status, *capsys.readouterr())

    planned = await links("plan", "one", "--json", "--write", str(tmp_path / "plan.json"))
    assert planned.status == 3, planned.err
    [plan] = orjson.loads(planned.out)
    assert [plan] == orjson.loads((tmp_path / "plan.json").read_bytes())
    assert "cannot be written" in (await links("plan", "one", "--write", str(tmp_path / "no" / "plan.json"))).err
    assert [(step["action"], step["left"], step["right"]) for step in plan["steps"]] == [("match", "1", "R1")]
    decider = rig.decider((await rig.jobs().register())[0])
    await decider.run_once()
    calm = await links("plan")
    assert (calm.status, "rule one: 1 linked, 0 left alone" in calm.out) == (0, True)
    await rig.say(Side.LEFT, problem(1, name="l", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="r"))
    await decider.run_once()
    assert "'l' / 'r'" in (await links("conflicts")).out
    listed = orjson.loads((await links("list", "--conflicts", "--json")).out)
    [row] = listed["links"]
    assert (row["left_id"], row["right_id"], row["waiting_conflicts"]) == ("1", "R1", 1)
    shown = (await links("show", "R1")).out
    assert "both_changed, waiting, 'l' / 'r'" in shown
    assert (await links("resolve", "R1", "title", "left")).status == 0
    assert (await links("pause", "one", "--reason", "moving")).out == "one: paused\n"
    assert "rule one: paused" in (await links("list")).out
    again = await links("pause", "one")
    assert (again.status, "it does not run" in again.err) == (1, True)
    assert (await links("resume", "one")).status == 0
    await decider.run_once()
    [write] = await rig.open_writes()
    assert (write.side, write.fields["title"]["to"]) == (Side.RIGHT, "l")


def test_presets_are_listed_and_printed_as_toml(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["links", "preset"]) == 0
    assert "ses: " in capsys.readouterr().out
    assert main(["links", "preset", "ses"]) == 0
    assert "[maps]" in capsys.readouterr().out
    assert main(["links", "preset", "nothing"]) == 1
    assert "no preset 'nothing' (there are: " in capsys.readouterr().err
