"""`user`: people of the console."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from bridge import cli
from bridge.storage import saved_view
from bridge.storage.database import Database

PASSWORD = "correct horse battery"


@pytest.fixture
def run(dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command on a database of its own; returns exit status, output and errors."""
    config = tmp_path / "bridge.toml"
    address = dsn if "://" in dsn else dsn.replace(":/", ":///", 1)
    config.write_text(f'[database]\ndsn = "{address}"\n')
    (tmp_path / "password").write_text(f"{PASSWORD}\n")

    def running(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["user", *arguments, "--config", str(config)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return running


def test_a_user_is_added_listed_changed_and_removed(run: Callable[..., Any], tmp_path: Path) -> None:
    file = ("--password-file", str(tmp_path / "password"))
    assert run("add", "anna", "--role", "operator", *file)[0] == 0
    status, _, err = run("add", "anna", *file)
    assert (status, "already" in err) == (1, True)
    assert run("role", "anna", "admin")[0] == 0
    assert run("password", "anna", *file)[0] == 0
    [user] = orjson.loads(run("list", "--json")[1])
    assert (user["name"], user["role"]) == ("anna", "admin")
    assert "anna" in run("list")[1]
    assert run("remove", "anna")[0] == 0
    assert orjson.loads(run("list", "--json")[1]) == []


@pytest.mark.parametrize(
    "arguments", [("role", "ben", "admin"), ("remove", "ben"), ("add", " ben"), ("add", "ben\x07"), ("add", "")]
)
def test_what_cannot_be_done_is_said_and_exits_1(
    run: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = ("--password-file", str(tmp_path / "password")) if arguments[0] == "add" else ()
    status, _, err = run(*arguments, *file)
    assert status == 1
    assert "ben" in err or "''" in err


def test_a_short_password_is_refused_and_not_shown(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("short1")
    status, out, err = run("add", "anna", "--password-file", str(tmp_path / "password"))
    assert status == 1
    assert "short1" not in out + err


@pytest.mark.anyio
async def test_a_user_is_removed_with_the_views_that_nobody_else_sees(
    run: Callable[..., Any], tmp_path: Path, database: Database
) -> None:
    import anyio.to_thread  # noqa: PLC0415 -- the command has an event loop of its own

    file = str(tmp_path / "password")
    await anyio.to_thread.run_sync(lambda: run("add", "anna", "--password-file", file))
    async with database.transaction() as connection:
        await saved_view.save(connection, "anna", "mine", "status=held", shared=False)
        await saved_view.save(connection, "anna", "ours", "status=held", shared=True)
        await saved_view.save(connection, "bert", "his", "status=held", shared=False)
    status, out, _ = await anyio.to_thread.run_sync(lambda: run("remove", "anna"))
    assert (status, "with 1 saved view" in out) == (0, True)
    async with database.connection() as connection:
        assert [one.name for one in await saved_view.visible(connection, "anna")] == ["ours"]
        assert [one.name for one in await saved_view.visible(connection, "bert")] == ["his", "ours"]


@pytest.mark.anyio
async def test_every_change_is_audited_without_the_password(run: Callable[..., Any], tmp_path: Path, dsn: str) -> None:
    import anyio.to_thread  # noqa: PLC0415 -- the command has an event loop of its own

    await anyio.to_thread.run_sync(lambda: run("add", "anna", "--password-file", str(tmp_path / "password")))
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow("select action, object, address, audit::text as whole from bridge.audit")
        assert (row["action"], row["object"], row["address"]) == ("user.add", "anna", "cli")
        assert PASSWORD not in row["whole"]
    finally:
        await connection.close()
