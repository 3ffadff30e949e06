"""`links audit`: what is printed, and the exit statuses."""

from pathlib import Path

import anyio.to_thread
import orjson
import pytest

from bridge.cli import main
from bridge.simulator import Simulator
from bridge.storage.database import Database
from tests.links.pair import LEFT, RULE, Pair, paired
from tests.links.test_audit import OLD
from tests.links.test_send import SAME

pytestmark = pytest.mark.anyio


def configuration(pair: Pair, dsn: str, path: Path) -> Path:
    """The configuration of a pair as a file, without writes."""
    sources = "".join(f'[sources.{side.value}]\nurl = "{sim.url}"\n' for side, sim in pair.sims.items())
    fields = "".join(
        f'{name} = {{ left = "{one["left"][0]}", right = "{one["right"][0]}" }}\n'
        for name, one in RULE["fields"].items()
    )
    path.write_text(
        f'[database]\ndsn = "{dsn}"\n{sources}[links.pair]\nleft = "left"\nright = "right"\nmode = "plan"\n'
        f"[links.pair.fields]\n{fields}"
    )
    return path


async def test_drift_is_listed_and_known_differences_are_counted(
    database: Database, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        Simulator(id_prefix="L") as left,
        Simulator(id_prefix="R") as right,
        paired(database, left, right) as pair,
    ):
        for _ in range(2):
            one, other = await left.create(**SAME), await right.create(**SAME)
            await pair.pull()
            await pair.join(one["id"], other["id"])
        config = configuration(pair, dsn, tmp_path / "bridge.toml")

        async def audit(*arguments: str) -> tuple[int, str, str]:
            capsys.readouterr()
            command = ["links", "audit", *arguments, "--rate", "1000", "--config", str(config)]
            status = await anyio.to_thread.run_sync(main, command)
            return status, *capsys.readouterr()

        status, out, _ = await audit("pair")
        assert (status, out) == (0, "rule pair: 2 links compared, nothing differs without a known reason\n")
        await left.patch(one["id"], priority=1, lastUpdate=OLD)
        first = next(ticket for ticket in left.problems if ticket != one["id"])
        await left.patch(first, description="a\x1b[31mnew\nline")
        status, out, _ = await audit()
        assert status == 3
        assert "2 links compared, 1 fields differ without a known reason" in out
        assert f"link 2, {one['id']} ↔ {other['id']}: priority '1' / '3': the bridge has not seen this change" in out
        assert "known: 1 times changed a moment ago at left" in out
        assert "\x1b" not in out
        status, out, _ = await audit("--json")
        [shown] = orjson.loads(out)
        assert (status, shown["links"], shown["drift"]) == (3, 2, 1)
        assert {one["field"] for one in shown["differences"]} == {"priority", "title"}
        pair.sims[LEFT].faults.down = True
        status, _, err = await audit()
        assert status == 1
        assert "--resume" in err
        assert "source left" in err
        pair.sims[LEFT].faults.down = False
        assert (await audit("--resume"))[0] == 3
        assert "no rule 'other' in the configuration (there are: pair)" in (await audit("other"))[2]
