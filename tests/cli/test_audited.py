"""What commands do stands in the audit, as what people do in the console does."""

from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import Any

import anyio.to_thread
import asyncpg
import orjson
import pytest

from bridge.cli import audited, main
from bridge.domain.link.word_map import Side
from bridge.simulator import Simulator
from bridge.storage.database import opened
from bridge.storage.setting import SettingChange, append
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio

SECRET = "canary-secret-canary-secret"


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Any]:
    """Run a command with the configuration in `tmp_path`; returns its exit status."""

    async def running(*arguments: str) -> int:
        given = [*arguments, "--config", str(tmp_path / "bridge.toml")]
        return await anyio.to_thread.run_sync(main, given)

    return running


def configure(place: Path, dsn: str, more: str = "") -> None:
    address = dsn if "://" in dsn else dsn.replace(":/", ":///", 1)
    (place / "bridge.toml").write_text(f'[database]\ndsn = "{address}"\n{more}')


async def audit_of(dsn: str) -> list[tuple[str, str]]:
    """Action and object of each row; every row names the user of this machine, and no secret."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select *, audit::text as whole from bridge.audit order by id")
    finally:
        await connection.close()
    for row in rows:
        assert (row["actor"], row["role"], row["address"], row["outcome"]) == (getuser(), None, "cli", "done")
        assert SECRET not in row["whole"]
    return [(row["action"], row["object"]) for row in rows]


async def test_passes_and_the_rotation_of_a_secret_are_kept(
    dsn: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    async with Simulator(population=3) as sim:
        configure(tmp_path, dsn, f'[sources.snow]\nurl = "{sim.url}"\ntoken = "{SECRET}"\n')
        assert await command("sync", "snow") == 0
        assert await command("sync", "snow", "--full") == 0
        assert await command("sync", "snow", "--accept-deletions") == 0
        assert await command("sync", "rain") == 1
        connection = await asyncpg.connect(dsn)
        await connection.execute("update bridge.source set callback_secret = $1", SECRET)
        await connection.close()
        assert await command("rotate-secret", "snow") == 0
        assert await command("forget", "snow", "--yes") == 0
    assert await audit_of(dsn) == [
        ("request.poll", "snow"),
        ("request.reconcile", "snow"),
        ("request.reconcile", "snow"),
        ("request.rotate_secret", "snow"),
        ("source.forget", "snow"),
    ]
    connection = await asyncpg.connect(dsn)
    accepted = await connection.fetchval("select count(*) from bridge.audit where after ? 'accept_deletions'")
    await connection.close()
    assert accepted == 1


async def test_a_pass_is_kept_before_its_first_request(dsn: str, tmp_path: Path, command: Callable[..., Any]) -> None:
    configure(tmp_path, dsn, '[sources.snow]\nurl = "http://127.0.0.1:9/v4"\n')
    assert await command("sync", "snow") == 1
    assert await audit_of(dsn) == [("request.poll", "snow")]


async def test_letters_that_are_handled_are_kept_by_number(
    dsn: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    configure(tmp_path, dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute("insert into bridge.source (name) values ('snow')")
    for raw in (b"{", b"[", b"x"):
        await connection.execute(
            "insert into bridge.dead_letter (source_id, received_at, last_received_at, reason, detail, hint, digest, "
            "raw, via) select id, '2026-06-01', '2026-06-01', 'not_json', 'no', '', $1, $1, 'push' from bridge.source",
            raw,
        )
    assert await command("dead-letters", "replay", "1") == 1
    assert await command("dead-letters", "discard", "2") == 0
    assert await command("dead-letters", "discard", "--all", "--source", "snow") == 0
    assert await command("dead-letters", "discard", "--all") == 0  # none is left, so nothing was done
    kept = await connection.fetch("select after::text from bridge.audit order by id")
    await connection.close()
    assert [orjson.loads(row["after"]) for row in kept] == [
        {"numbers": [1]},
        {"numbers": [2]},
        {"letters": 2, "up_to": 3},
    ]
    assert await audit_of(dsn) == [
        ("request.replay", "every source"),
        ("request.discard", "every source"),
        ("request.discard", "snow"),
    ]


async def test_what_is_taken_back_of_the_settings_is_kept(
    dsn: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    configure(tmp_path, dsn)
    async with opened(dsn, wait=False) as database, database.transaction() as connection:
        changes = {"log.level": SettingChange("info", "debug")}
        await append(connection, 0, "anna", "incident", changes, via="console")
    assert await command("config", "--drop-overlay") == 0
    assert await command("config", "--drop-overlay") == 0  # nothing is set any more
    assert await audit_of(dsn) == [("configuration.save", "revision 2")]


LINKS = """
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

[links.one.match]
by = ["externalId = id"]
"""


async def test_what_people_do_with_links_is_kept_when_it_was_done(
    dsn: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    configure(tmp_path, dsn, LINKS)
    async with opened(dsn, wait=False) as database:
        rig = RuleRig(database, {"match": {"by": ["externalId = id"]}, "on_conflict": "manual", "create": "none"})
        decider = await rig.start()
        await rig.say(Side.RIGHT, problem("R1", name="x"))
        await rig.say(Side.LEFT, problem(1, name="x", externalId="R1"))
        await decider.run_once()
    assert await command("links", "pause", "one", "--reason", "maintenance") == 0
    assert await command("links", "pause", "one") == 1  # it is paused, so nothing was done
    assert await command("links", "resume", "one") == 0
    assert await command("links", "unlink", "1") == 0
    assert await command("links", "link", "one", "1", "R1") == 0
    assert await command("links", "retry", "--rule", "one") == 0
    assert await command("links", "ignore", "no such link") == 1
    [first, second, third, (joined, number), last] = await audit_of(dsn)
    assert [first, second, third, last] == [
        ("links.pause", "one"),
        ("links.resume", "one"),
        ("links.unlink", "link 1"),
        ("links.retry", "one"),
    ]
    assert (joined, number.startswith("link ")) == ("links.link", True)


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)  # as a cluster chooses one
    assert audited.who() == "user 4000000"
