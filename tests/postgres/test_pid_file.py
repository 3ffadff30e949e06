"""What `postmaster.pid` names: a server of ours, a stranger's, another program, or nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.postgres import pid_file
from bridge.postgres.socket_directory import running_socket_dir

pytestmark = pytest.mark.anyio


async def test_a_server_that_dies_while_we_look_is_waited_for_and_not_taken_for_a_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter((["postgres", "-c", pid_file.mark(tmp_path)],))
    monkeypatch.setattr(pid_file, "_command_line", lambda _: next(looks, [""]))
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:  # not waited for yet: its number is nobody else's
        (tmp_path / "postmaster.pid").write_text(f"{dead.pid}\n")
        await pid_file.settle(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


async def test_the_number_of_another_program_is_removed_and_that_of_no_process_stays(tmp_path: Path) -> None:
    named = tmp_path / "postmaster.pid"
    named.write_text(f"{os.getpid()}\n")
    await pid_file.settle(tmp_path)
    assert not named.exists()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    named.write_text(f"{ended.pid}\n")
    await pid_file.settle(tmp_path)
    assert named.exists()  # the server itself looks for survivors in shared memory before it removes it


@pytest.mark.parametrize("text", ["", "garbage\n", "1\n2\n"])
def test_a_file_without_a_socket_names_none(tmp_path: Path, text: str) -> None:
    assert running_socket_dir(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text(text)
    assert running_socket_dir(tmp_path) is None
